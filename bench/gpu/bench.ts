/**
 * The GPU benchmark: kernels, whole training steps beside PyTorch, whole documented jobs.
 *   npm run bench:gpu -- [--quick] [--only kernels,steps,jobs] [--precision tf32,bf16,...] [--filter NAME,...] [--out FILE]
 * --filter: only tables of operators, networks and jobs whose name contains one of these. FILE is written anew after each row,
 * so that what was measured before the benchmark was stopped is kept. Without PyTorch (BANDLIFT_PEERS_PYTHON, else python3)
 * its columns are missing; --quick is tiny and leaves it out.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { libraryFolders, loadAddon } from '../../bindings/load.js';
import { PRECISIONS, type Precision } from '../../src/engine/precision.js';
import { benchJobs } from './jobs.js';
import { benchKernels } from './kernels.js';
import { benchSteps } from './steps.js';
import type { BenchOptions } from './timing.js';
import { findTorch } from './torch.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'kernels,steps,jobs' },
    precision: { type: 'string' },
    filter: { type: 'string', default: '' },
    machine: { type: 'string', default: '{}' }, // JSON: what scripts/bench_gpu.mjs found out
    out: { type: 'string' },
  },
});

const report = loadAddon().cudaReport(libraryFolders());
const gpu = report.devices.find(({ usable }) => usable);
if (gpu === undefined) {
  process.stderr.write(
    `no GPU: ${report.built ? report.reason : 'this addon was built without CUDA'}. Nothing was measured.\n`,
  );
  process.exit(2);
}
const cudnn = report.libraries.find(({ name }) => name === 'cuDNN');
const torch = values.quick ? { reason: '--quick' } : findTorch();
const has = (precision: Precision) =>
  Number(gpu.computeCapability) >= 8 || precision === 'fp32' || precision === 'fp16';
const asked = values.precision?.split(',') ?? (values.quick ? ['fp32', 'bf16'] : PRECISIONS);
const options: BenchOptions = {
  quick: values.quick,
  python: 'python' in torch ? torch.python : undefined,
  precisions: PRECISIONS.filter((precision) => asked.includes(precision) && has(precision)),
  providers: cudnn?.problem === '' ? ['cudnn', 'own'] : ['own'],
  wanted: (name) => values.filter.split(',').some((part) => name.includes(part)),
};
console.log(
  `${gpu.name}; convolutions by ${options.providers.join(', ')}; PyTorch: ${'python' in torch ? torch.python : `none (${torch.reason})`}`,
);

const only = values.only.split(',');
const folder = mkdtempSync(join(tmpdir(), 'bandlift-bench-'));
const results: Record<string, unknown> = { machine: JSON.parse(values.machine), torch, options };
/** Replaces the file by what was measured so far. */
const keep = (part: string) => (measured: unknown) => {
  results[part] = measured;
  if (values.out === undefined) return;
  writeFileSync(`${values.out}.tmp`, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(`${values.out}.tmp`, values.out);
};
const parts = {
  kernels: () => benchKernels(options, keep('kernels')),
  steps: () => benchSteps(options, keep('steps')),
  jobs: () => benchJobs(options, folder, keep('jobs')),
};
try {
  for (const [name, measure] of Object.entries(parts)) {
    if (!only.includes(name)) continue;
    // one that fails is told, and the others are measured all the same
    await measure().catch((error: Error) => {
      process.stderr.write(`error: ${name}: ${error.message}\n`);
      process.exitCode = 1;
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
