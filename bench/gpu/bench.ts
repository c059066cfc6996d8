/**
 * The GPU benchmark: kernels, whole training steps beside PyTorch, whole documented jobs.
 *   npm run bench:gpu -- [--quick] [--only kernels,steps,jobs] [--precision tf32,bf16,...] [--out FILE]
 * Without PyTorch (BANDLIFT_PEERS_PYTHON, else python3) its columns are missing; --quick is tiny and leaves it out.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
};
console.log(
  `${gpu.name}; convolutions by ${options.providers.join(', ')}; PyTorch: ${'python' in torch ? torch.python : `none (${torch.reason})`}`,
);

const only = values.only.split(',');
const folder = mkdtempSync(join(tmpdir(), 'bandlift-bench-'));
const results: Record<string, unknown> = { torch, options };
try {
  if (only.includes('kernels')) results.kernels = await benchKernels(options);
  if (only.includes('steps')) results.steps = await benchSteps(options);
  if (only.includes('jobs')) results.jobs = await benchJobs(options, folder);
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
  // what was measured before something failed is kept
  if (values.out) writeFileSync(values.out, `${JSON.stringify(results, null, 1)}\n`);
}
