/**
 * Harmonized Landsat and Sentinel-2 (HLS) v2.0, the Landsat part (L30): a GeoTIFF for each band and the mask Fmask, in a
 * folder. Layout: HLS product user guide v2.0 (LP DAAC).
 *   HLS.L30.T<tile>.<date>.v2.0.B01.tif ... B07.tif int16, reflectance of the surface x 10000, fill -9999
 *   ...Fmask.tif uint8: bit 1 cloud, 2 next to cloud or shadow, 3 shadow (4 snow, 5 water, 6 and 7 aerosol); 255 fill
 * Bands B01 to B07 are OLI's bands 1 to 7, with the view and the sun brought to one geometry (NBAR). S30 is made of
 * Sentinel-2's bands and refused.
 */
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { BlockCache } from '../raster/block_cache.js';
import type { TiffRaster } from '../raster/tiff_raster.js';
import { filesAround, openRaster, type ProductFiles } from './product_files.js';
import { RasterScene } from './raster_scene.js';
import type { Scene } from './types.js';

export interface HlsOptions {
  readonly clouds?: 'mask' | 'keep';
  readonly cacheBytes?: number;
}

const PART = /^(HLS\.([LS]30)\.T\w{5}\.\w+\.v\d\.\d)\.(B\w{2}|Fmask)\.tiff?$/i;
const BANDS = ['B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07'];
const SCALE = 1e-4;
const FILL = -9999;
const CLOUDS = 0b1110;

/** Whether a path is named like a part of a product. */
export const isHlsPart = (path: string): boolean => PART.test(basename(path));

/** Whether a folder holds a product. */
export const holdsHls = async (folder: string): Promise<boolean> => (await filesAround(folder)).paths.some(isHlsPart);

async function openPart(files: ProductFiles, path: string, cache: BlockCache, opened: TiffRaster[], wanted: string) {
  const raster = await openRaster(files, path, cache);
  opened.push(raster);
  const { bands, type } = raster.layout;
  if (bands === 1 && type === wanted) return raster;
  throw new BandliftError('is not a part of an HLS product', {
    file: path,
    found: `${bands} band${bands === 1 ? '' : 's'} of ${type}`,
    expected: `1 band of ${wanted}`,
  });
}

/** Opens a product, given its folder or a file of it. Errors: BandliftError naming what is missing or does not fit. */
export async function openHlsScene(given: string, options: HlsOptions = {}): Promise<Scene> {
  const files = await filesAround(given);
  const own = PART.exec(basename(given))?.[1];
  const found = new Map<string, Map<string, string>>();
  for (const path of files.paths) {
    const [, stem, , part] = PART.exec(basename(path)) ?? [];
    if (stem === undefined || (own !== undefined && stem !== own)) continue;
    const parts = found.get(stem) ?? new Map<string, string>();
    found.set(stem, parts.set(part!.toUpperCase(), path));
  }
  if (found.size !== 1)
    throw new BandliftError('holds more than one HLS product', {
      file: given,
      found: [...found.keys()].slice(0, 4).join(', '),
      hint: 'give one file of it',
    });
  const [stem, parts] = [...found][0]!;
  if (/\.S30\./i.test(stem))
    throw new BandliftError("is HLS S30, made of Sentinel-2's bands", {
      file: given,
      expected: "HLS L30, made of Landsat's",
      hint: 'models are trained on the bands of Landsat 8 and 9',
    });
  const missing = BANDS.filter((band) => !parts.has(band));
  if (missing.length > 0)
    throw new BandliftError(missing.length === 1 ? 'a band is missing' : 'bands are missing', {
      file: given,
      found: [...parts.keys()].join(', '),
      expected: `${stem}.B01.tif to B07.tif`,
    });
  const cache = new BlockCache(options.cacheBytes);
  const opened: TiffRaster[] = [];
  try {
    const rasters: TiffRaster[] = [];
    for (const band of BANDS) rasters.push(await openPart(files, parts.get(band)!, cache, opened, 'int16'));
    const maskPath = parts.get('FMASK');
    const masked = maskPath !== undefined && options.clouds !== 'keep';
    const quality = masked ? await openPart(files, maskPath, cache, opened, 'uint8') : undefined;
    return await RasterScene.create(rasters, {
      path: given,
      name: stem,
      kind: 'HLS L30',
      scale: BANDS.map(() => SCALE),
      offset: BANDS.map(() => 0),
      nodata: FILL,
      ...(quality === undefined ? {} : { quality: { raster: quality, bits: CLOUDS } }),
      units: 'reflectance',
      sensor: 'Landsat 8/9 OLI (HLS L30)',
      bandNames: BANDS,
      warnings:
        maskPath === undefined
          ? [`${stem}.Fmask.tif is missing: fill is left out, clouds and their shadows are not`]
          : [],
    });
  } catch (error) {
    await Promise.all(opened.map((raster) => raster.close()));
    throw error;
  }
}
