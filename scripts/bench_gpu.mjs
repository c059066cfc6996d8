// `npm run bench:gpu`, on a machine with an NVIDIA GPU: bench/gpu on the addon with CUDA; results with the machine they were
// measured on into bench/results/gpu_bench_<gpu>.json.
//   node scripts/bench_gpu.mjs [--no-build] [--addon FILE] [--out FILE] [--quick] [--only kernels,steps,jobs] [--precision ...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaAddon, machineOf, openAddon, root, slug, stop, withFolder } from './gpu_run.mjs';

const { values } = parseArgs({
  options: {
    'no-build': { type: 'boolean' },
    addon: { type: 'string' },
    out: { type: 'string' },
    quick: { type: 'boolean' },
    only: { type: 'string' },
    precision: { type: 'string' },
  },
});
if (!values['no-build']) (await import('./build.mjs')).build({ cuda: true });
const addon = resolve(values.addon ?? cudaAddon);
const machine = machineOf(await openAddon(addon, 'Nothing was measured.'));
const out = values.out ?? join(root, `bench/results/gpu_bench_${slug(machine.gpu)}.json`);
const passed = ['only', 'precision'].flatMap((name) => (values[name] ? [`--${name}`, values[name]] : []));
await withFolder((scratch) => {
  const raw = join(scratch, 'bench.json');
  const args = ['dist/bench/gpu/bench.js', '--out', raw, ...passed, ...(values.quick ? ['--quick'] : [])];
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, BANDLIFT_ADDON: addon, BANDLIFT_CACHE_DIR: join(scratch, 'cache') },
  });
  if (!existsSync(raw)) stop('error: nothing was measured; the messages above say why', status || 1);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.tmp`, `${JSON.stringify({ machine, ...JSON.parse(readFileSync(raw, 'utf8')) }, null, 1)}\n`);
  renameSync(`${out}.tmp`, out);
  console.log(`written: ${out}`);
  process.exitCode = status ?? 1;
});
