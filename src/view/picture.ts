/** Values of one or three bands as a PNG: stretched, and transparent where there are no data. */
import sharp from 'sharp';

/** Brightens the middle of composites, as the eye expects. */
const GAMMA = 1 / 1.4;
/** Points of viridis (van der Walt and Smith, matplotlib 2.0; CC0), evenly spaced: dark to light for every reader. */
const VIRIDIS = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 73, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [110, 206, 88],
  [181, 222, 43],
  [253, 231, 37],
];

export type Range = readonly [low: number, high: number];

/** Red, green and blue of a share from 0 to 1. */
function scaled(share: number, rgb: Uint8Array, at: number): void {
  const place = share * (VIRIDIS.length - 1);
  const first = Math.min(VIRIDIS.length - 2, Math.floor(place));
  for (let k = 0; k < 3; k++) {
    const [a, b] = [VIRIDIS[first]![k]!, VIRIDIS[first + 1]![k]!];
    rgb[at + k] = Math.round(a + (b - a) * (place - first));
  }
}

/**
 * @param values [pixels, ranges.length]; NaN = no data
 * @param ranges values shown black and white, of three bands, or of one with a colour scale
 * @returns [pixels, 4]
 */
export function paint(values: Float32Array, ranges: readonly Range[]): Uint8Array {
  const bands = ranges.length;
  const pixels = values.length / bands;
  const rgba = new Uint8Array(4 * pixels);
  for (let p = 0; p < pixels; p++) {
    let seen = true;
    for (let k = 0; k < bands; k++) {
      const [low, high] = ranges[k]!;
      const value = values[p * bands + k]!;
      if (Number.isNaN(value)) seen = false;
      const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
      if (bands === 1) scaled(Number.isNaN(share) ? 0 : share, rgba, 4 * p);
      else rgba[4 * p + k] = Math.round(255 * share ** GAMMA);
    }
    rgba[4 * p + 3] = seen ? 255 : 0;
  }
  return rgba;
}

/** Lossless, and quick rather than small: it goes through a tunnel at most. */
export async function png(rgba: Uint8Array, width: number, height: number): Promise<Buffer> {
  return sharp(rgba, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 3 })
    .toBuffer();
}
