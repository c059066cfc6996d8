/** The spectra that the default model is fitted to, read from a folder of real data and brought to one grid of bands. */
import { join } from 'node:path';
import { fileHash } from '../base/content_hash.js';
import { BandliftError } from '../base/errors.js';
import type { SceneSpectra } from '../fit/scene_ridge.js';
import { openEnvi, readEnviLines } from '../raster/envi.js';
import type { EnviCube } from '../raster/envi_cube.js';
import { loadBandCentres } from '../spectra/band_centres_csv.js';
import { keepBands } from '../spectra/bands.js';
import { resampleBands } from '../spectra/resample_bands.js';
import { bandWeights, LANDSAT8_OLI } from '../spectra/response.js';
import { AVIRIS_NG_FWHM, AVIRIS_NG_WAVELENGTH } from '../spectra/tables/aviris_ng_2017.js';

export interface Source {
  readonly name: string;
  /** ENVI header, in the folder. */
  readonly file: string;
  /** Lines and samples are pixels on the ground, so that halves and blocks mean something. */
  readonly image: boolean;
  /** Where the header does not say them: a table of band centres, and stored value = reflectance * scale. */
  readonly centres?: string;
  readonly scale?: number;
  readonly note: string;
}

/** Every cube of surface reflectance that is at hand, and the library. Radiance stays out. */
export const DEFAULT_SOURCES: readonly Source[] = [
  { name: 'NEON', file: 'neon/sjer_30x30x426.hdr', image: true, note: 'NEON, San Joaquin, oak savanna, 1 m' },
  {
    name: 'Santa Barbara',
    file: 'aviris_santa_barbara/la_cumbre_90x90x224.hdr',
    image: true,
    note: 'AVIRIS-Classic, La Cumbre, chaparral and houses',
  },
  {
    name: 'Jasper Ridge',
    file: 'aviris_jasper_ridge/jasper_100x100x224.hdr',
    image: true,
    centres: 'bands/aviris_classic_bands_224.csv',
    scale: 5000,
    note: 'AVIRIS-Classic, water, trees, soil, road; the header holds neither wavelengths nor units',
  },
  {
    name: 'EMIT',
    file: 'emit/emit20250324t221005_10x10x285.hdr',
    image: true,
    note: 'EMIT L2A, 60 m, from orbit',
  },
  {
    name: 'Caltech',
    file: 'aviris_ng/caltech_425_7_7_nm.hdr',
    image: true,
    note: 'AVIRIS-NG, roofs, 2 m; the header does not say the units',
  },
  {
    name: 'library',
    file: 'spectral_library/ecostress_library_with_mixtures.hdr',
    image: false,
    note: 'ECOSTRESS library and mixtures of it',
  },
];

/** The 340 bands of AVIRIS-NG of 2017 (docs/specification.md, section 5), nm. */
export function commonGrid(): { wavelength: Float64Array; fwhm: Float64Array } {
  const kept = [...keepBands(AVIRIS_NG_WAVELENGTH)];
  return {
    wavelength: Float64Array.from(kept, (b) => AVIRIS_NG_WAVELENGTH[b]!),
    fwhm: Float64Array.from(kept, (b) => AVIRIS_NG_FWHM[b]!),
  };
}

/** Spectra with a value outside of this, or an input band at or below DARKEST, are no surface and are left out. */
const RANGE = [-0.05, 1.5] as const;
const DARKEST = 0.0005;

export interface LoadedSource {
  readonly source: Source;
  readonly scene: SceneSpectra;
  readonly sha256: string;
  /** Spectra of the file. */
  readonly stored: number;
}

