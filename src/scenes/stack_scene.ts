/** One GeoTIFF with all bands: float reflectance, or integers with a scale. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { BlockCache } from '../raster/block_cache.js';
import { TiffRaster } from '../raster/tiff_raster.js';
import type { TiffTags } from '../raster/tiff_tags.js';
import { RasterScene } from './raster_scene.js';
import type { Scene } from './types.js';

export interface StackOptions {
  /** Reflectance = stored * scale + offset. Integers need it unless the file says (GDAL's scale and offset of bands). */
  readonly scale?: number;
  readonly offset?: number;
  /** Bands the file must have; default 7. */
  readonly bands?: number;
  /** Decoded tiles kept in memory. */
  readonly cacheBytes?: number;
}

const LANDSAT_BANDS = 7;

/** Scale and offset of each band as GDAL keeps them: <Item name="SCALE" sample="0" role="scale">0.0001</Item>. */
async function readBandScales(
  tags: TiffTags,
  bands: number,
): Promise<{ scale: number[]; offset: number[] } | undefined> {
  const text = await tags.text('gdalMetadata');
  if (text === undefined) return undefined;
  const scale: number[] = [];
  const offset = Array<number>(bands).fill(0);
  for (const [, attributes, value] of text.matchAll(/<Item\s([^>]*)>([^<]*)<\/Item>/g)) {
    const role = /\brole="(scale|offset)"/.exec(attributes!)?.[1];
    const sample = Number(/\bsample="(\d+)"/.exec(attributes!)?.[1]);
    if (role === undefined || !(sample < bands) || !Number.isFinite(Number(value))) continue;
    (role === 'scale' ? scale : offset)[sample] = Number(value);
  }
  const complete = Array.from({ length: bands }, (_, b) => scale[b]).every((s) => s !== undefined && s !== 0);
  return complete ? { scale, offset } : undefined;
}

/** Opens a stacked GeoTIFF. Errors: BandliftError naming the file and what does not fit. */
export async function openStackScene(path: string, options: StackOptions = {}): Promise<Scene> {
  const cache = new BlockCache(options.cacheBytes);
  const raster = await TiffRaster.open(path, cache);
  let mask: Awaited<ReturnType<typeof TiffRaster.openMask>>;
  try {
    const { bands, type, nodata } = raster.layout;
    const expected = options.bands ?? LANDSAT_BANDS;
    if (bands !== expected)
      throw new BandliftError('has the wrong number of bands', {
        file: path,
        found: bands,
        expected,
        hint:
          bands === 1
            ? 'of a Landsat product give the folder or the _MTL file'
            : 'stack coastal, blue, green, red, near infrared and the two shortwave infrared bands in this order',
      });
    const stored = await readBandScales(raster.tags, bands);
    const integers = type !== 'float32' && type !== 'float64';
    if (integers && options.scale === undefined && stored === undefined)
      throw new BandliftError('holds integers, and does not say how they become reflectance', {
        file: path,
        found: type,
        hint: 'give --input-scale and --input-offset: 2.75e-5 and -0.2 for Landsat Collection 2, 0.0001 and 0 for reflectance times 10,000',
      });
    mask = await TiffRaster.openMask(path, cache);
    const beside = `${path}.msk`;
    const warnings = existsSync(beside) ? [`${beside}: masks in files of their own are not read`] : [];
    const all = (value: number) => Array<number>(bands).fill(value);
    return await RasterScene.create([raster], {
      path,
      name: basename(path).replace(/\.[^.]+$/, ''),
      scale: options.scale === undefined ? (stored?.scale ?? all(1)) : all(options.scale),
      offset:
        options.offset === undefined && options.scale === undefined && stored
          ? stored.offset
          : all(options.offset ?? 0),
      nodata,
      ...(mask === undefined ? {} : { mask }),
      units: 'reflectance',
      warnings,
    });
  } catch (error) {
    await raster.close();
    await mask?.raster.close();
    throw error;
  }
}
