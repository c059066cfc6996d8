// Builds what is missing and runs one kind of benchmark: ops (operators), native (kernels without Node), peers (beside PyTorch).
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build, root } from './build.mjs';

const [kind, ...args] = process.argv.slice(2);
build({ tests: true });
const run = (command, commandArgs) => {
  const { status, error } = spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit' });
  if (error || status !== 0) {
    console.error(`error: ${command} ${error ? error.message : `ended with exit code ${status}`}`);
    process.exit(status || 1);
  }
};
if (kind === 'ops') run(process.execPath, ['dist/bench/ops.js', ...args]);
else if (kind === 'peers') run(process.execPath, ['dist/bench/peers/compare.js', ...args]);
else {
  for (const file of readdirSync(join(root, 'bench/native')).sort()) {
    if (!file.endsWith('_bench.cpp')) continue;
    const name = file.replace(/\.cpp$/, '');
    console.log(`== ${name}`);
    run(join(root, 'build/release', name), name === 'machine_bench' ? [] : args);
  }
}
