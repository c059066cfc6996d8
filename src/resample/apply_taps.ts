/** Resampling tables applied to an image in memory, in double precision: for small images and as a check of the engine. */
import type { Taps } from './taps.js';

/**
 * Rows, then columns: [rows.inSize, columns.inSize, bands] -> [rows.outSize, columns.outSize, bands].
 * @param values interleaved by pixel
 */
export function applyTaps(values: ArrayLike<number>, bands: number, rows: Taps, columns: Taps): Float64Array {
  if (values.length !== rows.inSize * columns.inSize * bands)
    throw new RangeError(`${values.length} values of ${rows.inSize} x ${columns.inSize} x ${bands}`);
  const width = columns.inSize * bands;
  const tall = new Float64Array(rows.outSize * width);
  for (let y = 0; y < rows.outSize; y++)
    for (let k = 0; k < rows.taps; k++) {
      const weight = rows.weight[y * rows.taps + k];
      const from = (rows.start[y] + k) * width;
      if (weight !== 0) for (let i = 0; i < width; i++) tall[y * width + i] += weight * values[from + i]!;
    }
  const out = new Float64Array(rows.outSize * columns.outSize * bands);
  for (let y = 0; y < rows.outSize; y++)
    for (let x = 0; x < columns.outSize; x++)
      for (let k = 0; k < columns.taps; k++) {
        const weight = columns.weight[x * columns.taps + k];
        const from = y * width + (columns.start[x] + k) * bands;
        const to = (y * columns.outSize + x) * bands;
        if (weight !== 0) for (let b = 0; b < bands; b++) out[to + b] += weight * tall[from + b];
      }
  return out;
}
