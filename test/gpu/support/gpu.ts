/**
 * What the tests of this folder run on: the first usable GPU of the addon, which is an emulated one where the addon was
 * built with BANDLIFT_EMULATED (scripts/emulated.mjs). Without any, whole files are skipped and the reason is printed.
 */
import { describe, it } from 'vitest';
import type { CudaReport } from '../../../bindings/addon.js';
import { libraryFolders, loadAddon } from '../../../bindings/load.js';
import { type OpenDevice, openDevice } from '../../../src/engine/device.js';
import { PRECISIONS, type Precision } from '../../../src/engine/precision.js';

export const report: CudaReport = loadAddon().cudaReport(libraryFolders());

const noGpu = report.built ? report.reason : 'this addon has no CUDA';
const gpu = report.devices.find(({ usable }) => usable);

/** Whether the GPU is test/native/emulation's: right numbers, thousands of times slower. */
export const emulated = gpu?.name === 'emulated';

/** Under compute-sanitizer (scripts/test_gpu.mjs), which slows kernels down a hundredfold. */
export const sanitized = process.env.BANDLIFT_SANITIZED === '1';

const capability = Number(gpu?.computeCapability ?? 0);

/**
 * Precisions that this GPU computes in: tf32 and bf16 from compute capability 8.0 on; only those that
 * BANDLIFT_GPU_PRECISIONS lists, where it is set.
 */
export const precisions: readonly Precision[] = PRECISIONS.filter(
  (precision) =>
    (capability >= 8 || precision === 'fp32' || precision === 'fp16') &&
    (process.env.BANDLIFT_GPU_PRECISIONS?.split(',').includes(precision) ?? true),
);

/**
 * Providers of convolutions to test: our own kernels, and cuDNN where it is (the stand-in of the emulated build counts:
 * scripts/emulated.mjs names it in BANDLIFT_CUDNN). Under compute-sanitizer only our own: hundreds of NVIDIA's kernels are
 * not what it is to check, and would take hours.
 */
export const providers: readonly string[] =
  !sanitized && report.libraries.some(({ name, problem }) => name === 'cuDNN' && problem === '')
    ? ['own', 'cudnn']
    : ['own'];

/** Declares tests that need a GPU. */
export function describeGpu(title: string, body: () => void): void {
  if (noGpu === '') describe(title, body);
  else describe.skip(`${title} (skipped: no GPU: ${noGpu})`, () => it('needs one', () => {}));
}

/** Opens the GPU; convolutions are computed by `provider`, or by whichever is chosen where none is named. */
export async function openGpu(precision: Precision, provider?: string): Promise<OpenDevice> {
  chooseProvider(provider);
  return openDevice({ kind: 'cuda', precision });
}

/** For devices opened and programs made from now on. */
export function chooseProvider(provider: string | undefined): void {
  if (provider === undefined) delete process.env.BANDLIFT_CONV;
  else process.env.BANDLIFT_CONV = provider;
}
