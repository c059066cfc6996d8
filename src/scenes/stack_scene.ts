/** One GeoTIFF with all bands: float reflectance, or integers with a scale. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { BlockCache } from '../raster/block_cache.js';
import { type BandItems, bandCentresOf, numbersOf, readBandItems } from '../raster/gdal_metadata.js';
import { TiffRaster } from '../raster/tiff_raster.js';
import { nanometreFactor, toNanometres } from '../spectra/units.js';
import type { LineOptions } from './line_scene.js';
import { RasterScene } from './raster_scene.js';
import { TiffCube } from './tiff_cube.js';
import type { Scene } from './types.js';

export interface StackOptions extends Omit<LineOptions, 'bands'> {
  /** Reflectance = stored * scale + offset. Integers need it unless the file says (GDAL's scale and offset of bands). */
  readonly scale?: number;
  readonly offset?: number;
  /** Bands a stack must have; default 7. Files with other numbers of bands are cubes if they have wavelengths. */
  readonly bands?: number;
  /** Takes the bands as those of an imaging spectrometer, whatever their number: all, or those kept for stage 1. */
  readonly cube?: 'all' | 'kept';
}

const LANDSAT_BANDS = 7;

/** Scale and offset of each band as GDAL keeps them: <Item name="SCALE" sample="0" role="scale">0.0001</Item>. */
function bandScales(items: BandItems | undefined): { scale: number[]; offset: number[] } | undefined {
  const scale = items && numbersOf(items.of('scale'));
  if (!items || !scale?.every((factor) => factor !== 0)) return undefined;
  const number = (text: string | undefined) => (Number.isFinite(Number(text ?? 0)) ? Number(text ?? 0) : 0);
  return { scale, offset: items.of('offset').map(number) };
}

/** How stored numbers become physical. Errors: BandliftError for integers without any scale. */
function factors(raster: TiffRaster, items: BandItems | undefined, { scale, offset }: StackOptions) {
  const { bands, type } = raster.layout;
  const stored = bandScales(items);
  const integers = type !== 'float32' && type !== 'float64';
  if (integers && scale === undefined && stored === undefined)
    throw new BandliftError('holds integers, and does not say how they become reflectance', {
      file: raster.path,
      found: type,
      hint: 'give --input-scale and --input-offset: 2.75e-5 and -0.2 for Landsat Collection 2, 0.0001 and 0 for reflectance times 10,000',
    });
  const all = (value: number) => Array<number>(bands).fill(value);
  return {
    scale: scale === undefined ? (stored?.scale ?? all(1)) : all(scale),
    offset: offset === undefined && scale === undefined && stored ? stored.offset : all(offset ?? 0),
    stated: scale !== undefined || stored !== undefined,
  };
}

const nameOf = (path: string) => basename(path).replace(/\.[^.]+$/, '');

/** The bands' wavelengths, from a table or as the file says; undefined where neither does. */
function centresOf(path: string, bands: number, items: BandItems | undefined, { bandCentres }: StackOptions) {
  if (bandCentres) {
    if (bandCentres.wavelength.length === bands) return bandCentres;
    throw new BandliftError('the table of wavelengths has another number of bands', {
      file: path,
      field: '--wavelengths',
      found: `${bandCentres.wavelength.length} rows in the table`,
      expected: bands,
    });
  }
  const own = items && bandCentresOf(items);
  if (own === undefined) return undefined;
  const factor = nanometreFactor(own.wavelength, own.units, path);
  return {
    wavelength: toNanometres(own.wavelength, own.units, path),
    ...(own.fwhm ? { fwhm: own.fwhm.map((width) => width * factor) } : {}),
  };
}

/** Opens a stacked GeoTIFF of Landsat's bands, or a cube. Errors: BandliftError naming the file and what does not fit. */
export async function openStackScene(path: string, options: StackOptions = {}): Promise<Scene> {
  const cache = new BlockCache(options.cacheBytes);
  const raster = await TiffRaster.open(path, cache);
  let mask: Awaited<ReturnType<typeof TiffRaster.openMask>>;
  try {
    const { bands, nodata } = raster.layout;
    const items = await readBandItems(raster.tags, bands);
    const centres = centresOf(path, bands, items, options);
    const expected = options.bands ?? LANDSAT_BANDS;
    const given = options.cube ?? (options.bandCentres ? 'all' : undefined);
    const isMixed = centres?.wavelength.some((nm, b) => b > 0 && nm < centres.wavelength[b - 1]!);
    // the file says which band is which: they are sorted, as those of an ENVI cube
    const cube = given ?? (centres && (bands !== expected || isMixed) ? 'all' : undefined);
    if (!cube && bands !== expected)
      throw new BandliftError('has the wrong number of bands', {
        file: path,
        found: bands,
        expected,
        hint:
          bands === 1
            ? 'of a Landsat product give the folder or the _MTL file'
            : 'stack coastal, blue, green, red, near infrared and the two shortwave infrared bands in this order; of a cube without wavelengths in the file give --wavelengths FILE',
      });
    const { scale, offset, stated } = factors(raster, items, options);
    mask = await TiffRaster.openMask(path, cache);
    const beside = `${path}.msk`;
    const warnings = existsSync(beside) ? [`${beside}: masks in files of their own are not read`] : [];
    const info = { path, name: nameOf(path), scale, offset, nodata };
    if (!cube)
      return await RasterScene.create([raster], {
        ...info,
        ...(mask === undefined ? {} : { mask }),
        units: 'reflectance',
        ...(centres ? { wavelength: Float64Array.from(centres.wavelength) } : {}),
        warnings,
      });
    if (mask !== undefined) warnings.push('its mask is not read; fill is found by its value');
    await mask?.raster.close();
    mask = undefined;
    const unit = items?.of('unittype')[0];
    return await TiffCube.create(
      raster,
      {
        ...info,
        kind: 'GeoTIFF cube',
        files: [path],
        ...centres,
        ...(unit ? { units: unit } : stated ? { units: 'reflectance' } : {}),
        warnings: centres
          ? warnings
          : [...warnings, 'the file has no wavelengths (--wavelengths FILE gives a table of them)'],
      },
      { bands: cube, ...(options.cacheBytes === undefined ? {} : { cacheBytes: options.cacheBytes }) },
    );
  } catch (error) {
    await raster.close();
    await mask?.raster.close();
    throw error;
  }
}