/** Reads one source and simulates OLI from it. Errors: BandliftError naming the file. */
export async function loadSource(folder: string, source: Source): Promise<LoadedSource> {
  const cube = await openEnvi(join(folder, source.file));
  const { lines, samples } = cube.header;
  const stored = await readEnviLines(cube, 0, lines);
  const wavelength =
    cube.header.wavelength ?? (source.centres && loadBandCentres(join(folder, source.centres)).wavelength);
  if (!wavelength) throw new BandliftError('has no wavelengths', { file: cube.headerPath, field: 'wavelength' });
  const scale = source.scale ?? cube.header.reflectanceScale ?? 1;
  return {
    source,
    scene: sceneOf(source.name, cube, stored, wavelength, scale, source.image ? samples : undefined),
    sha256: await fileHash(cube.dataPath),
    stored: lines * samples,
  };
}

/** Reflectance of stored spectra on the common grid, with simulated OLI bands. */
function sceneOf(
  name: string,
  { header, dataPath }: EnviCube,
  stored: Float32Array,
  wavelength: Float64Array,
  scale: number,
  width: number | undefined,
): SceneSpectra {
  const { bands } = header;
  const nodata = header.nodata === undefined ? undefined : Math.fround(header.nodata);
  const count = stored.length / bands;
  const good = Uint8Array.from({ length: bands }, (_, b) => {
    if (header.bbl?.[b] === 0) return 0;
    // a band that is 0 or nodata in every pixel holds nothing
    for (let p = 0; p < count; p++) {
      const value = stored[p * bands + b]!;
      if (value !== 0 && value !== nodata) return 1;
    }
    return 0;
  });
  const reflectance = new Float32Array(stored.length);
  for (let k = 0; k < stored.length; k++)
    reflectance[k] = stored[k] === nodata && good[k % bands] === 1 ? Number.NaN : stored[k]! / scale;
  return spectraOf(name, reflectance, wavelength, good, width, dataPath);
}

/**
 * Spectra [count, bands] of reflectance as a scene: on the common grid, with the bands that OLI would see of them. Spectra that
 * are no surface (NaN, dark, out of range) are left out; an image that loses some is no image any more.
 */
export function spectraOf(
  name: string,
  reflectance: Float32Array,
  wavelength: Float64Array,
  good: Uint8Array,
  width?: number,
  file = name,
): SceneSpectra {
  const grid = commonGrid();
  const way = resampleBands({ wavelength, good }, grid, file);
  const known = [...way.good.keys()].filter((b) => way.good[b] === 1);
  const weights = bandWeights(
    LANDSAT8_OLI,
    known.map((b) => grid.wavelength[b]!),
    known.map((b) => grid.fwhm[b]!),
  );
  const [bands, inBands] = [grid.wavelength.length, weights.length];
  const count = reflectance.length / wavelength.length;
  const kept: number[] = [];
  const y = new Float32Array(count * bands);
  const x = new Float64Array(count * inBands);
  for (let p = 0; p < count; p++) {
    const [to, at] = [kept.length * bands, kept.length * inBands];
    const own = reflectance.subarray(p * wavelength.length, (p + 1) * wavelength.length);
    way.apply(own, y.subarray(to, to + bands));
    for (let i = 0; i < inBands; i++) {
      let sum = 0;
      known.forEach((b, k) => {
        sum += weights[i]![k]! * y[to + b]!;
      });
      x[at + i] = sum;
    }
    const isSurface =
      known.every((b) => y[to + b]! >= RANGE[0] && y[to + b]! <= RANGE[1]) &&
      x.subarray(at, at + inBands).every((value) => value > DARKEST);
    if (isSurface) kept.push(p);
  }
  if (kept.length === 0) throw new BandliftError('holds no spectrum of a surface', { file });
  const brightness = Float64Array.from(kept, (_, k) => {
    let sum = 0;
    for (let i = 0; i < inBands; i++) sum += x[k * inBands + i]! / inBands;
    return sum;
  });
  return {
    name,
    count: kept.length,
    ...(width !== undefined && kept.length === count ? { width } : {}),
    x: x.slice(0, kept.length * inBands),
    y: y.slice(0, kept.length * bands),
    good: way.good,
    brightness,
  };
}
