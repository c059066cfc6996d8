/** The cube of a product in HDF5 or netCDF-4 as a scene: bands sorted by wavelength, physical units, read by windows. */
import { BandliftError } from '../base/errors.js';
import { checkStillWhole } from '../data/hdf5_fields.js';
import { closeHdf5 } from '../data/hdf5_library.js';
import { checkWindow } from '../raster/geo.js';
import type { GeoReference, Window } from '../raster/types.js';
import { keepBands } from '../spectra/bands.js';
import { sceneName } from './envi_scene.js';
import { surveyRows } from './envi_survey.js';
import type { ProductFile } from './hdf5_array.js';
import { type CubeBand, type CubePart, chunkBytes, Hdf5Windows } from './hdf5_windows.js';
import { type LineOptions, type LineScene, readWindow } from './line_scene.js';
import type { LookupTable } from './lookup_table.js';
import type { Pixels } from './types.js';

/** What a product's reader found out about a file. */
export interface CubeProduct extends ProductFile {
  /** 'EMIT L2A' */
  readonly kind: string;
  readonly parts: readonly CubePart[];
  /** Bands as stored, one dataset after the other; those that hold nothing are left out. */
  readonly bands: readonly (CubeBand & {
    readonly wavelength?: number;
    readonly fwhm?: number;
    readonly good: boolean;
  })[];
  readonly units?: string;
  readonly sensor?: string;
  /** Of the grid that is read: of the lookup table where there is one. */
  readonly georeference?: GeoReference;
  readonly lookup?: LookupTable;
  readonly warnings: readonly string[];
}

/** No reflectance, and no radiance in usual units, is as low as this, noise and overcorrection included. */
const LOWEST = -0.5;
/** Rows to judge the bands by: less than of ENVI cubes, since each may cost a row of chunks. */
const SURVEY_ROWS = 6;
/** Chunks kept: a row of chunks across a scene should fit. */
const CACHE_BYTES = 256 * 2 ** 20;
/** Numbers of the sensor's image that are read at once to fill a part of the grid on the ground. */
const IMAGE_VALUES = 4 * 2 ** 20;

export class CubeScene implements LineScene {
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
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly goodBands: Uint8Array;
  readonly sensor?: string;
  readonly warnings: readonly string[];
  readonly workBytes: number;
  readonly #product: CubeProduct;
  readonly #windows: Hdf5Windows;
  readonly #lines: number;
  readonly #samples: number;
  #open = true;

