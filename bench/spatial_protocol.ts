/**
 * A fixed measurement of stage 2 alone on small cubes of about 100 x 100 pixels without wavelengths (the Los Angeles cubes):
 * the centred 90 x 90 pixels, seen by a coarse sensor with their real surroundings (Gaussian of FWHM 7.5 pixels, edges of
 * the cube replicated; exact area average to 12 x 12), are upsampled to 90 x 90 and compared with the truth over all bands.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BandliftError } from '../src/base/errors.js';
import { fileError } from '../src/base/files.js';
import { bandRegions } from '../src/metrics/band_regions.js';
import { bandRange, patchMetrics } from '../src/metrics/patch_metrics.js';
import { methodMetrics } from '../src/metrics/region_metrics.js';
import type { RegionMetrics } from '../src/metrics/types.js';
import { readEnvi } from '../src/raster/envi.js';
import { applyTaps } from '../src/resample/apply_taps.js';
import { factorOf, LANDSAT_TO_AVIRIS_NG } from '../src/resample/ratio.js';
import { areaTaps, gaussianKernel, type Taps } from '../src/resample/taps.js';

const FACTOR = factorOf(LANDSAT_TO_AVIRIS_NG);
/** Coarse and fine pixels of a side. */
export const COARSE_SIDE = 12;
export const FINE_SIDE = COARSE_SIDE * FACTOR;

/** A coarse image and the truth below it, stored units. */
export interface SpatialPair {
  readonly cube: string;
  readonly bands: number;
  /** [12, 12, bands] */
  readonly coarse: Float32Array;
  /** [90, 90, bands] */
  readonly truth: Float32Array;
}

/** The Gaussian of `FACTOR` pixels FWHM at fine pixels offset .. offset + size - 1 of a line of `length`, ends replicated. */
function blurTaps(length: number, offset: number, size: number): Taps {
  const { radius, weight } = gaussianKernel(FACTOR);
  const taps = Math.min(length, 2 * radius + 1);
  const start = new Int32Array(size);
  const table = new Float64Array(size * taps);
  for (let o = 0; o < size; o++) {
    start[o] = Math.min(Math.max(o + offset - radius, 0), length - taps);
    for (let k = -radius; k <= radius; k++) {
      const pixel = Math.min(Math.max(o + offset + k, 0), length - 1);
      table[o * taps + pixel - start[o]] += weight[k + radius];
    }
  }
  return { inSize: length, outSize: size, taps, start, weight: table };
}

/** Reads a cube and makes its pair. Throws a BandliftError for cubes smaller than 90 x 90 pixels. */
export async function spatialPair(path: string): Promise<SpatialPair> {
  const { header, data } = await readEnvi(path);
  const { lines, samples, bands } = header;
  if (lines < FINE_SIDE || samples < FINE_SIDE)
    throw new BandliftError('too small for the protocol', {
      file: path,
      found: `${lines} x ${samples} pixels`,
      expected: `at least ${FINE_SIDE} x ${FINE_SIDE}`,
    });
  const [top, left] = [Math.floor((lines - FINE_SIDE) / 2), Math.floor((samples - FINE_SIDE) / 2)];
  const blurred = applyTaps(data, bands, blurTaps(lines, top, FINE_SIDE), blurTaps(samples, left, FINE_SIDE));
  const area = areaTaps(FINE_SIDE, COARSE_SIDE, FACTOR);
  const truth = new Float32Array(FINE_SIDE * FINE_SIDE * bands);
  for (let y = 0; y < FINE_SIDE; y++) {
    const from = ((top + y) * samples + left) * bands;
    truth.set(data.subarray(from, from + FINE_SIDE * bands), y * FINE_SIDE * bands);
  }
  const coarse = Float32Array.from(applyTaps(blurred, bands, area, area));
  return { cube: basename(path).replace(/\.[^.]+$/, ''), bands, coarse, truth };
}

/** [12, 12, bands] -> [90, 90, bands]. */
export type Upsampler = (coarse: Float32Array, bands: number) => Promise<ArrayLike<number>>;

export interface ProtocolRow extends RegionMetrics {
  readonly cube: string;
}

/** Metrics of one pair over all bands; PSNR and SAM are those of the protocol, the others come with them. */
export async function measureUpsampler(pair: SpatialPair, upsample: Upsampler): Promise<ProtocolRow> {
  const { cube, bands, coarse, truth } = pair;
  const prediction = Float32Array.from(await upsample(coarse, bands));
  const [low, high] = [new Float64Array(bands).fill(Infinity), new Float64Array(bands).fill(-Infinity)];
  bandRange(truth, bands, low, high);
  const regions = bandRegions(bands);
  const sums = patchMetrics(
    { height: FINE_SIDE, width: FINE_SIDE, bands, prediction, target: truth },
    { masks: regions.map((r) => r.mask), range: high.map((value, b) => value - low[b]) },
  );
  return { cube, ...methodMetrics(sums, regions, FACTOR).regions.all! };
}

/** All ENVI cubes of a folder, by name. */
export async function spatialPairs(folder: string): Promise<SpatialPair[]> {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => /\.hdr$/i.test(name));
  } catch (error) {
    throw fileError(error, folder);
  }
  if (names.length === 0)
    throw new BandliftError('the folder holds no ENVI cubes', { file: folder, expected: '*.hdr' });
  const pairs: SpatialPair[] = [];
  for (const name of names.sort()) pairs.push(await spatialPair(join(folder, name)));
  return pairs;
}
