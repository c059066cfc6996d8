/**
 * A scene whose bands lie in one or several TIFF files of the same grid: stored numbers become physical values, and pixels
 * without data or under a cloud become invalid.
 */
import { BandliftError } from '../base/errors.js';
import { crsName } from '../raster/crs.js';
import { readGeoReference } from '../raster/geotiff_keys.js';
import type { SampleArray } from '../raster/tiff_layout.js';
import { applyMask } from '../raster/tiff_mask.js';
import type { TiffRaster } from '../raster/tiff_raster.js';
import type { GeoReference, Window } from '../raster/types.js';
import type { Pixels, Scene } from './types.js';

export interface RasterSceneInfo {
  readonly path: string;
  readonly name: string;
  /** 'HLS L30'. */
  readonly kind?: string;
  /** Files that are read, where they are not those of the rasters (an archive). */
  readonly files?: readonly string[];
  /** Physical value = stored * scale + offset, the same for all bands or one each. */
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  /** Stored value of pixels without data, in any band; -9999 where the file names none. */
  readonly nodata: number | undefined;
  /** QA_PIXEL: a pixel is invalid where any of these bits is set. */
  readonly quality?: { readonly raster: TiffRaster; readonly bits: number };
  /** A mask of all bands: 0 where there are no data. */
  readonly mask?: { readonly raster: TiffRaster; readonly packed: boolean };
  readonly units?: string;
  readonly sensor?: string;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly bandNames?: readonly string[];
  readonly warnings: readonly string[];
}

/** Where a file names no value for pixels without data, this one means it, as in ENVI cubes: no reflectance is so low. */
const USUAL_FILL = -9999;
/**
 * No physical value is so large: the lowest float (-3.4028235e38) stands for "no data", and is named in headers with as
 * few digits as -3.4e38, which is another number.
 */
const MOST = 1e30;

/** Grids that differ by less than this much of a pixel are the same. */
const SAME_PLACE = 1e-3;

const size = (raster: TiffRaster) => `${raster.layout.height} x ${raster.layout.width} pixels`;

/** Throws a BandliftError naming the first file whose size, place or coordinate system is not that of the first. */
async function checkSameGrid(
  rasters: readonly TiffRaster[],
): Promise<{ readonly georeference?: GeoReference; readonly warnings: readonly string[] }> {
  const [first, ...others] = rasters;
  const reference = await readGeoReference(first!.tags);
  for (const other of others) {
    const fail = (field: string, found: string, expected: string): never => {
      throw new BandliftError('does not fit the other bands', {
        file: other.path,
        field,
        found,
        expected: `${expected} as in ${first!.path}`,
        hint: 'all files must be of one product',
      });
    };
    if (size(other) !== size(first!)) fail('size', size(other), size(first!));
    const { georeference } = await readGeoReference(other.tags);
    const [ours, theirs] = [reference.georeference, georeference];
    if (crsName(theirs?.crsWkt) !== crsName(ours?.crsWkt))
      fail('coordinate system', crsName(theirs?.crsWkt), crsName(ours?.crsWkt));
    const [a, b] = [ours?.geotransform, theirs?.geotransform];
    const pixel = a ? Math.hypot(a[1], a[4]) : 1;
    // a step that is off by little adds up over the width of the scene
    const side = Math.max(first!.layout.height, first!.layout.width);
    const slack = (i: number) => (pixel * SAME_PLACE) / (i % 3 === 0 ? 1 : side);
    if ((a === undefined) !== (b === undefined) || a?.some((value, i) => Math.abs(value - b![i]!) > slack(i)))
      fail('geotransform', b?.join(', ') ?? 'none', a?.join(', ') ?? 'none');
  }
  return reference;
}

export class RasterScene implements Scene {
  readonly kind?: string;
  readonly path: string;
  readonly name: string;
  readonly files: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly georeference?: GeoReference;
  readonly units?: string;
  readonly sensor?: string;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly bandNames?: readonly string[];
  readonly warnings: readonly string[];
  readonly #rasters: readonly TiffRaster[];
  readonly #info: RasterSceneInfo;