  /** Takes the file over, also where it throws: `close` then is not the caller's to call. */
  constructor(product: CubeProduct, options: LineOptions = {}) {
    const { path, parts, lookup, georeference, units, sensor } = product;
    const { axes, array } = parts[0]!;
    [this.#lines, this.#samples] = [array.shape[axes.line]!, array.shape[axes.sample]!];
    const order = sortBands(product, options.bands ?? 'all');
    const chosen = order.map((b) => product.bands[b]!);
    const budget = options.cacheBytes ?? CACHE_BYTES;
    this.kind = product.kind;
    this.path = path;
    this.name = sceneName(path);
    this.files = [path];
    this.height = lookup?.height ?? this.#lines;
    this.width = lookup?.width ?? this.#samples;
    this.bands = chosen.length;
    this.storedBands = product.bands.length;
    this.workBytes = budget + 2 * Math.max(...parts.map(chunkBytes)) + (lookup ? 4 * IMAGE_VALUES : 0);
    this.#product = product;
    const survey = surveyRows(
      {
        lines: this.#lines,
        samples: this.#samples,
        bands: chosen.length,
        dataType: 4,
        bbl: Uint8Array.from(chosen, ({ good }) => (good ? 1 : 0)),
      },
      this.#raw(chosen, budget),
      SURVEY_ROWS,
    );
    this.goodBands = survey.good;
    if (!this.goodBands.includes(1)) throw new BandliftError('marks every band as bad', { file: path });
    if (georeference) this.georeference = georeference;
    if (units !== undefined) this.units = units;
    if (sensor !== undefined) this.sensor = sensor;
    if (chosen.every(({ wavelength }) => wavelength !== undefined))
      this.wavelength = Float64Array.from(chosen, ({ wavelength }) => wavelength!);
    if (chosen.every(({ fwhm }) => fwhm !== undefined)) this.fwhm = Float64Array.from(chosen, ({ fwhm }) => fwhm!);
    const silent = chosen.filter(({ good }, b) => good && this.goodBands[b] === 0);
    this.warnings = [
      ...product.warnings,
      ...(silent.length === 0
        ? []
        : [`${silent.length} of ${chosen.length} bands hold no data, or none that can be, and are marked bad`]),
      ...(survey.seen ? [] : ['no data in the rows that were looked at to find bands without data']),
    ].map((warning) => `${path}: ${warning}`);
    this.#windows = new Hdf5Windows(product, parts, chosen, this.goodBands, LOWEST, budget);
  }

  /** All bands as they are, for the survey. */
  #raw(chosen: readonly CubeBand[], budget: number) {
    const all = new Uint8Array(chosen.length).fill(1);
    const windows = new Hdf5Windows(this.#product, this.#product.parts, chosen, all, LOWEST, budget);
    return {
      read: (y: number, x: number, height: number, width: number, values: Float32Array, valid: Uint8Array) =>
        windows.read(y, x, height, width, values, valid, true),
      close: () => {},
    };
  }

  async read(window: Window): Promise<Pixels> {
    return readWindow(this, window);
  }

  readInto(window: Window, values: Float32Array | undefined, valid: Uint8Array): void {
    checkWindow(window, this.height, this.width, this.path);
    checkStillWhole(this.path, this.#product.bytes);
    const { y, x, height, width } = window;
    const { lookup } = this.#product;
    if (!lookup) {
      this.#windows.read(y, x, height, width, values, valid);
      return;
    }
    values?.fill(0, 0, height * width * this.bands);
    valid.fill(0, 0, height * width);
    this.#readLookup(window, window, lookup, values, valid);
  }

  /** A part of a window on the ground; halved until what it shows of the image is small. */
  #readLookup(
    part: Window,
    window: Window,
    lookup: LookupTable,
    values: Float32Array | undefined,
    valid: Uint8Array,
  ): void {
    const halves = (): readonly [Window, Window] => {
      const down = part.height >= part.width;
      const half = Math.floor((down ? part.height : part.width) / 2);
      return down
        ? [
            { ...part, height: half },
            { ...part, y: part.y + half, height: part.height - half },
          ]
        : [
            { ...part, width: half },
            { ...part, x: part.x + half, width: part.width - half },
          ];
    };
    const single = part.height * part.width === 1;
    // the table itself must stay small too
    if (part.height * part.width > IMAGE_VALUES / 4) {
      for (const half of halves()) this.#readLookup(half, window, lookup, values, valid);
      return;
    }
    const { line, sample } = lookup.read(part, this.#lines, this.#samples);
    let [y0, y1, x0, x1] = [this.#lines, -1, this.#samples, -1];
    for (let i = 0; i < line.length; i++) {
      if (line[i]! < 0) continue;
      y0 = Math.min(y0, line[i]!);
      y1 = Math.max(y1, line[i]!);
      x0 = Math.min(x0, sample[i]!);
      x1 = Math.max(x1, sample[i]!);
    }
    if (y1 < 0) return;
    const [height, wide] = [y1 - y0 + 1, x1 - x0 + 1];
    if (height * wide * this.bands > IMAGE_VALUES && !single) {
      for (const half of halves()) this.#readLookup(half, window, lookup, values, valid);
      return;
    }
    const image = values && new Float32Array(height * wide * this.bands);
    const ok = new Uint8Array(height * wide);
    this.#windows.read(y0, x0, height, wide, image, ok);
    for (let row = 0, i = 0; row < part.height; row++)
      for (let column = 0; column < part.width; column++, i++) {
        if (line[i]! < 0) continue;
        const from = (line[i]! - y0) * wide + sample[i]! - x0;
        const to = (part.y - window.y + row) * window.width + part.x - window.x + column;
        valid[to] = ok[from]!;
        if (values) values.set(image!.subarray(from * this.bands, (from + 1) * this.bands), to * this.bands);
      }
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    closeHdf5(this.#product.file);
  }
}

/** Numbers of the product's bands in order of wavelength; as stored where there are no wavelengths. */
function sortBands({ bands, path }: CubeProduct, which: 'all' | 'kept'): number[] {
  const order = bands.map((_, b) => b);
  if (!bands.every(({ wavelength }) => wavelength !== undefined)) return order;
  const centre = (b: number) => bands[b]!.wavelength!;
  order.sort((a, b) => centre(a) - centre(b) || a - b);
  const kept = which === 'all' ? order : [...keepBands(order.map(centre))].map((at) => order[at]!);
  if (kept.length === 0)
    throw new BandliftError('no band is left after water vapour bands and those beyond 2400 nm are dropped', {
      file: path,
      field: 'wavelength',
      found: `${centre(order[0]!)} to ${centre(order.at(-1)!)} nm`,
    });
  return kept;
}
