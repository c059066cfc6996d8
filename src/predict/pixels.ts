/** The loops over pixels of a prediction: parts of regions, sums over valid pixels, which pixels are valid. */

import type { Region } from '../tiling/footprint.js';
import { parentPixel } from './tiles.js';

/** Copies region `part` of an array that holds region `stored`, [rows, columns, c], to `to`. */
export function crop(from: Float32Array, stored: Region, part: Region, c: number, to: Float32Array): void {
  const [storedWidth, width] = [stored.x1 - stored.x0, part.x1 - part.x0];
  for (let y = part.y0, at = 0; y < part.y1; y++, at += width * c) {
    const start = ((y - stored.y0) * storedWidth + part.x0 - stored.x0) * c;
    to.set(from.subarray(start, start + width * c), at);
  }
}

/** As `crop`, for one byte a pixel. */
export function cropBytes(from: Uint8Array, stored: Region, part: Region): Uint8Array {
  const [storedWidth, width] = [stored.x1 - stored.x0, part.x1 - part.x0];
  const to = new Uint8Array(width * (part.y1 - part.y0));
  for (let y = part.y0, at = 0; y < part.y1; y++, at += width) {
    const start = (y - stored.y0) * storedWidth + part.x0 - stored.x0;
    to.set(from.subarray(start, start + width), at);
  }
  return to;
}

/** Adds each valid pixel's numbers [pixels, c] to the first c sums, in double precision, and counts the pixels in the last. */
export function addValid(values: Float32Array, valid: Uint8Array | undefined, sums: Float64Array): void {
  const c = sums.length - 1;
  for (let p = 0, i = 0; i < values.length; p++, i += c) {
    if (valid !== undefined && valid[p] === 0) continue;
    for (let k = 0; k < c; k++) sums[k]! += values[i + k]!;
    sums[c]! += 1;
  }
}

/** Sums of `addValid` -> means; 0 where no pixel is valid. */
export function meansOf(sums: Float64Array): number[] {
  const count = sums.at(-1)!;
  return [...sums.subarray(0, -1)].map((sum) => (count === 0 ? 0 : sum / count));
}

/** Index of the first number of a valid pixel that is NaN or infinite, -1 if there is none. */
export function firstNotFinite(values: Float32Array, c: number, valid: Uint8Array | undefined): number {
  for (let p = 0, i = 0; i < values.length; p++, i += c) {
    if (valid !== undefined && valid[p] === 0) continue;
    for (let k = 0; k < c; k++) if (values[i + k]! - values[i + k]! !== 0) return i + k;
  }
  return -1;
}

/**
 * Which pixels of region `part` of a grid are valid: those whose centre lies in a valid pixel of the scene.
 *
 * @param valid of region `known` of the scene
 */
export function validOnGrid(
  valid: Uint8Array,
  known: Region,
  scene: { readonly height: number; readonly width: number },
  grid: { readonly h: number; readonly w: number },
  part: Region,
): Uint8Array {
  const width = part.x1 - part.x0;
  const columns = Int32Array.from(
    { length: width },
    (_, x) => parentPixel(part.x0 + x, grid.w, scene.width) - known.x0,
  );
  const result = new Uint8Array(width * (part.y1 - part.y0));
  for (let y = part.y0, at = 0; y < part.y1; y++) {
    const row = (parentPixel(y, grid.h, scene.height) - known.y0) * (known.x1 - known.x0);
    for (let x = 0; x < width; x++) result[at++] = valid[row + columns[x]!]!;
  }
  return result;
}
