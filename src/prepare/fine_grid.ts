/**
 * The fine grid of a pair: the scene's own pixels where they are 4 m (or are to be kept), else the scene averaged over exact
 * areas to 4 m. Landsat's pixels are 15/2 of it.
 */
import { BandliftError } from '../base/errors.js';
import { refine } from '../raster/geo.js';
import type { GeoReference, Window } from '../raster/types.js';
import { weighPixels } from '../resample/apply_taps.js';
import { factorOf, LANDSAT_TO_AVIRIS_NG } from '../resample/ratio.js';
import { areaTaps, type Taps } from '../resample/taps.js';
import type { LineScene } from '../scenes/line_scene.js';
import { pixelSize } from './pixel_size.js';

/** Of the fine grid to Landsat's. */
export const RATIO = LANDSAT_TO_AVIRIS_NG;
/** Fine pixels that a coarse pixel is wide. */
export const FACTOR = factorOf(RATIO);
/** m */
export const FINE_GSD = 4;
/** Sizes that differ by less than this share are the same. */
const SAME = 0.01;
/** Least share of a fine pixel's area that must be valid. */
export const LEAST_VALID_AREA = 0.5;
/** Rounding of sums of areas. */
const TINY = 1e-9;
/** Pixels of a side of scenes that are taken in; 4,000 km. */
const LARGEST_SIDE = 1_000_000;
/** Bytes of source pixels held while they are averaged. */
const SOURCE_BYTES = 24 * 2 ** 20;

export interface FineGrid {
  readonly height: number;
  readonly width: number;
  readonly georeference?: GeoReference;
  /** Ground sample distances in m, where known. */
  readonly gsd?: number;
  readonly sourceGsd?: number;
  /** How the grid comes from the scene, when it is not the scene's own. */
  readonly resampled?: string;
  readonly warnings: readonly string[];
  /** Bytes of working memory. */
  readonly workBytes: number;
  /** Pixels of a window that lies inside; `values` [height, width, bands] may be left out. 0 where not valid. */
  read(window: Window, values: Float32Array | undefined, valid: Uint8Array): void;
}

export interface GridOptions {
  /** Ground sample distance of the scene in m, instead of what its header says. */
  readonly gsd?: number;
  /** Take the scene's own pixels as the fine grid whatever their size. */
  readonly keepGsd?: boolean;
}

const near = (a: number, b: number) => Math.abs(a - b) <= SAME * b;

/** The grid of a scene. Errors: BandliftError where the size of its pixels is needed and unknown. */
export function fineGrid(scene: LineScene, options: GridOptions): FineGrid {
  const size = options.gsd === undefined ? pixelSize(scene) : ([options.gsd, options.gsd] as const);
  if (size?.some((side) => !(side > 0 && Number.isFinite(side))))
    throw new BandliftError('not a pixel size', { file: scene.path, field: 'map info', found: size.join(' x ') });
  const [down, across] = size ?? [undefined, undefined];
  if (options.keepGsd || (down !== undefined && near(down, FINE_GSD) && near(across, FINE_GSD)))
    return ownGrid(scene, across, keptNote(scene, across));
  if (down === undefined)
    throw new BandliftError('the size of its pixels is unknown: the header has no map position in metres', {
      file: scene.path,
      field: 'map info',
      hint: 'give --gsd METRES, or --keep-gsd to take its pixels as they are',
    });
  return new AveragedGrid(scene, down, across, FINE_GSD);
}

function keptNote({ path }: LineScene, gsd: number | undefined): string[] {
  if (gsd === undefined || near(gsd, FINE_GSD)) return [];
  return [`${path}: pixels of ${round(gsd)} m are kept; Landsat's are simulated at ${round(FACTOR * gsd)} m`];
}

/**
 * The scene's own pixels, or these averaged over exact areas to pixels of `gsd` m. Errors: BandliftError where they would
 * have to be made smaller, and where their size is needed and unknown.
 */
export function spectralGrid(scene: LineScene, gsd: number | undefined): FineGrid {
  const size = pixelSize(scene);
  if (gsd === undefined) return ownGrid(scene, size?.[1], []);
  if (size === undefined)
    throw new BandliftError('the size of its pixels is unknown: the header has no map position', {
      file: scene.path,
      field: 'map info',
      hint: 'leave out --gsd to take its pixels as they are',
    });
  const [down, across] = size;
  if (near(down, gsd) && near(across, gsd)) return ownGrid(scene, across, []);
  if (Math.min(gsd / down, gsd / across) < 1 - SAME)
    throw new BandliftError('its pixels are larger than the size they are to be averaged to', {
      file: scene.path,
      field: '--gsd',
      found: `${gsd} m for pixels of ${round(across)} x ${round(down)} m`,
      expected: `at least ${round(Math.max(down, across))}`,
      hint: 'leave out --gsd to take its pixels as they are',
    });
  return new AveragedGrid(scene, down, across, gsd);
}

function ownGrid(scene: LineScene, gsd: number | undefined, warnings: readonly string[]): FineGrid {
  const { height, width, georeference } = scene;
  checkSides(scene, height, width);
  return {
    height,
    width,
    ...(georeference && { georeference }),
    ...(gsd !== undefined && { gsd, sourceGsd: gsd }),
    warnings,
    workBytes: 0,
    read: (window, values, valid) => scene.readInto(window, values, valid),
  };
}

