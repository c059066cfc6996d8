/** Sums of one patch: what a metrics worker does for a patch and a method. */
import { spectralAngles } from './angles.js';
import { Ssim } from './ssim.js';
import { type EvaluationSums, emptyEvaluation } from './sums.js';

/** Prediction and truth of one patch, physical units. */
export interface PatchPair {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** [height, width, bands] */
  readonly prediction: Float32Array;
  readonly target: Float32Array;
  /** [height, width], 0 = left out; all count without it. */
  readonly valid?: ArrayLike<number>;
}

export interface PatchMetricsOptions {
  /** [regions][bands], 1 = counted; the first holds every band that counts anywhere. */
  readonly masks: readonly ArrayLike<number>[];
  /** [bands]: L of SSIM; without it SSIM is left out. */
  readonly range?: ArrayLike<number>;
}

/** Bands turned into images together: a cache line of the interleaved spectra is then read once. */
const BLOCK = 16;

/**
 * Sums over the valid pixels of a patch.
 * @param angles filled with the angle of each pixel over the first mask in radians, NaN where there is none: [pixels]
 */
export function patchMetrics(pair: PatchPair, options: PatchMetricsOptions, angles?: Float32Array): EvaluationSums {
  const { height, width, bands, prediction, target, valid } = pair;
  const { masks, range } = options;
  const pixels = height * width;
  const sums = emptyEvaluation(bands, masks.length);
  for (let p = 0; p < pixels; p++) if (valid?.[p] !== 0) sums.validPixels++;
  const sam = spectralAngles(prediction, target, bands, masks, valid, angles);
  sums.samRad.set(sam.radians);
  sums.samPixels.set(sam.pixels);
  sums.zeroNorm.set(sam.zeroNorm);
  if (sums.validPixels === 0) return sums;

  const ssim = range && new Ssim(height, width, valid);
  const planes = () => Array.from({ length: BLOCK }, () => new Float64Array(pixels));
  const [truths, predictions] = [planes(), planes()];
  const counted = Array.from({ length: bands }, (_, b) => b).filter((b) => masks[0]![b]);
  for (let start = 0; start < counted.length; start += BLOCK) {
    const block = counted.slice(start, start + BLOCK);
    for (let p = 0; p < pixels; p++)
      for (let k = 0; k < block.length; k++) {
        const at = p * bands + block[k]!;
        truths[k]![p] = target[at];
        predictions[k]![p] = prediction[at];
      }
    block.forEach((band, k) => {
      bandSums(sums, band, truths[k]!, predictions[k]!, valid);
      if (!ssim || ssim.windows === 0) return;
      sums.ssim[band] = ssim.mean(truths[k]!, predictions[k]!, range[band]!);
      sums.ssimImages[band] = 1;
    });
  }
  return sums;
}

/** Errors and moments of one band; the moments about the first valid pixel, so that large means cost no digits. */
function bandSums(
  sums: EvaluationSums,
  band: number,
  truth: Float64Array,
  prediction: Float64Array,
  valid?: ArrayLike<number>,
): void {
  let first = 0;
  while (valid && valid[first] === 0) first++;
  const shift = truth[first];
  let squared = 0;
  let absolute = 0;
  let relative = 0;
  let relatives = 0;
  let negative = 0;
  // sums of the truth and the prediction about the shift, of their squares and of their product
  let t1 = 0;
  let p1 = 0;
  let t2 = 0;
  let p2 = 0;
  let tp = 0;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = first; i < truth.length; i++) {
    if (valid && valid[i] === 0) continue;
    const t = truth[i];
    const p = prediction[i];
    const e = p - t;
    const size = Math.abs(e);
    squared += e * e;
    absolute += size;
    if (p < 0) negative++;
    if (t !== 0) {
      relative += size / Math.abs(t);
      relatives++;
    }
    if (t > max) max = t;
    const u = t - shift;
    const v = p - shift;
    t1 += u;
    p1 += v;
    t2 += u * u;
    p2 += v * v;
    tp += u * v;
  }
  const n = sums.validPixels;
  sums.bandPixels[band] = n;
  sums.squaredError[band] = squared;
  sums.absoluteError[band] = absolute;
  sums.relativeError[band] = relative;
  sums.relativeCount[band] = relatives;
  sums.negative[band] = negative;
  sums.targetMax[band] = max;
  sums.targetMean[band] = shift + t1 / n;
  sums.predictionMean[band] = shift + p1 / n;
  sums.targetSquares[band] = t2 - (t1 * t1) / n;
  sums.predictionSquares[band] = p2 - (p1 * p1) / n;
  sums.products[band] = tp - (t1 * p1) / n;
}

/**
 * Least and largest valid value of each band of a patch, merged into `low` and `high` [bands].
 * @param target [pixels, bands]
 */
export function bandRange(
  target: Float32Array,
  bands: number,
  low: Float64Array,
  high: Float64Array,
  valid?: ArrayLike<number>,
): void {
  for (let p = 0; p * bands < target.length; p++) {
    if (valid && valid[p] === 0) continue;
    for (let b = 0; b < bands; b++) {
      const t = target[p * bands + b];
      if (t < low[b]) low[b] = t;
      if (t > high[b]) high[b] = t;
    }
  }
}
