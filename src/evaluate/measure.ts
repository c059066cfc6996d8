/** One method over all patches: predictions by the engine, sums in workers, never more than a few patches in memory. */

import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import type { PatchReader } from '../data/loader.js';
import type { LoadedBatch } from '../data/types.js';
import type { BandRegion } from '../metrics/band_regions.js';
import { type EvaluationSums, emptyEvaluation, mergeEvaluation } from '../metrics/sums.js';
import type { Method } from './method.js';
import type { EvaluationPool } from './worker_pool.js';
import type { PredictedPatch, Replies, TruePatch } from './worker_protocol.js';

/** What is measured, and on what. */
export interface MeasuredData {
  readonly reader: PatchReader;
  /** Size of the target patches. */
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** Whether pixels can be invalid. */
  readonly masked: boolean;
  /** Numbers of the patches that are evaluated. */
  readonly patches: readonly number[];
  /** 'all' first. */
  readonly regions: readonly BandRegion[];
}

export interface Detail {
  /** Spectra of about so many pixels over all patches are kept, the same ones for every method. */
  readonly samples: number;
  readonly seed: number;
}

/** What is kept of each patch of the model, besides the sums. */
export interface PatchRecord {
  readonly patch: number;
  /** Mean angle, radians; NaN without a pixel that has one. */
  readonly mean: number;
  /** Angles of every `stride`-th pixel. */
  readonly angles: Float32Array;
  readonly stride: number;
  /** Pixel with the largest angle, -1 without one. */
  readonly worst: number;
  readonly worstAngle: number;
}

export interface Measured {
  readonly sums: EvaluationSums;
  /** Predicted values that were held at 0, as a share of those of valid pixels. */
  readonly heldShare: number;
  readonly records: readonly PatchRecord[];
  /** [count, bands] each. */
  readonly truth: readonly Float32Array[];
  readonly predicted: readonly Float32Array[];
}

/** Angles that are kept in all. */
const MOST_ANGLES = 2 ** 22;

/** How every pass reads: patch by patch, the next one ahead. */
export const READING = { batchSize: 1, prefetch: 1 } as const;

/** The patch as workers take it. */
export function truePatch(data: MeasuredData, target: Float32Array, mask: Float32Array | undefined): TruePatch {
  const { height, width, bands, masked } = data;
  return { height, width, bands, target, ...(masked && mask ? { valid: mask } : {}) };
}

/** Throws a BandliftError when no pixel of the patches is valid. Reads up to the first patch that has one. */
export async function checkValidPixels({ reader, patches, masked }: MeasuredData): Promise<void> {
  if (!masked) return;
  for await (const batch of reader.batches({ patches, ...READING, mask: true })) {
    const found = batch.validPixels > 0;
    batch.release();
    if (found) return;
  }
  throw new BandliftError('no pixel of the patches to evaluate is valid', {
    file: reader.set.files[0]!.path,
    hint: "check 'mask' and nodata, or evaluate others with --split",
  });
}

/** Range of each band's true values over all valid pixels: L of SSIM. A band without a value has range 0. */
export async function targetRange(data: MeasuredData, pool: EvaluationPool): Promise<Float64Array> {
  const low = new Float64Array(data.bands).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(data.bands).fill(Number.NEGATIVE_INFINITY);
  const open: Promise<void>[] = [];
  for await (const batch of data.reader.batches({ patches: data.patches, ...READING, mask: data.masked })) {
    const job = pool.ask('range', { patch: truePatch(data, batch.target, batch.mask) }).then((reply) => {
      reply.low.forEach((value, b) => {
        if (batch.bandMask?.[b] === 0) return;
        low[b] = Math.min(low[b], value);
        high[b] = Math.max(high[b], reply.high[b]);
      });
      batch.release();
    });
    await bounded(open, job, pool);
  }
  await Promise.all(open);
  return high.map((value, b) => Math.max(0, value - low[b]));
}

/**
 * Adds a job to those under way; waits for the oldest when there are more than the threads can do. A single thread means
 * little memory: then one patch is done before the next is begun.
 */
async function bounded(open: Promise<void>[], job: Promise<void>, { size }: EvaluationPool): Promise<void> {
  job.catch(() => {}); // reported when its turn comes
  open.push(job);
  if (open.length > (size === 1 ? 0 : size)) await open.shift();
}

/**
 * @param range of the true values, see targetRange; without it SSIM is left out
 * @param detail also keeps angles and spectra, for examples
 * @param progress told after each patch
 */
export async function measure(
  data: MeasuredData,
  method: Method,
  range: Float64Array | undefined,
  pool: EvaluationPool,
  progress: () => void,
  detail?: Detail,
): Promise<Measured> {
  const { reader, patches, regions, masked, bands, height, width } = data;
  const sums = emptyEvaluation(bands, regions.length);
  const measured: Collected = { sums, held: 0, records: [], truth: [], predicted: [] };
  const stride = Math.max(1, Math.ceil((patches.length * height * width) / MOST_ANGLES));
  const each = detail ? Math.ceil(detail.samples / patches.length) : 0;
  const predictor = await method.open();
  const open: Promise<void>[] = [];
  // patches are added in their order, whichever worker is done first
  let added = Promise.resolve();
  try {
    const normalize = method.normalizeInput ? { input: method.normalizeInput } : {};
    for await (const batch of reader.batches({ patches, ...READING, mask: masked, normalize, nonNegative: true })) {
      const patch = batch.patches[0]!;
      const prediction = await predictor.predict(batch);
      const random = new Random(detail?.seed ?? 0, patch);
      const request = {
        patch: predictedPatch(data, batch, prediction, method),
        masks: regions.map(({ mask }) => mask.map((counted, b) => (batch.bandMask?.[b] === 0 ? 0 : counted))),
        ...(range ? { range } : {}),
        sample: Array.from({ length: each }, () => random.integer(height * width)),
        ...(detail ? { angleStride: stride } : {}),
      };
      const answer = pool.ask('metrics', request, [prediction.buffer as ArrayBuffer]).finally(() => batch.release());
      answer.catch(() => {});
      added = added.then(async () => {
        add(measured, patch, await answer, stride);
        progress();
      });
      await bounded(open, added, pool);
    }
    await added;
    const { held, ...rest } = measured;
    return { ...rest, heldShare: held / (sums.validPixels * bands) };
  } finally {
    predictor.close();
  }
}

/** What a method predicted for a patch as workers take it. */
export const predictedPatch = (
  data: MeasuredData,
  batch: LoadedBatch,
  prediction: Float32Array,
  { normalizeOutput, heldAtZero }: Method,
): PredictedPatch => ({
  ...truePatch(data, batch.target, batch.mask),
  prediction,
  ...(normalizeOutput ? { normalization: normalizeOutput } : {}),
  ...(heldAtZero && batch.nonNegative ? { nonNegative: batch.nonNegative } : {}),
});

interface Collected {
  readonly sums: EvaluationSums;
  held: number;
  readonly records: PatchRecord[];
  readonly truth: Float32Array[];
  readonly predicted: Float32Array[];
}

function add(to: Collected, patch: number, reply: Replies['metrics'], stride: number): void {
  mergeEvaluation(to.sums, reply.sums);
  to.held += reply.held;
  to.truth.push(reply.truth);
  to.predicted.push(reply.predicted);
  if (!reply.angles) return;
  const { angles, worst, worstAngle } = reply.angles;
  to.records.push({ patch, mean: reply.sums.samRad[0] / reply.sums.samPixels[0], angles, stride, worst, worstAngle });
}
