/**
 * Normalisations fitted on the training split only, by exact quantiles in bounded memory (docs/specification.md, section
 * 6):
 *   percentile  one pair p1, p99 for each side over all good bands: clip((x - p1) / (p99 - p1 + 1e-8), 0, 1)
 *   per_band    p1, p99 of each band: (x - p1) / (p99 - p1 + 1e-8), not clipped
 *   none        physical values
 */
import type { PatchReader } from './loader.js';
import { IDENTITY } from './normalize.js';
import type { Quantiles } from './statistics.js';
import type { AffineNormalization, Normalization } from './types.js';

const EPSILON = 1e-8;
/** A band that varies less than this share of the widest one is dead: dividing by its range would only magnify noise. */
const DEAD = 1e-6;

function overall(quantiles: readonly (readonly number[])[]): AffineNormalization {
  const [low, high] = quantiles[0]!;
  return { offset: [low!], scale: [high! - low! + EPSILON], clip: true };
}

function perBand(quantiles: readonly (readonly number[])[]): AffineNormalization {
  // NaN: a bad band, which nobody counted
  const ranges = quantiles.map(([low, high]) => (Number.isNaN(low) ? 0 : high! - low!));
  const widest = Math.max(...ranges) || 1;
  return {
    offset: quantiles.map(([low]) => (Number.isNaN(low) ? 0 : low!)),
    scale: ranges.map((range) => (range > DEAD * widest ? range : widest) + EPSILON),
    clip: false,
  };
}

/**
 * Fits a normalisation on these patches: percentiles as numpy.percentile (linear interpolation), invalid pixels left out.
 * `quantiles` finds them, by default the reader's workers. Throws a BandliftError when there is no valid pixel.
 */
export async function fitNormalization(
  reader: PatchReader,
  patches: readonly number[],
  method: Normalization['method'],
  quantiles: Quantiles = reader.quantiles,
): Promise<Normalization> {
  const units = reader.set.files[0]!.units ?? '';
  if (method === 'none') return { method, input: IDENTITY, target: IDENTITY, units };
  const { input, target } = await quantiles(patches, [0.01, 0.99], method === 'per_band');
  const make = method === 'per_band' ? perBand : overall;
  return { method, input: make(input), target: make(target), units };
}
