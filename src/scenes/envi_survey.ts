/**
 * What a sample of rows tells about the bands of a cube: which carry data, which hold absurd numbers, and how large numbers
 * usually are. Headers often do not say: water vapour bands filled with -32768 or noise of 1500 beside reflectances of 0.2,
 * fill of -0.9999 times a factor of each band (AVIRIS-Classic), reflectance times 10,000 without a scale factor.
 */
import type { EnviCube } from '../raster/envi_cube.js';
import { DATA_TYPES, type EnviHeader } from '../raster/envi_header.js';
import { EnviWindows, everyBand, LARGEST_VALUE } from '../raster/envi_window.js';

/** What a survey asks about a cube, in the words of ENVI's header. */
export type SurveyedCube = Pick<
  EnviHeader,
  'lines' | 'samples' | 'bands' | 'dataType' | 'reflectanceScale' | 'nodata' | 'bbl' | 'other'
>;

/** Stored values of a window, [height, width, bands]; nothing is asked of `valid`. */
export interface RowSource {
  read(y: number, x: number, height: number, width: number, values: Float32Array, valid: Uint8Array): void;
  close(): void;
}

/** EMIT L2A and L2B: bands deep in water vapour. */
const EMIT_DELETED = Math.fround(-0.01);
/** No reflectance, and no radiance in usual units, is as low as this, noise and overcorrection included. */
const LOWEST = -0.5;
/** Reflectance in integers, where the header does not say. */
const USUAL_SCALE = 10000;
/** A band is absurd whose large values (90th percentile) are this much larger than those of the usual band ... */
const ABSURD_RATIO = 100;
/** ... and larger than this in physical units. */
const ABSURD_LEAST = 2;
const LARGE = 0.9;

/** Rows with data that are enough to judge by, and most rows looked at to find them. */
const ENOUGH_ROWS = 16;
const MOST_ROWS = 512;
/** Most stored values read in all, and of one row. */
const MOST_VALUES = 2 ** 28;
const MOST_ROW_VALUES = 2 ** 22;
/** Most pixels whose spectra are kept to judge by, and most numbers of them. */
const MOST_PIXELS = 512;
const MOST_KEPT = 2 ** 22;

export interface BandSurvey {
  /** One entry a stored band: 1 = carries data that can be used, and the header does not mark it as bad. */
  readonly good: Uint8Array;
  /** 1 for bands that are bad for what their values are although neither the header nor a known product says so. */
  readonly absurd: Uint8Array;
  /** A stored value of each absurd band. */
  readonly example: Float32Array;
  /** Whether the sample had any data at all. */
  readonly seen: boolean;
  /** 90th percentile of the stored values' sizes, of the usual band; 0 where nothing was seen. */
  readonly typical: number;
  /** The highest value of a pixel whose values are all too low to be data, where there is one. */
  readonly lowPixel?: number;
}

/** Rows 0 .. height - 1 in an order that covers the scene evenly from the start: bit-reversed fractions. */
function* spreadRows(height: number, most: number): Generator<number> {
  const seen = new Set<number>();
  for (let k = 0; seen.size < Math.min(height, most) && k < 8 * most; k++) {
    let fraction = 0;
    for (let bit = 0, rest = k + 1; rest > 0; bit++, rest >>= 1) fraction += (rest & 1) / 2 ** (bit + 1);
    const row = Math.floor(fraction * height);
    if (seen.has(row)) continue;
    seen.add(row);
    yield row;
  }
}

