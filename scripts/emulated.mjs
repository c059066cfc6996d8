// Builds the addon against the emulation of CUDA (test/native/emulation) and runs on it what otherwise needs a GPU: test/gpu,
// with a stand-in for cuDNN, and a small round of the GPU benchmark. Ends with 'N passed, N failed'.
//   node scripts/emulated.mjs [--no-build] [FILTER ...]      --no-build: build/emulated is there
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTests, stop, withFolder } from './gpu_run.mjs';

const args = process.argv.slice(2);
const filters = args.filter((arg) => !arg.startsWith('--'));
const folder = join(root, 'build/emulated');
const addon = join(folder, 'bandlift.node');
const cudnn = join(folder, 'fake_cudnn/libcudnn.so.9');

function run(command, commandArgs, env = {}) {
  const result = spawnSync(command, commandArgs, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) process.stdout.write(result.stdout ?? '');
  return result.status === 0;
}

if (!args.includes('--no-build')) {
  const options = ['-DBANDLIFT_EMULATED=ON', '-DBANDLIFT_ADDON=ON'];
  if (!run('cmake', ['-S', '.', '-B', folder, ...options])) stop('error: cmake failed; its messages are above', 1);
  const targets = ['--target', 'bandlift', 'fake_cudnn', '--parallel', '2'];
  if (!run('cmake', ['--build', folder, ...targets])) stop('error: the build failed; its messages are above', 1);
}
for (const file of [addon, cudnn]) if (!existsSync(file)) stop(`error: ${file} is missing`, 1);

const result = await withFolder(async (scratch) => {
  const env = { BANDLIFT_ADDON: addon, BANDLIFT_CUDNN: cudnn, BANDLIFT_GPU_WORKERS: '2', BANDLIFT_MEASURE: '0' };
  const counts = await runTests(scratch, { only: filters, env });
  // nothing is missing here: a skip is a failure
  counts.failures.push(...counts.skips.map((reason) => ({ name: 'skipped', errors: [reason] })));
  if (filters.length > 0) return counts;
  const out = join(scratch, 'bench.json');
  const works = run(process.execPath, ['dist/bench/gpu/bench.js', '--quick', '--out', out], {
    ...env,
    BANDLIFT_CACHE_DIR: join(scratch, 'cache'),
  });
  if (works && existsSync(out)) counts.passed++;
  else counts.failures.push({ name: 'bench:gpu --quick', errors: ['its messages are above'] });
  return counts;
});
for (const { name, errors } of result.failures) console.log(`FAIL ${name}: ${errors.join('; ')}`);
console.log(`${result.passed} passed, ${result.failures.length} failed`);
process.exitCode = result.failures.length > 0 ? 1 : 0;
