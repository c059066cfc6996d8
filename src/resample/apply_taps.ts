/** Resampling tables applied to images in memory, in double precision. */
import type { Taps } from './taps.js';

/**
 * Pixel `o` of a table's output: to[b] = sum_k weight[o][k] values[pixel k][b] over the taps whose pixels are valid.
 *
 * @param values pixels of `bands` numbers each; the axis begins at pixel `origin` of them, which may lie before the first
 * @param valid of each of these pixels, 0 = left out; none is without it
 * @param to [bands]
 * @returns the sum of the weights that took part
 */
export function weighPixels(
  table: Taps,
  o: number,
  values: Float32Array | Float64Array,
  valid: Uint8Array | undefined,
  origin: number,
  to: Float64Array,
): number {
  const { taps, weight } = table;
  const bands = to.length;
  const first = origin + table.start[o]!;
  let weights = 0;
  to.fill(0);
  for (let k = 0; k < taps; k++) {
    const w = weight[o * taps + k]!;
    const pixel = first + k;
    if (w === 0 || (valid && valid[pixel] === 0)) continue;
    weights += w;
    for (let b = 0, at = pixel * bands; b < bands; b++, at++) to[b]! += w * values[at]!;
  }
  return weights;
}

/**
 * Rows, then columns: [rows.inSize, columns.inSize, bands] -> [rows.outSize, columns.outSize, bands]. Values that are not
 * finite spread to every pixel that sees them.
 */
export function applyTaps(values: Float32Array | Float64Array, bands: number, rows: Taps, columns: Taps): Float64Array {
  if (values.length !== rows.inSize * columns.inSize * bands)
    throw new RangeError(`${values.length} values of ${rows.inSize} x ${columns.inSize} x ${bands}`);
  const out = new Float64Array(rows.outSize * columns.outSize * bands);
  const line = new Float64Array(columns.inSize * bands);
  for (let y = 0, at = 0; y < rows.outSize; y++) {
    weighPixels(rows, y, values, undefined, 0, line);
    for (let x = 0; x < columns.outSize; x++, at += bands)
      weighPixels(columns, x, line, undefined, 0, out.subarray(at, at + bands));
  }
  return out;
}