  private constructor(
    rasters: readonly TiffRaster[],
    info: RasterSceneInfo,
    georeference: GeoReference | undefined,
    warnings: readonly string[],
  ) {
    this.#rasters = rasters;
    this.#info = info;
    this.path = info.path;
    this.name = info.name;
    if (info.kind !== undefined) this.kind = info.kind;
    this.files = info.files ?? [
      ...rasters.map((raster) => raster.path),
      ...(info.quality ? [info.quality.raster.path] : []),
    ];
    this.height = rasters[0]!.layout.height;
    this.width = rasters[0]!.layout.width;
    this.bands = rasters.reduce((sum, raster) => sum + raster.layout.bands, 0);
    if (georeference !== undefined) this.georeference = georeference;
    if (info.units !== undefined) this.units = info.units;
    if (info.sensor !== undefined) this.sensor = info.sensor;
    if (info.wavelength !== undefined) this.wavelength = info.wavelength;
    if (info.fwhm !== undefined) this.fwhm = info.fwhm;
    if (info.bandNames !== undefined) this.bandNames = info.bandNames;
    this.warnings = [...info.warnings, ...warnings];
  }

  /** @param rasters in the order of their bands; the scene closes them (and the quality raster) with itself */
  static async create(rasters: readonly TiffRaster[], info: RasterSceneInfo): Promise<RasterScene> {
    const all = info.quality ? [...rasters, info.quality.raster] : rasters;
    const { georeference, warnings } = await checkSameGrid(all);
    return new RasterScene(rasters, info, georeference, warnings);
  }

  async read(window: Window): Promise<Pixels> {
    const { bands } = this;
    const pixels = window.height * window.width;
    // one file after the other: their samples need not be in memory together
    let values: Float32Array | undefined;
    const valid = new Uint8Array(pixels).fill(1);
    let band = 0;
    for (const raster of this.#rasters) {
      const samples = await raster.read(window);
      values ??= new Float32Array(pixels * bands);
      this.#place(samples, raster.layout.bands, band, values, valid);
      band += raster.layout.bands;
    }
    const { quality, mask } = this.#info;
    if (mask) {
      const first = mask.packed ? window.x % 8 : 0;
      const x = mask.packed ? Math.floor(window.x / 8) : window.x;
      const wide = mask.packed ? Math.ceil((first + window.width) / 8) : window.width;
      const bytes = await mask.raster.read({ y: window.y, x, height: window.height, width: wide });
      applyMask(bytes, mask.packed, first, valid, window.width);
    }
    if (quality) {
      const flags = await quality.raster.read(window);
      for (let p = 0; p < pixels; p++) if ((flags[p]! & quality.bits) !== 0) valid[p] = 0;
    }
    for (let p = 0; p < pixels; p++) if (valid[p] === 0) values!.fill(0, p * bands, (p + 1) * bands);
    return { values: values!, valid };
  }

  /** Samples [pixels, count] to bands `first` .. of `values` [pixels, bands]; nodata and what is not finite become invalid. */
  #place(samples: SampleArray, count: number, first: number, values: Float32Array, valid: Uint8Array): void {
    const { bands } = this;
    const { scale, offset, nodata } = this.#info;
    const signed = !(samples instanceof Uint8Array || samples instanceof Uint16Array || samples instanceof Uint32Array);
    const stated = nodata ?? (signed ? USUAL_FILL : undefined);
    // nodata of float32 files is written in decimals
    const fill = samples instanceof Float32Array && stated !== undefined ? Math.fround(stated) : stated;
    for (let b = 0; b < count; b++) {
      const [factor, shift] = [scale[first + b]!, offset[first + b]!];
      for (let p = 0, from = b, to = first + b; p < valid.length; p++, from += count, to += bands) {
        const stored = samples[from]!;
        // not (x <= MOST) is true for NaN as well
        if (stored === fill || !(Math.abs(stored) <= MOST)) valid[p] = 0;
        else values[to] = stored * factor + shift;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#rasters.map((raster) => raster.close()));
    await this.#info.quality?.raster.close();
    await this.#info.mask?.raster.close();
  }
}
