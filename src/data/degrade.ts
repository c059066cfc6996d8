/** A stored patch brought to Landsat's grid, for files that lack the *_lr datasets. */
import { applyTaps } from '../resample/apply_taps.js';
import { areaTaps, psfTaps, type Taps } from '../resample/taps.js';

/** Fine pixels to a Landsat pixel. */
const RATIO = 7.5;

const tables = new Map<string, Taps>();

function table(kind: 'psf' | 'area', size: number): Taps {
  const key = `${kind} ${size}`;
  const make = kind === 'psf' ? psfTaps : areaTaps;
  const found = tables.get(key) ?? make(size, size / RATIO, RATIO);
  tables.set(key, found);
  return found;
}

/** The first `height` x `width` pixels of an image [h, w, bands] of `storedWidth` columns. */
export function cropped(
  image: Float32Array,
  storedWidth: number,
  bands: number,
  { height, width }: { readonly height: number; readonly width: number },
): Float32Array {
  const out = new Float32Array(height * width * bands);
  for (let y = 0; y < height; y++)
    out.set(image.subarray(y * storedWidth * bands, (y * storedWidth + width) * bands), y * width * bands);
  return out;
}

/**
 * [height, width, bands] -> [height / 7.5, width / 7.5, bands] through the sensor's point spread ('psf') or by plain means.
 * Values that are not finite spread to every pixel that sees them.
 */
export function degraded(
  image: Float32Array,
  height: number,
  width: number,
  bands: number,
  kind: 'psf' | 'area',
): Float32Array {
  return Float32Array.from(applyTaps(image, bands, table(kind, height), table(kind, width)));
}
