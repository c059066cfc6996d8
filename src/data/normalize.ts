/** Between physical spectra and the numbers that a network works in: the one place that knows offset, scale and clipping. */
import type { AffineNormalization } from './types.js';

export const IDENTITY: AffineNormalization = { offset: [0], scale: [1], clip: false };

/** Physical 0 is normalised to a float32, -offset / scale, which may lie this share of the offset below it. */
const ROUNDING = 2 ** -23;

const at = (list: readonly number[], band: number) => list[list.length === 1 ? 0 : band]!;

/** A normalisation of spectra of `bands` bands, x' = (x - offset) / scale: in double precision, rounded once to float32. */
export class Normalizer {
  readonly #offset: Float64Array;
  readonly #scale: Float64Array;
  readonly #clip: boolean;

  constructor(n: AffineNormalization, bands: number) {
    this.#offset = Float64Array.from({ length: bands }, (_, b) => at(n.offset, b));
    this.#scale = Float64Array.from({ length: bands }, (_, b) => at(n.scale, b));
    this.#clip = n.clip;
  }

  /**
   * Writes pixels of `from` [pixels, bands], physical, to `to`, normalised; clipped to [0, 1] where the normalisation says so.
   * Invalid pixels become 0, so that nothing infinite enters the network.
   *
   * @param pixels which, in the order of `to`
   * @param valid of all pixels of `from`, 0 = invalid; all are valid without it
   */
  place(from: Float32Array, pixels: Uint32Array, valid: Uint8Array | undefined, to: Float32Array): void {
    const [offset, scale] = [this.#offset, this.#scale];
    const bands = offset.length;
    for (let p = 0, out = 0; p < pixels.length; p++, out += bands) {
      const pixel = pixels[p]!;
      const start = pixel * bands;
      if (valid && valid[pixel] === 0) to.fill(0, out, out + bands);
      else if (this.#clip)
        for (let b = 0; b < bands; b++) {
          const v = (from[start + b]! - offset[b]!) / scale[b]!;
          to[out + b] = v < 0 ? 0 : Math.min(v, 1);
        }
      else for (let b = 0; b < bands; b++) to[out + b] = (from[start + b]! - offset[b]!) / scale[b]!;
    }
  }

  /** Physical spectra [count, bands] -> normalised, in place, without clipping. */
  normalize(values: Float32Array): void {
    const [offset, scale] = [this.#offset, this.#scale];
    const bands = offset.length;
    for (let i = 0; i < values.length; i += bands)
      for (let b = 0; b < bands; b++) values[i + b] = (values[i + b]! - offset[b]!) / scale[b]!;
  }

  /**
   * Normalised spectra [count, bands] -> physical, in place. What is 0 but for the rounding of float32 is 0.
   *
   * @param nonNegative [count], 1 = no value of this pixel may be below 0, which radiance and reflectance are not
   * @returns how many values were held at 0
   */
  denormalize(values: Float32Array, nonNegative?: ArrayLike<number>): number {
    const [offset, scale] = [this.#offset, this.#scale];
    const bands = offset.length;
    let held = 0;
    for (let i = 0, p = 0; i < values.length; i += bands, p++) {
      for (let b = 0; b < bands; b++) {
        const value = values[i + b]! * scale[b]! + offset[b]!;
        values[i + b] = value < 0 && value > -ROUNDING * Math.abs(offset[b]!) ? 0 : value;
      }
      if (!nonNegative?.[p]) continue;
      for (let b = 0; b < bands; b++)
        if (values[i + b]! < 0) {
          values[i + b] = 0;
          held++;
        }
    }
    return held;
  }
}

/**
 * Marks pixels of `values` [pixels, bands], physical, that are valid and have no negative value: from these a network of stage 1
 * predicts no negative value either (`denormalize`).
 *
 * @param pixels which, in the order of `to`
 * @param to [pixels], 1 = marked
 */
export function markNonNegative(
  values: Float32Array,
  bands: number,
  pixels: Uint32Array,
  valid: Uint8Array | undefined,
  to: Uint8Array,
): void {
  for (let p = 0; p < pixels.length; p++) {
    const pixel = pixels[p]!;
    to[p] = valid && valid[pixel] === 0 ? 0 : 1;
    for (let i = pixel * bands; i < (pixel + 1) * bands; i++) if (!(values[i]! >= 0)) to[p] = 0;
  }
}

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
