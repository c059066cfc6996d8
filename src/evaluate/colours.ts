/** Composites as bytes: three bands, each between its black and white point, a little brightened. */
import type { ColourChoice } from './worker_protocol.js';

/** Shares of the values that are stretched to black and white. */
const [BLACK, WHITE] = [0.02, 0.98];
/** Brightens the middle, as the eye expects. */
const GAMMA = 1 / 1.4;
const INVALID = 128;

/** Black and white point of each band over the pixels that count. */
export function stretchRanges(
  values: Float32Array,
  bands: number,
  chosen: readonly number[],
  valid?: ArrayLike<number>,
): [number, number][] {
  const pixels = values.length / bands;
  return chosen.map((band) => {
    const found = new Float64Array(pixels);
    let n = 0;
    for (let p = 0; p < pixels; p++) if (valid?.[p] !== 0) found[n++] = values[p * bands + band];
    if (n === 0) return [0, 1];
    const sorted = found.subarray(0, n).sort();
    const [low, high] = [sorted[Math.round(BLACK * (n - 1))], sorted[Math.round(WHITE * (n - 1))]];
    return [low, high > low ? high : low + 1];
  });
}

/**
 * [height, width, bands] -> [outHeight, outWidth, 3], 0..255; coarser images are enlarged by nearest neighbour. Values that
 * are not finite and pixels that do not count are grey.
 */
export function colours(
  values: Float32Array,
  size: { readonly bands: number; readonly height: number; readonly width: number },
  out: { readonly height: number; readonly width: number },
  choice: ColourChoice,
  valid?: ArrayLike<number>,
): Uint8Array {
  const rgb = new Uint8Array(out.height * out.width * 3);
  for (let y = 0, i = 0; y < out.height; y++)
    for (let x = 0; x < out.width; x++, i++) {
      const row = Math.floor((y * size.height) / out.height);
      const at = (row * size.width + Math.floor((x * size.width) / out.width)) * size.bands;
      for (let k = 0; k < 3; k++) {
        const [low, high] = choice.ranges[k]!;
        const share = (values[at + choice.bands[k]!] - low) / (high - low);
        const seen = valid?.[i] !== 0 && Number.isFinite(share);
        rgb[3 * i + k] = seen ? Math.round(255 * Math.min(1, Math.max(0, share)) ** GAMMA) : INVALID;
      }
    }
  return rgb;
}
