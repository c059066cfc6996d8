/** Spectra between physical and normalised numbers. */
import type { AffineNormalization } from './types.js';

export const IDENTITY: AffineNormalization = { offset: [0], scale: [1], clip: false };

const at = (list: readonly number[], band: number) => list[list.length === 1 ? 0 : band]!;

/**
 * What is physically 0 in normalised numbers, one for each band: rounded up so far that what is not below it is not below 0 in
 * physical units either, whether float32 or float64 turns it back. A clipped normalisation holds nothing below its own 0.
 */
export function physicalZero(n: AffineNormalization, bands: number): number[] {
  return Array.from({ length: bands }, (_, b) => {
    const zero = -at(n.offset, b) / at(n.scale, b);
    return Math.fround(zero + Math.abs(zero) * 2 ** -21);
  });
}

/** Physical spectra [count, bands] -> normalised, in place, without clipping. */
export function normalizeValues(values: Float32Array, bands: number, n: AffineNormalization): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - at(n.offset, i % bands)) / at(n.scale, i % bands);
}

/** Normalised spectra [count, bands] -> physical, in place. */
export function denormalizeValues(values: Float32Array, bands: number, n: AffineNormalization): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * at(n.scale, i % bands) + at(n.offset, i % bands);
}
