/**
 * Normalisations fitted on the training split only, by exact quantiles in bounded memory (domain.md 6):
 *   percentile  one pair p1, p99 for each side over all bands: clip((x - p1) / (p99 - p1 + 1e-8), 0, 1), as documented
 *   per_band    p1, p99 of each band, not clipped
 *   none        values as stored
 */
import type { PatchReader } from './loader.js';
import type { AffineNormalization, Normalization } from './types.js';

const IDENTITY: AffineNormalization = { offset: [0], scale: [1], clip: false };

function fromQuantiles(quantiles: readonly (readonly number[])[], clip: boolean): AffineNormalization {
  return {
    offset: quantiles.map(([low]) => low!),
    // 1e-8 as documented; it also keeps a constant band from dividing by zero
    scale: quantiles.map(([low, high]) => high! - low! + 1e-8),
    clip,
  };
}

/** Fits a normalisation on these patches. Percentiles as numpy.percentile (linear interpolation) of the float32 values. */
export async function fitNormalization(
  reader: PatchReader,
  patches: readonly number[],
  method: Normalization['method'],
): Promise<Normalization> {
  const units = reader.set.files[0]!.units ?? '';
  if (method === 'none') return { method, input: IDENTITY, target: IDENTITY, units };
  const perBand = method === 'per_band';
  const { input, target } = await reader.quantiles(patches, [0.01, 0.99], perBand);
  return { method, input: fromQuantiles(input, !perBand), target: fromQuantiles(target, !perBand), units };
}

const at = (list: readonly number[], band: number) => list[list.length === 1 ? 0 : band]!;

/** Spectra [count, bands] -> normalised, in place, without clipping. */
export function normalizeValues(values: Float32Array, bands: number, n: AffineNormalization): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - at(n.offset, i % bands)) / at(n.scale, i % bands);
}

/** Normalised spectra [count, bands] -> physical units, in place. */
export function denormalizeValues(values: Float32Array, bands: number, n: AffineNormalization): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * at(n.scale, i % bands) + at(n.offset, i % bands);
}
