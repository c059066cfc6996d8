/** A cube of many bands in one GeoTIFF as a scene: bands sorted by wavelength, physical units, read by windows. */
import { BandliftError } from '../base/errors.js';
import { LARGEST_VALUE } from '../raster/envi_window.js';
import { checkWindow } from '../raster/geo.js';
import { readGeoReference } from '../raster/geotiff_keys.js';
import { MOST_BLOCK_BYTES } from '../raster/tiff_layout.js';
import type { TiffRaster } from '../raster/tiff_raster.js';
import type { GeoReference, Window } from '../raster/types.js';
import { keepBands } from '../spectra/bands.js';
import { surveyRows } from './envi_survey.js';
import { type LineOptions, type LineScene, readWindow } from './line_scene.js';
import type { Pixels } from './types.js';

export interface TiffCubeInfo {
  readonly kind: string;
  readonly path: string;
  readonly name: string;
  readonly files: readonly string[];
  /** Physical value = stored * scale + offset, one each. */
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  /** Stored value of pixels without data. */
  readonly nodata: number | undefined;
  /** nm, one a stored band. */
  readonly wavelength?: ArrayLike<number>;
  readonly fwhm?: ArrayLike<number>;
  readonly units?: string;
  readonly sensor?: string;
  readonly warnings: readonly string[];
}

/** No reflectance, and no radiance in usual units, is as low as this, noise and overcorrection included. */
const LOWEST = -0.5;
const USUAL_FILL = -9999;
const SURVEY_ROWS = 6;
const CACHE_BYTES = 128 * 2 ** 20;
/** Stored numbers read at once. */
const PIECE_VALUES = 4 * 2 ** 20;

export class TiffCube implements LineScene {
  readonly kind: string;
  readonly path: string;
  readonly name: string;
  readonly files: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly storedBands: number;
  readonly georeference?: GeoReference;
  readonly units?: string;
  readonly sensor?: string;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly goodBands: Uint8Array;
  readonly warnings: readonly string[];
  readonly workBytes: number;
  readonly #raster: TiffRaster;
  readonly #info: TiffCubeInfo;
  readonly #order: Int32Array;
  readonly #budget: number;
  readonly #fill: number;