/** Throws for scenes whose sides no flight line has: tables of that length would fill the memory. */
function checkSides(scene: LineScene, height: number, width: number): void {
  if (Math.max(height, width, scene.height, scene.width) <= LARGEST_SIDE) return;
  throw new BandliftError('the scene is too large', {
    file: scene.path,
    found: `${scene.height} x ${scene.width} pixels, ${height} x ${width} on the fine grid`,
    expected: `at most ${LARGEST_SIDE} a side`,
    hint: 'check the header and --gsd',
  });
}

/** Where validity alone is asked for. */
const NONE = new Float32Array(0);

const round = (value: number) => Number(value.toPrecision(6));

/** Every pixel of `gsd` m is the average of what it covers, by area; valid where half of that is. */
class AveragedGrid implements FineGrid {
  readonly height: number;
  readonly width: number;
  readonly georeference?: GeoReference;
  readonly gsd: number;
  readonly sourceGsd: number;
  readonly resampled: string;
  readonly warnings: readonly string[];
  readonly workBytes = SOURCE_BYTES;
  readonly #scene: LineScene;
  readonly #rows: Taps;
  readonly #columns: Taps;
  #source = new Float32Array(0);
  #valid = new Uint8Array(0);

  constructor(scene: LineScene, down: number, across: number, gsd: number) {
    const [perRow, perColumn] = [gsd / down, gsd / across];
    this.gsd = gsd;
    this.height = Math.floor(scene.height / perRow + TINY);
    this.width = Math.floor(scene.width / perColumn + TINY);
    checkSides(scene, this.height, this.width);
    this.sourceGsd = across;
    const sizes = down === across ? `${round(across)} m` : `${round(across)} x ${round(down)} m`;
    this.resampled = `pixels of ${sizes} averaged over exact areas to ${gsd} m`;
    this.warnings =
      Math.max(down, across) > gsd * (1 + SAME)
        ? [
            `${scene.path}: pixels of ${sizes} brought to ${gsd} m: no detail is gained by it (--pairs spectral makes pairs on its own grid; see also --keep-gsd)`,
          ]
        : [];
    if (this.height < 1 || this.width < 1)
      throw new BandliftError(`smaller than one pixel of ${gsd} m`, {
        file: scene.path,
        found: `${scene.height} x ${scene.width} pixels of ${sizes}`,
      });
    if (scene.georeference) {
      const g = scene.georeference.geotransform;
      this.georeference = {
        ...scene.georeference,
        geotransform: [g[0], g[1] * perColumn, g[2] * perRow, g[3], g[4] * perColumn, g[5] * perRow],
      };
    }
    this.#scene = scene;
    this.#rows = areaTaps(scene.height, this.height, perRow);
    this.#columns = areaTaps(scene.width, this.width, perColumn);
  }

  read(window: Window, values: Float32Array | undefined, valid: Uint8Array): void {
    const { bands } = this.#scene;
    const [rows, columns] = [this.#rows, this.#columns];
    const x = columns.start[window.x]!;
    const width = columns.start[window.x + window.width - 1]! + columns.taps - x;
    const lineBytes = width * (values ? bands * 4 : 1);
    for (let first = 0; first < window.height; ) {
      const y = rows.start[window.y + first]!;
      const end = (row: number) => rows.start[window.y + row]! + rows.taps;
      let count = 1;
      while (first + count < window.height && (end(first + count) - y) * lineBytes <= SOURCE_BYTES) count++;
      const height = end(first + count - 1) - y;
      const source = values && this.#reserve(height * width * bands);
      if (this.#valid.length < height * width) this.#valid = new Uint8Array(height * width);
      this.#scene.readInto({ y, x, height, width }, source, this.#valid);
      for (let row = first; row < first + count; row++)
        this.#averageRow(window, row, { y, x, width }, source, values, valid);
      first += count;
    }
  }

  #reserve(length: number): Float32Array {
    if (this.#source.length < length) this.#source = new Float32Array(length);
    return this.#source;
  }

  #averageRow(
    window: Window,
    row: number,
    from: { readonly y: number; readonly x: number; readonly width: number },
    source: Float32Array | undefined,
    values: Float32Array | undefined,
    valid: Uint8Array,
  ): void {
    const [rows, columns] = [this.#rows, this.#columns];
    const bands = source ? this.#scene.bands : 0;
    const [sum, across] = [new Float64Array(bands), new Float64Array(bands)];
    const line = window.y + row;
    for (let column = 0; column < window.width; column++) {
      sum.fill(0);
      let covered = 0;
      for (let i = 0; i < rows.taps; i++) {
        const weight = rows.weight[line * rows.taps + i]!;
        if (weight === 0) continue;
        const origin = (rows.start[line]! + i - from.y) * from.width - from.x;
        covered += weight * weighPixels(columns, window.x + column, source ?? NONE, this.#valid, origin, across);
        for (let b = 0; b < bands; b++) sum[b]! += weight * across[b]!;
      }
      const at = row * window.width + column;
      const fine = covered >= LEAST_VALID_AREA - TINY;
      valid[at] = fine ? 1 : 0;
      if (values) for (let b = 0; b < bands; b++) values[at * bands + b] = fine ? sum[b]! / covered : 0;
    }
  }
}

/** Georeference of the Landsat grid, from the same corner. */
export const coarseReference = (grid: FineGrid): GeoReference | undefined =>
  grid.georeference && refine(grid.georeference, RATIO.down, RATIO.up);