const quantile = (sorted: ArrayLike<number>, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;

/** Stored values from here down are no data: a pixel without any value above has none. */
export function lowestValue(header: SurveyedCube): number {
  const { dataType, reflectanceScale } = header;
  if (isResult(header)) return Number.NEGATIVE_INFINITY;
  const integers = !DATA_TYPES[dataType].name.startsWith('float');
  return LOWEST * (reflectanceScale ?? (integers ? USUAL_SCALE : 1));
}

/** A result of bandlift: its header says which bands are good, and stage 2 takes everything that stage 1 has predicted. */
const isResult = ({ other }: SurveyedCube): boolean => other?.['bandlift version'] !== undefined;

class Survey {
  readonly #header: SurveyedCube;
  readonly #bands: number;
  readonly #fills: ReadonlySet<number>;
  readonly #deleted: number;
  readonly #lowest: number;
  readonly #alive: Uint8Array;
  readonly #low: Uint8Array;
  readonly #example: Float32Array;
  /** [pixels, bands] of pixels with data. */
  readonly #kept: Float32Array[] = [];
  #lowPixel: number | undefined;

  constructor(header: SurveyedCube, fills: readonly number[]) {
    const { bands, dataType } = header;
    this.#header = header;
    this.#bands = bands;
    this.#fills = new Set(fills.map(Math.fround));
    this.#deleted = DATA_TYPES[dataType].name.startsWith('float') ? EMIT_DELETED : Number.NaN;
    this.#lowest = lowestValue(header);
    this.#alive = new Uint8Array(bands);
    this.#low = new Uint8Array(bands);
    this.#example = new Float32Array(bands);
  }

  /** @param enough rows with data to judge by, of at most `most` */
  run(open: () => RowSource, enough: number, most: number): BandSurvey {
    const { lines, samples } = this.#header;
    const bands = this.#bands;
    const width = Math.max(1, Math.min(samples, Math.floor(MOST_ROW_VALUES / bands)));
    const values = new Float32Array(width * bands);
    const valid = new Uint8Array(width);
    const windows = open();
    const rowPixels = Math.max(1, Math.floor(Math.min(MOST_PIXELS, MOST_KEPT / bands) / ENOUGH_ROWS));
    let rows = 0;
    let looked = 0;
    try {
      for (const row of spreadRows(lines, most)) {
        if (rows >= enough || looked >= MOST_VALUES) break;
        windows.read(row, (samples - width) >> 1, 1, width, values, valid);
        looked += values.length;
        if (this.#row(values, width, rowPixels)) rows++;
      }
    } finally {
      windows.close();
    }
    return this.#judge(rows > 0);
  }

  /** Whether a row has any data; keeps up to `most` of its spectra. */
  #row(values: Float32Array, width: number, most: number): boolean {
    const step = Math.max(1, Math.floor(width / most));
    let data = false;
    for (let pixel = 0; pixel < width; pixel++) {
      const spectrum = values.subarray(pixel * this.#bands, (pixel + 1) * this.#bands);
      if (!this.#hasData(spectrum)) continue;
      data = true;
      if (pixel % step === 0) this.#kept.push(spectrum.slice());
      for (let b = 0; b < spectrum.length; b++) {
        const v = spectrum[b]!;
        if (v === 0 || v === this.#deleted || !(Math.abs(v) < LARGEST_VALUE)) continue;
        if (v > this.#lowest && !this.#fills.has(v)) this.#alive[b] = 1;
        else if (v !== this.#declared) {
          this.#low[b] = 1;
          this.#example[b] = v;
        }
      }
    }
    return data;
  }

  get #declared(): number {
    const { nodata } = this.#header;
    return nodata === undefined ? Number.NaN : Math.fround(nodata);
  }

  /** Whether any value of a pixel can be data. */
  #hasData(spectrum: Float32Array): boolean {
    let highest = Number.NEGATIVE_INFINITY;
    let known = false;
    for (let b = 0; b < spectrum.length; b++) {
      const v = spectrum[b]!;
      if (v === 0 || v === this.#deleted || !(Math.abs(v) < LARGEST_VALUE)) continue;
      if (this.#fills.has(v)) known = true;
      else if (v > this.#lowest) return true;
      else if (v > highest) highest = v;
    }
    if (!known && highest > Number.NEGATIVE_INFINITY) this.#lowPixel = Math.max(highest, this.#lowPixel ?? highest);
    return false;
  }

  #judge(seen: boolean): BandSurvey {
    const { bbl, reflectanceScale = 1 } = this.#header;
    const absurd = Uint8Array.from(this.#low, (low, b) => (low === 1 && this.#alive[b] === 0 ? 1 : 0));
    const large = new Float64Array(this.#bands);
    const column = new Float32Array(this.#kept.length);
    for (let b = 0; b < this.#bands; b++) {
      if (this.#alive[b] === 0) continue;
      column.forEach((_, i) => {
        const v = this.#kept[i]![b]!;
        column[i] = Math.abs(v) < LARGEST_VALUE && !this.#fills.has(v) ? v : 0;
      });
      // a band of nothing but too low values in most pixels
      if (quantile(column.sort(), 0.5) <= this.#lowest) {
        absurd[b] = 1;
        this.#example[b] = quantile(column, 0.5);
      }
      large[b] = quantile(column.map(Math.abs).sort(), LARGE);
    }
    const usual = [...large].filter((v, b) => this.#alive[b] === 1 && absurd[b] === 0 && v > 0).sort((a, b) => a - b);
    const typical = usual.length > 0 ? quantile(usual, 0.5) : 0;
    const most = Math.max(ABSURD_RATIO * typical, ABSURD_LEAST * reflectanceScale);
    for (let b = 0; b < this.#bands; b++)
      if (this.#alive[b] === 1 && absurd[b] === 0 && typical > 0 && large[b]! > most) {
        absurd[b] = 1;
        this.#example[b] = large[b]!;
      }
    if (isResult(this.#header)) absurd.fill(0);
    const good = this.#alive.map((alive, b) => ((alive === 1 || !seen) && absurd[b] === 0 && bbl?.[b] !== 0 ? 1 : 0));
    return {
      good,
      absurd: absurd.map((bad, b) => (bbl?.[b] === 0 ? 0 : bad)),
      example: this.#example,
      seen,
      typical,
      ...(this.#lowPixel === undefined ? {} : { lowPixel: this.#lowPixel }),
    };
  }
}

/**
 * Looks at a sample of rows over the scene. Bands are bad that the header marks so, that are everywhere zero
 * (AVIRIS-Classic's water bands), -0.01 (EMIT's deleted bands) or no data where other bands have data, and those whose values
 * cannot be data. Cost: usually 16 rows are read, at most 512.
 * @param fills stored values that mean "no data"
 */
export const surveyBands = (cube: EnviCube, fills: readonly number[]): BandSurvey =>
  new Survey(cube.header, fills).run(
    () => new EnviWindows(cube, everyBand(cube.header.bands), true),
    ENOUGH_ROWS,
    MOST_ROWS,
  );

/** The same of a cube in another container, by fewer rows: where blocks are compressed a row costs all blocks it touches. */
export const surveyRows = (header: SurveyedCube, rows: RowSource, enough: number): BandSurvey =>
  new Survey(header, []).run(() => rows, enough, 4 * enough);
