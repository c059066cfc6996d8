/** A stored patch brought to Landsat's grid, for files that lack the *_lr datasets. */
import { applyTaps } from '../resample/apply_taps.js';
import { factorOf, type SpatialRatio } from '../resample/ratio.js';
import { areaTaps, psfTaps, type Taps } from '../resample/taps.js';

const tables = new Map<string, Taps>();

function table(kind: 'psf' | 'area', size: number, factor: number): Taps {
  const key = `${kind} ${size} ${factor}`;
  const make = kind === 'psf' ? psfTaps : areaTaps;
  const found = tables.get(key) ?? make(size, size / factor, factor);
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
 * [height, width, bands] -> [height / factor, width / factor, bands] through the sensor's point spread ('psf') or by plain means.
 * Values that are not finite spread to every pixel that sees them.
 */
export function degraded(
  image: Float32Array,
  height: number,
  width: number,
  bands: number,
  kind: 'psf' | 'area',
  ratio: SpatialRatio,
): Float32Array {
  const factor = factorOf(ratio);
  return Float32Array.from(applyTaps(image, bands, table(kind, height, factor), table(kind, width, factor)));
}
