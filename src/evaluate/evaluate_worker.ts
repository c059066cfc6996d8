/** An evaluation worker: the loops over pixels and bands. One request at a time, in order. */
import { parentPort } from 'node:worker_threads';
import { serve } from '../base/worker_rpc.js';
import { IDENTITY, Normalizer } from '../data/normalize.js';
import { spectralAngles } from '../metrics/angles.js';
import { bandRange, patchMetrics } from '../metrics/patch_metrics.js';
import { colours, stretchRanges } from './colours.js';
import { predictNearest } from './nearest_library.js';
import type { PredictedPatch, Replies, Requests } from './worker_protocol.js';

const DEGREES = 180 / Math.PI;

/** Turns the prediction into physical units, in place (it is the worker's own); how many values were held at 0. */
const toPhysical = ({ prediction, normalization, nonNegative, bands }: PredictedPatch): number =>
  new Normalizer(normalization ?? IDENTITY, bands).denormalize(prediction, nonNegative);

/** [pixels given, bands] */
function spectraOf(values: Float32Array, bands: number, pixels: readonly number[]): Float32Array {
  const out = new Float32Array(pixels.length * bands);
  pixels.forEach((pixel, i) => {
    out.set(values.subarray(pixel * bands, (pixel + 1) * bands), i * bands);
  });
  return out;
}

function range({ patch }: Requests['range']): Replies['range'] {
  const low = new Float64Array(patch.bands).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(patch.bands).fill(Number.NEGATIVE_INFINITY);
  bandRange(patch.target, patch.bands, low, high, patch.valid);
  return { low, high };
}

function metrics({ patch, masks, range, angleStride, sample }: Requests['metrics']): Replies['metrics'] {
  const held = toPhysical(patch);
  const { prediction, target, valid, bands, height, width } = patch;
  const angles = angleStride ? new Float32Array(height * width) : undefined;
  const sums = patchMetrics(patch, { masks, ...(range ? { range } : {}) }, angles);
  const pixels = sample.filter((pixel) => valid?.[pixel] !== 0);
  return {
    sums,
    held,
    ...(angles && angleStride ? { angles: summarizeAngles(angles, angleStride) } : {}),
    truth: spectraOf(target, bands, pixels),
    predicted: spectraOf(prediction, bands, pixels),
  };
}

function summarizeAngles(angles: Float32Array, stride: number): NonNullable<Replies['metrics']['angles']> {
  let worst = -1;
  let worstAngle = Number.NaN;
  for (let p = 0; p < angles.length; p++)
    if (angles[p] > worstAngle || (worst < 0 && angles[p] >= 0)) {
      worst = p;
      worstAngle = angles[p];
    }
  const kept = Float32Array.from({ length: Math.ceil(angles.length / stride) }, (_, i) => angles[i * stride]);
  return { angles: kept, worst, worstAngle };
}

function example({ patch, mask, choice, maps, pixels }: Requests['example']): Replies['example'] {
  toPhysical(patch);
  const { prediction, target, valid, bands, height, width } = patch;
  const reply = {
    spectra: spectraOf(prediction, bands, pixels),
    rgb: colours(prediction, patch, { height, width }, choice, valid),
  };
  if (!maps) return reply;
  const angles = new Float32Array(height * width);
  spectralAngles(prediction, target, bands, [mask], valid, angles);
  const rmse = rmseMap(prediction, target, bands, mask, valid);
  return { ...reply, maps: { angles: angles.map((a) => a * DEGREES), rmse } };
}

function rmseMap(
  prediction: Float32Array,
  target: Float32Array,
  bands: number,
  mask: Uint8Array,
  valid?: Float32Array,
): Float32Array {
  const counted = mask.reduce((sum, m) => sum + m, 0);
  return Float32Array.from({ length: target.length / bands }, (_, p) => {
    if (valid?.[p] === 0) return Number.NaN;
    let sum = 0;
    for (let b = 0; b < bands; b++) if (mask[b] !== 0) sum += (prediction[p * bands + b] - target[p * bands + b]) ** 2;
    return Math.sqrt(sum / counted);
  });
}

serve<Requests, Replies>(parentPort!, {
  range,
  metrics,
  nearest: ({ input, library }) => ({ prediction: predictNearest(input, library) }),
  stretch: ({ patch, bands }) => ({ ranges: stretchRanges(patch.target, patch.bands, bands, patch.valid) }),
  colours: (request) => ({
    rgb: colours(request.values, request, { height: request.outHeight, width: request.outWidth }, request.choice),
  }),
  example,
});
