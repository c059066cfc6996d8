/** The spectrum of a pixel, or mean and spread over a box of pixels. */
import { BandliftError } from '../base/errors.js';
import type { Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';

export interface Spectrum {
  /** Pixels with data. */
  readonly pixels: number;
  /** [bands], physical units; null in bad bands, and everywhere where no pixel has data. */
  readonly mean: (number | null)[];
  /** [bands], standard deviation over the pixels (divided by their number); of more than one pixel. */
  readonly sd?: (number | null)[];
}

/** Most pixels of a box: 512 x 512. */
const MOST_PIXELS = 2 ** 18;
/** Most values read at once (16 MB). */
const MOST_VALUES = 2 ** 22;

/**
 * Two passes in one by Welford's update, so that a small spread on a large mean keeps its digits.
 * Throws a BandliftError for a box that is not inside the scene, or too large.
 */
export async function spectrumOf(scene: Scene, window: Window): Promise<Spectrum> {
  const { y, x, height, width } = window;
  if (!(y >= 0 && x >= 0 && height > 0 && width > 0 && y + height <= scene.height && x + width <= scene.width))
    throw new BandliftError('the box lies outside the scene', {
      file: scene.path,
      found: `x ${x}, y ${y}, ${width} x ${height}`,
      expected: `within ${scene.width} x ${scene.height}`,
    });
  if (height * width > MOST_PIXELS)
    throw new BandliftError('the box is too large', {
      file: scene.path,
      found: `${height * width} pixels`,
      expected: `at most ${MOST_PIXELS}`,
    });
  const { bands } = scene;
  const mean = new Float64Array(bands);
  const squares = new Float64Array(bands);
  let pixels = 0;
  const rows = Math.max(1, Math.floor(MOST_VALUES / (width * bands)));
  for (let top = 0; top < height; top += rows) {
    const part = { y: y + top, x, width, height: Math.min(rows, height - top) };
    const { values, valid } = await scene.read(part);
    for (let p = 0; p < valid.length; p++) {
      if (valid[p] === 0) continue;
      pixels++;
      for (let b = 0; b < bands; b++) {
        const d = values[p * bands + b]! - mean[b]!;
        mean[b]! += d / pixels;
        squares[b]! += d * (values[p * bands + b]! - mean[b]!);
      }
    }
  }
  const told = (v: number, b: number) =>
    pixels > 0 && scene.goodBands?.[b] !== 0 && Number.isFinite(v) ? Math.fround(v) : null;
  return {
    pixels,
    mean: Array.from(mean, told),
    ...(pixels > 1 ? { sd: Array.from(squares, (s, b) => told(Math.sqrt(s / pixels), b)) } : {}),
  };
}
