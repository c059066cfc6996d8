/** Pure functions from decoded patches to the arrays of a batch: validity, normalisation, flips and 90-degree turns. */
import { BandliftError } from '../errors.js';
import type { AffineNormalization, PatchFile } from './types.js';

export interface DecodedPatch {
  /** [h, w, inBands] */
  readonly input: Float32Array;
  /** [h, w, outBands] */
  readonly target: Float32Array;
  /** [h, w], 1 = valid; only for files that can have invalid pixels. */
  readonly valid?: Uint8Array;
}

/**
 * Which pixels of a patch are valid: mask 1, no band NaN, infinite or nodata. In a file without mask and nodata every number
 * must be finite; the first that is not is an error with its place.
 */
export function checkPatch(file: PatchFile, patch: number, input: Float32Array, target: Float32Array, mask?: Uint8Array): Uint8Array | undefined {
  const pixels = file.height * file.width;
  const valid = file.masked ? (mask ?? new Uint8Array(pixels).fill(1)) : undefined;
  for (const [name, values, bands] of [
    ['landsat', input, file.inBands],
    ['aviris', target, file.outBands],
  ] as const) {
    for (let i = 0, p = 0; p < pixels; p++) {
      for (let b = 0; b < bands; b++, i++) {
        const v = values[i]!;
        if (v - v === 0 && v !== file.nodata) continue;
        if (!valid)
          throw new BandliftError(`patch ${patch}, row ${Math.floor(p / file.width)}, column ${p % file.width}, band ${b} is not a finite number`, {
            file: file.path,
            field: name,
            found: v,
            hint: "set the attribute 'nodata' or add a dataset 'mask' (N,H,W; 1 = valid)",
          });
        valid[p] = 0;
      }
    }
  }
  return valid;
}

/** Turns 0..7 of a square (0..3: quarter turns; +4: mirrored first); for other shapes only 0, 2, 4, 6 keep the shape. */
export function sourcePixel(turn: number, y: number, x: number, h: number, w: number): number {
  let r = y;
  let c = x;
  switch (turn & 3) {
    case 1:
      [r, c] = [x, w - 1 - y];
      break;
    case 2:
      [r, c] = [h - 1 - y, w - 1 - x];
      break;
    case 3:
      [r, c] = [h - 1 - x, y];
      break;
  }
  if (turn & 4) c = w - 1 - c;
  return r * w + c;
}

/**
 * Writes one side of a patch into a batch array at `offset` (numbers), turned and normalised. Invalid pixels become 0, so
 * that nothing infinite enters the network.
 */
export function placeSide(
  from: Float32Array,
  bands: number,
  h: number,
  w: number,
  turn: number,
  n: AffineNormalization | undefined,
  valid: Uint8Array | undefined,
  to: Float32Array,
  offset: number,
): void {
  const each = (values: readonly number[] | undefined, fallback: number) =>
    Float64Array.from({ length: bands }, (_, b) => (values === undefined ? fallback : values[values.length === 1 ? 0 : b]!));
  const shift = each(n?.offset, 0);
  const divide = each(n?.scale, 1);
  const clip = n?.clip === true;
  let out = offset;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const pixel = sourcePixel(turn, y, x, h, w);
      if (valid && valid[pixel] === 0) {
        to.fill(0, out, out + bands);
        out += bands;
        continue;
      }
      const start = pixel * bands;
      if (n === undefined) {
        to.set(from.subarray(start, start + bands), out);
        out += bands;
      } else if (clip) {
        for (let b = 0; b < bands; b++) {
          const v = (from[start + b]! - shift[b]!) / divide[b]!;
          to[out++] = v < 0 ? 0 : v > 1 ? 1 : v;
        }
      } else {
        for (let b = 0; b < bands; b++) to[out++] = (from[start + b]! - shift[b]!) / divide[b]!;
      }
    }
  }
}
