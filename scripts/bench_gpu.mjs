// `npm run bench:gpu`, on a machine with an NVIDIA GPU: bench/gpu on the addon with CUDA; results with the machine they were
// measured on into bench/results/gpu_bench_<gpu>.json, which is written anew after each row.
//   node scripts/bench_gpu.mjs [--no-build] [--addon FILE] [--out FILE] [--quick] [--only kernels,steps,jobs] [--precision ...] [--filter ...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaAddon, machineOf, openAddon, outFile, root, slug, stop, withFolder } from './gpu_run.mjs';

const { values } = parseArgs({
  options: {
    'no-build': { type: 'boolean' },
    addon: { type: 'string' },
    out: { type: 'string' },
    quick: { type: 'boolean' },
    only: { type: 'string' },
    precision: { type: 'string' },
    filter: { type: 'string' },
  },
});
if (!values['no-build']) (await import('./build.mjs')).build({ cuda: true });
const addon = resolve(values.addon ?? cudaAddon);
const machine = machineOf(await openAddon(addon, 'Nothing was measured.'));
const out = outFile(values.out, `bench/results/gpu_bench_${slug(machine.gpu)}.json`);
const passed = ['only', 'precision', 'filter'].flatMap((name) => (values[name] ? [`--${name}`, values[name]] : []));
mkdirSync(dirname(out), { recursive: true });
rmSync(out, { force: true });
await withFolder((scratch) => {
  const args = ['dist/bench/gpu/bench.js', '--out', out, '--machine', JSON.stringify(machine), ...passed];
  const { status } = spawnSync(process.execPath, [...args, ...(values.quick ? ['--quick'] : [])], {
    cwd: root,
    stdio: 'inherit',
    // choices of engines go into a cache of their own, unless one is named
    env: { BANDLIFT_CACHE_DIR: join(scratch, 'cache'), ...process.env, BANDLIFT_ADDON: addon },
  });
  if (!existsSync(out)) stop('error: nothing was measured; the messages above say why', status || 1);
  console.log(`written: ${out}`);
  process.exitCode = status ?? 1;
});
