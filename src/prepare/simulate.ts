/** The Landsat side of a patch: bands from the spectrum, noise, and the coarse image on the fine grid. */

import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { applyTaps } from '../resample/apply_taps.js';
import { bicubicTaps } from '../resample/taps.js';
import type { LineScene } from '../scenes/line_scene.js';
import { type NoiseModel, OLI_NOISE, OLI_REFLECTANCE_NOISE, sigmaAt } from '../spectra/oli_noise.js';
import { bandWeights, type SensorResponse } from '../spectra/response.js';

/**
 * Weights of the scene's bands in each band of the sensor [bands of the sensor][bands]; bands without data weigh nothing.
 * Errors: BandliftError where the scene does not cover a band of the sensor.
 */
export function sceneWeights(scene: LineScene, sensor: SensorResponse): Float64Array[] {
  const { wavelength, fwhm, goodBands } = scene;
  if (wavelength === undefined) throw new Error(`${scene.path}: no wavelengths`);
  const good = Array.from(goodBands.keys()).filter((b) => goodBands[b] === 1);
  try {
    const weights = bandWeights(
      sensor,
      good.map((b) => wavelength[b]!),
      fwhm && good.map((b) => fwhm[b]!),
    );
    return weights.map((of) => {
      const all = new Float64Array(wavelength.length);
      good.forEach((b, i) => {
        all[b] = of[i]!;
      });
      return all;
    });
  } catch (error) {
    if (error instanceof BandliftError) throw new BandliftError(error.message, { file: scene.path });
    throw error;
  }
}

/** Spectra [pixels, bands] seen through the sensor: [pixels, bands of the sensor]. */
export function simulate(spectra: Float64Array, bands: number, weights: readonly Float64Array[]): Float64Array {
  const pixels = spectra.length / bands;
  const out = new Float64Array(pixels * weights.length);
  for (let pixel = 0; pixel < pixels; pixel++)
    weights.forEach((weight, c) => {
      let sum = 0;
      for (let b = 0; b < bands; b++) sum += weight[b]! * spectra[pixel * bands + b]!;
      out[pixel * weights.length + c] = sum;
    });
  return out;
}

/** OLI's noise in the scene's units. Errors: BandliftError for other units and other sensors. */
export function noiseModels(scene: LineScene, sensor: SensorResponse): readonly NoiseModel[] {
  const hint = 'leave out --noise';
  if (!/^Landsat [89] OLI/.test(sensor.sensor))
    throw new BandliftError('noise is known for OLI and OLI-2 only', { found: sensor.sensor, hint });
  if (scene.units === 'reflectance') return OLI_REFLECTANCE_NOISE;
  if (scene.units === 'uW cm-2 sr-1 nm-1') return OLI_NOISE;
  throw new BandliftError('noise needs known units', {
    file: scene.path,
    field: 'units',
    found: scene.units ?? 'nothing',
    expected: 'reflectance or uW cm-2 sr-1 nm-1',
    hint,
  });
}

/** 32 bits of a name (FNV-1a): scenes of one seed get noise of their own. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A window of the coarse grid, square. */
export interface CoarseWindow {
  readonly row: number;
  readonly column: number;
  readonly side: number;
}

/**
 * Adds noise to a coarse image [side, side, bands]. A pixel's noise comes from the seed, the scene's name and its place in
 * the scene alone, so that overlapping patches agree and shards do not matter.
 * @param columns coarse pixels of a row of the scene
 */
export function addNoise(
  image: Float64Array,
  window: CoarseWindow,
  models: readonly NoiseModel[],
  source: { readonly seed: number; readonly scene: string; readonly columns: number },
): void {
  const seed = (source.seed ^ hashOf(source.scene)) >>> 0;
  const { side } = window;
  for (let pixel = 0; pixel < side * side; pixel++) {
    const row = window.row + Math.floor(pixel / side);
    const random = new Random(seed, row * source.columns + window.column + (pixel % side));
    models.forEach((model, band) => {
      const at = pixel * models.length + band;
      image[at]! += sigmaAt(model, image[at]!) * random.normal();
    });
  }
}

/**
 * Fills the pixels without data of an image [side, side, bands] with the mean of their valid neighbours, ring by ring, so
 * that interpolation beside them has something to go by.
 */
function fillGaps(image: Float64Array, valid: Uint8Array, side: number, bands: number): void {
  const known = Uint8Array.from(valid);
  if (!known.includes(1)) return;
  while (known.includes(0)) {
    const ring: number[] = [];
    for (let pixel = 0; pixel < known.length; pixel++) {
      if (known[pixel] === 1) continue;
      const around = neighbours(pixel, side).filter((n) => known[n] === 1);
      if (around.length === 0) continue;
      for (let b = 0; b < bands; b++)
        image[pixel * bands + b] = around.reduce((sum, n) => sum + image[n * bands + b]!, 0) / around.length;
      ring.push(pixel);
    }
    for (const pixel of ring) known[pixel] = 1;
  }
}

function neighbours(pixel: number, side: number): number[] {
  const [y, x] = [Math.floor(pixel / side), pixel % side];
  const found: number[] = [];
  for (let v = Math.max(0, y - 1); v <= Math.min(side - 1, y + 1); v++)
    for (let u = Math.max(0, x - 1); u <= Math.min(side - 1, x + 1); u++)
      if (v !== y || u !== x) found.push(v * side + u);
  return found;
}

/**
 * The coarse image [side, side, bands] on the fine grid [size, size, bands] by bicubic interpolation of this patch alone, as
 * a network would do it.
 */
export function upsample(
  image: Float64Array,
  valid: Uint8Array,
  side: number,
  size: number,
  bands: number,
): Float32Array {
  const filled = Float64Array.from(image);
  fillGaps(filled, valid, side, bands);
  const taps = bicubicTaps(side, size);
  return Float32Array.from(applyTaps(filled, bands, taps, taps));
}