  private constructor(
    raster: TiffRaster,
    info: TiffCubeInfo,
    place: { readonly georeference?: GeoReference; readonly warnings: readonly string[] },
    options: LineOptions,
  ) {
    const { layout } = raster;
    this.#raster = raster;
    this.#info = info;
    this.kind = info.kind;
    this.path = info.path;
    this.name = info.name;
    this.files = info.files;
    this.height = layout.height;
    this.width = layout.width;
    this.storedBands = layout.bands;
    this.#order = orderOf(info, layout.bands, options.bands ?? 'all');
    this.bands = this.#order.length;
    this.#budget = Math.max(options.cacheBytes ?? CACHE_BYTES, 1);
    const block = layout.blockHeight * layout.blockWidth * layout.size * (layout.chunky ? layout.bands : 1);
    this.workBytes = this.#budget + 3 * Math.min(block, MOST_BLOCK_BYTES) + 4 * PIECE_VALUES;
    const signed = !layout.type.startsWith('uint');
    const stated = info.nodata ?? (signed ? USUAL_FILL : Number.NaN);
    this.#fill = layout.type === 'float32' ? Math.fround(stated) : stated;
    if (place.georeference) this.georeference = place.georeference;
    if (info.units !== undefined) this.units = info.units;
    if (info.sensor !== undefined) this.sensor = info.sensor;
    if (info.wavelength) this.wavelength = Float64Array.from(this.#order, (b) => info.wavelength![b]!);
    if (info.fwhm) this.fwhm = Float64Array.from(this.#order, (b) => info.fwhm![b]!);
    const survey = surveyRows(
      { lines: this.height, samples: this.width, bands: this.bands, dataType: 4 },
      {
        read: (y, x, height, width, values) => this.#fillIn({ y, x, height, width }, values, undefined),
        close: () => {},
      },
      SURVEY_ROWS,
    );
    this.goodBands = survey.good;
    if (!this.goodBands.includes(1)) throw new BandliftError('holds no band with data', { file: info.path });
    const silent = this.goodBands.filter((good) => good === 0).length;
    this.warnings = [
      ...info.warnings,
      ...place.warnings,
      ...(silent === 0
        ? []
        : [`${silent} of ${this.bands} bands hold no data, or none that can be, and are marked bad`]),
    ].map((warning) => `${info.path}: ${warning}`);
  }

  /** Takes the raster over, also where it throws. Errors: BandliftError naming file and field. */
  static async create(raster: TiffRaster, info: TiffCubeInfo, options: LineOptions): Promise<TiffCube> {
    try {
      await raster.prepare();
      return new TiffCube(raster, info, await readGeoReference(raster.tags), options);
    } catch (error) {
      await raster.close();
      throw error;
    }
  }

  async read(window: Window): Promise<Pixels> {
    return readWindow(this, window);
  }

  readInto(window: Window, values: Float32Array | undefined, valid: Uint8Array): void {
    checkWindow(window, this.height, this.width, this.path);
    this.#fillIn(window, values, valid);
  }

  /**
   * Reads a window in pieces of whole rows, or of parts of one.
   *
   * @param valid without it values are as they are, NaN for fill
   */
  #fillIn({ y, x, height, width }: Window, values: Float32Array | undefined, valid: Uint8Array | undefined): void {
    const columns = Math.max(1, Math.min(width, Math.floor(PIECE_VALUES / this.storedBands)));
    const rows = Math.max(1, Math.min(height, Math.floor(PIECE_VALUES / (this.storedBands * columns))));
    for (let top = 0; top < height; top += rows)
      for (let left = 0; left < width; left += columns) {
        const piece = { height: Math.min(rows, height - top), width: Math.min(columns, width - left) };
        const stored = this.#raster.readNow({ y: y + top, x: x + left, ...piece }, this.#budget);
        for (let row = 0, from = 0; row < piece.height; row++)
          for (let column = 0; column < piece.width; column++, from += this.storedBands)
            this.#pixel(stored, from, (top + row) * width + left + column, values, valid);
      }
  }

  #pixel(
    stored: ArrayLike<number>,
    from: number,
    pixel: number,
    values: Float32Array | undefined,
    valid: Uint8Array | undefined,
  ): void {
    const { scale, offset } = this.#info;
    const at = pixel * this.bands;
    let fine = 1;
    let lit = 0;
    for (let b = 0; b < this.bands; b++) {
      if (valid && this.goodBands[b] === 0) {
        if (values) values[at + b] = 0;
        continue;
      }
      const band = this.#order[b]!;
      const number = stored[from + band]!;
      const value = number * scale[band]! + offset[band]!;
      // not (x < LARGEST) is true for NaN as well
      const bad = number === this.#fill || !(Math.abs(number) < LARGEST_VALUE);
      if (bad) fine = 0;
      else if (number !== 0 && value > LOWEST) lit = 1;
      if (values) values[at + b] = bad ? Number.NaN : value;
    }
    if (!valid) return;
    valid[pixel] = fine & lit;
    if (values && valid[pixel] === 0) values.fill(0, at, at + this.bands);
  }

  async close(): Promise<void> {
    await this.#raster.close();
  }
}

/** Numbers of the stored bands in order of wavelength; as stored where there are no wavelengths. */
function orderOf({ wavelength, path }: TiffCubeInfo, bands: number, which: 'all' | 'kept'): Int32Array {
  const order = Array.from({ length: bands }, (_, b) => b);
  if (wavelength === undefined) return Int32Array.from(order);
  order.sort((a, b) => wavelength[a]! - wavelength[b]! || a - b);
  if (which === 'all') return Int32Array.from(order);
  const kept = keepBands(order.map((b) => wavelength[b]!)).map((at) => order[at]!);
  if (kept.length > 0) return kept;
  throw new BandliftError('no band is left after water vapour bands and those beyond 2400 nm are dropped', {
    file: path,
    field: 'wavelength',
  });
}
