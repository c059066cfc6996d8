// Checks that every tracked C++ file is formatted as .clang-format says.
//   node scripts/clang_format.mjs [--write]     --write formats them instead
// Without clang-format the check is skipped; with BANDLIFT_REQUIRE_ALL=1 (continuous integration) it then fails.
import { spawnSync } from 'node:child_process';
import { root } from './build.mjs';

function command(name, args, options = {}) {
  const result = spawnSync(name, args, { cwd: root, encoding: 'utf8', ...options });
  if (result.error && result.error.code !== 'ENOENT') throw result.error;
  return result;
}

function main() {
  if (command('clang-format', ['--version']).error) {
    console.log('skipped: clang-format is not installed (apt-get install clang-format)');
    return process.env.BANDLIFT_REQUIRE_ALL === '1' ? 1 : 0;
  }
  const listed = command('git', ['ls-files', '-z', '*.cpp', '*.cu', '*.h']);
  if (listed.error || listed.status !== 0) {
    console.log('skipped: git does not list the tracked files (is this a git checkout?)');
    return process.env.BANDLIFT_REQUIRE_ALL === '1' ? 1 : 0;
  }
  const files = listed.stdout.split('\0').filter((name) => name !== '');
  const write = process.argv.includes('--write');
  const { status } = command('clang-format', [...(write ? ['-i'] : ['--dry-run', '-Werror']), ...files], {
    stdio: 'inherit',
  });
  if (status === 0) console.log(`${files.length} C++ files ${write ? 'formatted' : 'are formatted'}`);
  else if (!write) console.log('some C++ files are not formatted; run `npm run format`');
  return status === 0 ? 0 : 1;
}

process.exitCode = main();
