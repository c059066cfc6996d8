/** Spectral libraries: ENVI files of reflectance, one spectrum a pixel, brought to the bands of the data. */

import { BandliftError } from '../base/errors.js';
import { FWHM_SIGMAS } from '../base/gaussian.js';
import type { PatchFile } from '../data/types.js';
import { openEnvi, readEnviLines } from '../raster/envi.js';
import type { EnviCube } from '../raster/envi_cube.js';
import { bandWeights, LANDSAT8_OLI, LANDSAT9_OLI2, type SensorResponse } from '../spectra/response.js';
import { type NearestLibrary, nearestLibrary } from './nearest_library.js';

/** Numbers of a library that are held at once. */
const MOST_NUMBERS = 2 ** 28;
/** A band is a Gaussian of its width, cut off here, sampled so often. */
const [REACH, SAMPLES] = [1.5, 25];

/** Weights of one band over a library's own wavelengths: linear between them, under the band's Gaussian. */
interface BandResampling {
  readonly index: readonly number[];
  readonly weight: readonly number[];
}

/**
 * How each band comes out of spectra given at `from`. Undefined for a band whose centre the library does not reach.
 * @param from nm, any order
 * @param to band centres, nm
 * @param fwhm nm; without it the value at the centre
 */
export function resampleBands(
  from: ArrayLike<number>,
  to: ArrayLike<number>,
  fwhm?: ArrayLike<number>,
): (BandResampling | undefined)[] {
  const order = Array.from(from, (_, i) => i).sort((a, b) => from[a]! - from[b]!);
  const at = order.map((i) => from[i]!);
  const place = (nm: number): [number, number, number] | undefined => {
    if (!(nm >= at[0]! && nm <= at.at(-1)!)) return undefined;
    let low = 0;
    let high = at.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at[middle]! <= nm) low = middle;
      else high = middle;
    }
    const span = at[high]! - at[low]!;
    return [order[low]!, order[high]!, span > 0 ? (nm - at[low]!) / span : 0];
  };
  return Array.from(to, (centre, b) => {
    if (place(centre) === undefined) return undefined;
    const width = fwhm?.[b] ?? 0;
    const steps = width > 0 ? SAMPLES : 1;
    const weights = new Map<number, number>();
    let sum = 0;
    for (let k = 0; k < steps; k++) {
      const offset = steps > 1 ? REACH * width * ((2 * k) / (steps - 1) - 1) : 0;
      const found = place(centre + offset);
      if (!found) continue; // the band's flank sticks out of the library
      const gauss = steps > 1 ? Math.exp(-0.5 * ((offset / width) * FWHM_SIGMAS) ** 2) : 1;
      const [low, high, share] = found;
      weights.set(low, (weights.get(low) ?? 0) + gauss * (1 - share));
      weights.set(high, (weights.get(high) ?? 0) + gauss * share);
      sum += gauss;
    }
    return { index: [...weights.keys()], weight: [...weights.values()].map((w) => w / sum) };
  });
}

/** The response that the data's coarse bands were simulated with. */
function responseOf(file: PatchFile): SensorResponse {
  const known = [LANDSAT8_OLI, LANDSAT9_OLI2];
  const found = file.responseHash === undefined ? LANDSAT8_OLI : known.find((r) => r.hash === file.responseHash);
  if (found && found.bands.length === file.inBands) return found;
  throw new BandliftError('a library needs data whose coarse bands are those of a known sensor', {
    file: file.path,
    field: 'sensor',
    found: `${file.sensor ?? 'an unnamed sensor'}, ${file.inBands} bands`,
    expected: known.map((r) => r.sensor).join(' or '),
    hint: 'omit --library',
  });
}

async function readSpectra(cube: EnviCube): Promise<Float32Array> {
  const { lines, samples, bands } = cube.header;
  if (lines * samples * bands > MOST_NUMBERS)
    throw new BandliftError('too large for a spectral library', {
      file: cube.dataPath,
      found: `${lines * samples} spectra of ${bands} bands`,
      expected: `at most ${MOST_NUMBERS} numbers`,
    });
  return readEnviLines(cube, 0, lines);
}

/**
 * Reads a library for these data. Spectra with a value that is missing in the data's range are left out.
 * Errors: BandliftError when the data are not reflectance or have no wavelengths, or when the library lacks bands.
 */
export async function openLibrary(path: string, data: PatchFile): Promise<NearestLibrary> {
  if (!/reflectance/i.test(data.units ?? ''))
    throw new BandliftError('a library of reflectance is never compared with anything else', {
      file: data.path,
      field: 'units',
      found: data.units ?? 'unknown',
      expected: 'reflectance',
      hint: 'omit --library',
    });
  if (!data.wavelength)
    throw new BandliftError('a library needs data with wavelengths', { file: data.path, field: 'wavelength' });
  const cube = await openEnvi(path);
  const { header } = cube;
  if (!header.wavelength)
    throw new BandliftError('the library has no wavelengths', { file: cube.headerPath, field: 'wavelength' });
  const resampling = resampleBands(header.wavelength, data.wavelength, data.fwhm);
  const missing = resampling.findIndex((r, b) => r === undefined && data.goodBands?.[b] !== 0);
  if (missing >= 0)
    throw new BandliftError('the library does not reach a band of the data', {
      file: cube.headerPath,
      field: 'wavelength',
      found: `${Math.min(...header.wavelength).toFixed(0)} to ${Math.max(...header.wavelength).toFixed(0)} nm`,
      expected: `${data.wavelength[missing].toFixed(0)} nm too`,
    });
  const stored = await readSpectra(cube);
  const scale = header.reflectanceScale ?? 1;
  const bands = data.wavelength.length;
  const spectra: Float32Array[] = [];
  for (let s = 0; s * header.bands < stored.length; s++) {
    const own = stored.subarray(s * header.bands, (s + 1) * header.bands);
    const out = Float32Array.from(resampling, (r) => {
      if (!r) return 0;
      let sum = 0;
      for (let i = 0; i < r.index.length; i++) {
        const value = own[r.index[i]!];
        sum += value === header.nodata ? Number.NaN : r.weight[i]! * value;
      }
      return sum / scale;
    });
    if (out.every(Number.isFinite)) spectra.push(out);
  }
  const all = new Float32Array(spectra.length * bands);
  spectra.forEach((spectrum, s) => {
    all.set(spectrum, s * bands);
  });
  const library = nearestLibrary(all, bands, bandWeights(responseOf(data), data.wavelength, data.fwhm));
  if (library.count === 0)
    throw new BandliftError('the library holds no spectrum that can be used', { file: cube.dataPath });
  return library;
}
