/**
 * Landsat 8/9 Collection-2 products: a GeoTIFF for each band, the quality band (_QA_PIXEL.TIF) and the metadata (_MTL.json,
 * .txt or .xml), in a folder or in the archive they are delivered in.
 *
 *   level 2 (scenes and ARD tiles), ..._SR_B1.TIF to _SR_B7.TIF: reflectance of the surface = DN * 2.75e-5 - 0.2
 *   level 1, ..._B1.TIF to _B7.TIF: reflectance at the top of the atmosphere = (DN * 2e-5 - 0.1) / sin(elevation of the sun)
 *
 * DN 0 is fill.
 * Values are kept as they are where the sensor saturates or the correction for the atmosphere gives less than 0: such pixels
 * are valid, and what becomes of them is up to the normalisation of the model.
 */
import { basename, dirname, join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { BlockCache } from '../raster/block_cache.js';
import type { TiffRaster } from '../raster/tiff_raster.js';
import { type LandsatMetadata, readLandsatMetadata } from './landsat_mtl.js';
import { filesAround, inFolder, inList, isArchiveName, openRaster, type ProductFiles } from './product_files.js';
import { RasterScene } from './raster_scene.js';
import type { Scene } from './types.js';

export interface LandsatOptions {
  /** What QA_PIXEL calls cloud, dilated cloud, cirrus or cloud shadow: left out ('mask', the default) or kept. Fill never is. */
  readonly clouds?: 'mask' | 'keep';
  /** Decoded tiles kept in memory. */
  readonly cacheBytes?: number;
}

export const REFLECTANCE_SCALE = 2.75e-5;
export const REFLECTANCE_OFFSET = -0.2;
const BANDS = 7;
/** Units of level 1, which no model of surface reflectance takes. */
const TOP_OF_ATMOSPHERE = 'reflectance at the top of the atmosphere';
const FILL = 0;
/** QA_PIXEL: bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow. */
const QA_FILL = 0b00001;
const QA_CLOUDS = 0b11110;

const PART = /^(.+)_(SR_B([1-9]\d?)\.TIFF?|QA_PIXEL\.TIFF?|MTL\.(?:json|txt|xml))$/i;
/** A band of level 1; 'LC08_..._T1_SR_B1' and '..._ST_B10' are of level 2. */
const LEVEL1_PART =
  /^(.+_T[12]|.+_RT|L[CO]0[89](?!.*_(?:SR|ST)_B).+)_(B([1-7])\.TIFF?|QA_PIXEL\.TIFF?|MTL\.(?:json|txt|xml))$/i;
const SENSORS: Record<string, string> = { '08': 'Landsat 8 OLI', '09': 'Landsat 9 OLI-2' };
/** Products from which a surface reflectance has still to be made, and the names of Collection 1. */
const OTHER_LANDSAT = /_(B[1-9]\d?|sr_band\d|toa_band\d)\.tiff?$/i;

interface Product {
  /** 1: at the top of the atmosphere, 2: of the surface. */
  readonly level: 1 | 2;
  /** Folder and common part of the names. */
  readonly stem: string;
  /** Paths by upper-case ending: 'SR_B1.TIF' ... (level 1: 'B1.TIF' ...) */
  readonly files: ReadonlyMap<string, string>;
}

/** Whether the path is named like a part of a product. */
export const isLandsatPart = (path: string): boolean => PART.test(basename(path)) || LEVEL1_PART.test(basename(path));

/** Whether a folder or an archive holds bands of a product. */
export async function holdsLandsat(path: string): Promise<boolean> {
  const { paths } = await (isArchiveName(path) ? filesAround(path) : inFolder(path));
  return paths.some((file) => PART.test(basename(file)) || OTHER_LANDSAT.test(basename(file)));
}

/** A file that stands for its product: the metadata, else a band. */
const fileToName = (files: ReadonlyMap<string, string>): string =>
  [...files].find(([name]) => name.startsWith('MTL'))?.[1] ?? [...files.values()][0]!;

/** Throws for a list with files of something else (a glob that was too wide); files of the product that are not read may be there. */
function checkList(paths: readonly string[]): void {
  const stems = paths.flatMap((path) => PART.exec(basename(path))?.[1] ?? []);
  const surplus = paths.filter((path) => !stems.some((stem) => basename(path).startsWith(`${stem}_`)));
  if (surplus.length > 0)
    throw new BandliftError('is not a file of the Landsat product beside it', {
      file: surplus.slice(0, 3).join(', '),
      found: `${surplus.length} of ${paths.length} files that are not named ${stems[0]}_*`,
      hint: 'give the folder, or only the files of the product',
    });
}

/** The product among these files. Throws a BandliftError when there is none, or more than one. */
function chooseProduct(paths: readonly string[], given: string): Product {
  const products = productsOf(paths, PART);
  const complete = [...products].filter(([, files]) => [...files.keys()].some((name) => name.startsWith('SR_B')));
  if (complete.length === 1) return { level: 2, stem: complete[0]![0], files: complete[0]![1] };
  if (complete.length > 1) throw several(complete, given);
  const level1 = [...productsOf(paths, LEVEL1_PART)].filter(([, files]) => files.has('B1.TIF'));
  if (level1.length === 1) return { level: 1, stem: level1[0]![0], files: level1[0]![1] };
  if (level1.length > 1) throw several(level1, given);
  const other = paths.find((path) => OTHER_LANDSAT.test(path));
  throw new BandliftError('holds no Landsat Collection-2 product', {
    file: given,
    found: other === undefined ? 'no file *_SR_B1.TIF' : basename(other),
    expected: '*_SR_B1.TIF to *_SR_B7.TIF and *_QA_PIXEL.TIF',
    ...(other === undefined ? {} : { hint: 'order the level-2 surface reflectance (L2SP or L2SR)' }),
  });
}

/** Files by their endings, of each product among these. */
function productsOf(paths: readonly string[], pattern: RegExp): Map<string, Map<string, string>> {
  const products = new Map<string, Map<string, string>>();
  for (const path of paths) {
    const match = pattern.exec(basename(path));
    if (!match) continue;
    const stem = join(dirname(path), match[1]!);
    const files = products.get(stem) ?? new Map<string, string>();
    products.set(stem, files.set(match[2]!.toUpperCase().replace(/TIFF$/, 'TIF'), path));
  }
  return products;
}

const several = (products: readonly [string, ReadonlyMap<string, string>][], given: string) =>
  new BandliftError('holds more than one Landsat product', {
    file: given,
    found: products
      .map(([stem]) => basename(stem))
      .slice(0, 4)
      .join(', '),
    hint: `give one file of it, for instance ${fileToName(products[0]![1])}`,
  });

/** Every file that may belong to the product of `path`: a folder's or archive's, or those beside a file with the same stem. */
async function filesOf(path: string): Promise<ProductFiles> {
  const files = await filesAround(path);
  const stem = (PART.exec(basename(path)) ?? LEVEL1_PART.exec(basename(path)))?.[1];
  if (stem === undefined) return files;
  return { ...files, paths: files.paths.filter((file) => basename(file).startsWith(`${stem}_`)) };
}

function sensorOf(product: Product, metadata: LandsatMetadata | undefined): { sensor?: string; warnings: string[] } {
  const name = /^L([A-Z])(\d\d)_/i.exec(basename(product.stem));
  const number = name?.[2] ?? /^LANDSAT_(\d)$/.exec(metadata?.spacecraft ?? '')?.[1]?.padStart(2, '0');
  if (number === undefined)
    return { warnings: ['neither file names nor metadata name the satellite: Landsat 8 or 9 is assumed'] };
  const sensor = SENSORS[number];
  if (sensor === undefined)
    throw new BandliftError('is not of Landsat 8 or 9', {
      file: product.stem,
      found: `Landsat ${Number(number)}, whose bands are others`,
      expected: 'names that begin with LC08 or LC09',
    });
  const spacecraft = metadata?.spacecraft;
  if (spacecraft !== undefined && spacecraft !== `LANDSAT_${Number(number)}`)
    throw new BandliftError('does not belong to the files beside it', {
      file: metadata!.path,
      field: 'SPACECRAFT_ID',
      found: spacecraft,
      expected: `LANDSAT_${Number(number)}`,
    });
  return { sensor, warnings: [] };
}

/** Opens one file and holds it to being one band of integers. */
async function openBand(
  files: ProductFiles,
  path: string,
  cache: BlockCache,
  opened: TiffRaster[],
): Promise<TiffRaster> {
  const raster = await openRaster(files, path, cache);
  opened.push(raster);
  const { bands, type } = raster.layout;
  if (bands !== 1 || type !== 'uint16')
    throw new BandliftError('is not a band of a Landsat product', {
      file: path,
      found: `${bands} band${bands === 1 ? '' : 's'} of ${type}`,
      expected: '1 band of uint16',
    });
  return raster;
}

/**
 * Opens a product, given its folder, its metadata file, one of its bands, or a list of its files.
 * Errors: BandliftError naming the file that is missing or does not fit, what was found and what was expected.
 */
export async function openLandsatScene(
  input: string | readonly string[],
  options: LandsatOptions = {},
): Promise<Scene> {
  const given = typeof input === 'string' ? input : input[0]!;
  if (typeof input !== 'string') checkList(input);
  const source = typeof input === 'string' ? await filesOf(input) : inList(input);
  const product = chooseProduct(source.paths, given);
  const { files, stem, level } = product;
  const prefix = level === 2 ? 'SR_B' : 'B';
  const missing = Array.from({ length: BANDS }, (_, b) => `${prefix}${b + 1}.TIF`).filter((name) => !files.has(name));
  if (missing.length > 0)
    throw new BandliftError(missing.length === 1 ? 'a band is missing' : 'bands are missing', {
      file: `${stem}_${missing[0]}`,
      found: [...files.keys()].filter((name) => name.startsWith(prefix)).join(', '),
      expected: `${prefix}1.TIF to ${prefix}7.TIF`,
    });
  const metadataPath = ['MTL.JSON', 'MTL.TXT', 'MTL.XML']
    .map((name) => files.get(name))
    .find((path) => path !== undefined);
  if (metadataPath === undefined && level === 1)
    throw new BandliftError('the metadata of a level-1 product is missing', {
      file: `${stem}_MTL.txt`,
      hint: "its scale factors and the sun's elevation are needed",
    });
  const metadata = metadataPath === undefined ? undefined : await readLandsatMetadata(source, metadataPath, level);
  const { sensor, warnings } = sensorOf(product, metadata);
  const scale = metadata?.scale ?? Array<number>(BANDS).fill(REFLECTANCE_SCALE);
  const offset = metadata?.offset ?? Array<number>(BANDS).fill(REFLECTANCE_OFFSET);
  if (level === 2 && (scale.some((s) => s !== REFLECTANCE_SCALE) || offset.some((o) => o !== REFLECTANCE_OFFSET)))
    warnings.push(
      `${basename(metadata!.path)} scales reflectance by ${scale[0]} and ${offset[0]}, not the usual ${REFLECTANCE_SCALE} and ${REFLECTANCE_OFFSET}; the product's own are used`,
    );

  const cache = new BlockCache(options.cacheBytes);
  const opened: TiffRaster[] = [];
  try {
    const rasters: TiffRaster[] = [];
    for (let b = 1; b <= BANDS; b++)
      rasters.push(await openBand(source, files.get(`${prefix}${b}.TIF`)!, cache, opened));
    const qualityPath = files.get('QA_PIXEL.TIF');
    if (qualityPath === undefined)
      warnings.push(`${basename(stem)}_QA_PIXEL.TIF is missing: fill is left out, clouds and their shadows are not`);
    const quality = qualityPath === undefined ? undefined : await openBand(source, qualityPath, cache, opened);
    const bits = options.clouds === 'keep' ? QA_FILL : QA_FILL | QA_CLOUDS;
    return await RasterScene.create(rasters, {
      path: given,
      name: basename(stem),
      scale,
      offset,
      nodata: FILL,
      ...(quality === undefined ? {} : { quality: { raster: quality, bits } }),
      kind: level === 2 ? 'Landsat product' : 'Landsat product of level 1',
      ...(source.members.size > 0 ? { files: [given] } : {}),
      units: level === 2 ? 'reflectance' : TOP_OF_ATMOSPHERE,
      ...(sensor === undefined ? {} : { sensor }),
      bandNames: rasters.map((_, b) => `${prefix}${b + 1}`),
      warnings,
    });
  } catch (error) {
    await Promise.all(opened.map((raster) => raster.close()));
    throw error;
  }
}
