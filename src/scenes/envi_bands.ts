/**
 * Which bands of an airborne cube are taken, in which order, which of them carry no data, and what stored values mean
 * "no data": what the header says, and what the instruments' own products do that their headers do not say.
 */
import type { EnviCube } from '../data/envi.js';
import { DATA_TYPES, type EnviHeader } from '../data/envi_header.js';
import { EnviWindows, everyBand } from '../data/envi_window.js';
import { BandliftError } from '../errors.js';
import { keepBands } from '../spectra/bands.js';

/** More bands than any spectrometer has: a header that says so is wrong. */
const MOST_BANDS = 65536;
/** AVIRIS-NG, EMIT and most others. */
const USUAL_FILL = -9999;
/** NEON's reflectance x 10000, where the atmospheric correction found no answer. */
const NEON_FILL = 14998;
/** EMIT L2A and L2B: bands deep in water vapour. */
const EMIT_DELETED = Math.fround(-0.01);

/** Stored values that mean "no data"; at most three. */
export function fillValues(header: EnviHeader): number[] {
  const { name } = DATA_TYPES[header.dataType];
  const fills = new Set<number>();
  if (header.nodata !== undefined && !Number.isNaN(header.nodata)) fills.add(header.nodata);
  if (!name.startsWith('uint')) fills.add(USUAL_FILL);
  const words = `${header.description ?? ''} ${Object.values(header.other ?? {}).join(' ')}`;
  if (name === 'int16' && /\bNEON\b|\bNIS\b/i.test(words)) fills.add(NEON_FILL);
  return [...fills];
}

/**
 * Numbers of the stored bands in order of wavelength; as stored where there are no wavelengths.
 * @param which 'kept': without water vapour and beyond 2400 nm (domain of stage 1); 'all'
 */
export function bandOrder(header: EnviHeader, which: 'all' | 'kept', file: string): Int32Array {
  if (header.bands > MOST_BANDS)
    throw new BandliftError('too many bands for a spectrometer', {
      file,
      field: 'bands',
      found: header.bands,
      expected: `at most ${MOST_BANDS}`,
    });
  const { wavelength } = header;
  const order = Array.from({ length: header.bands }, (_, b) => b);
  if (wavelength === undefined) return Int32Array.from(order);
  order.sort((a, b) => wavelength[a]! - wavelength[b]! || a - b);
  const sorted = Float64Array.from(order, (b) => wavelength[b]!);
  const kept = which === 'all' ? Int32Array.from(order) : keepBands(sorted).map((at) => order[at]!);
  if (kept.length === 0)
    throw new BandliftError('no band is left after water vapour bands and those beyond 2400 nm are dropped', {
      file,
      field: 'wavelength',
      found: `${sorted[0]} to ${sorted.at(-1)} nm`,
    });
  return kept;
}

/** Rows with data that are enough to judge by, and most rows looked at to find them. */
const ENOUGH_ROWS = 16;
const MOST_ROWS = 512;
/** Most stored values read in all, and of one row. */
const MOST_VALUES = 2 ** 28;
const MOST_ROW_VALUES = 2 ** 22;

/** Rows 0 .. height - 1 in an order that covers the scene evenly from the start: bit-reversed fractions. */
function* spreadRows(height: number): Generator<number> {
  const seen = new Set<number>();
  for (let k = 0; seen.size < Math.min(height, MOST_ROWS) && k < 8 * MOST_ROWS; k++) {
    let fraction = 0;
    for (let bit = 0, rest = k + 1; rest > 0; bit++, rest >>= 1) fraction += (rest & 1) / 2 ** (bit + 1);
    const row = Math.floor(fraction * height);
    if (seen.has(row)) continue;
    seen.add(row);
    yield row;
  }
}

/**
 * Bands that carry data, one entry a stored band: not marked bad in the header, and in a sample of rows over the scene not
 * everywhere zero (AVIRIS-Classic's water bands), -0.01 (EMIT's deleted bands) or no data, where other bands have data.
 * `seen`: whether the sample had any data at all. Cost: usually 16 rows are read, at most 512.
 */
export function goodBands(cube: EnviCube, fills: readonly number[]): { good: Uint8Array; seen: boolean } {
  const { bands, lines, samples, bbl, dataType } = cube.header;
  const empty = new Set(fills.map(Math.fround));
  if (DATA_TYPES[dataType].name.startsWith('float')) empty.add(EMIT_DELETED);
  const width = Math.max(1, Math.min(samples, Math.floor(MOST_ROW_VALUES / bands)));
  const values = new Float32Array(width * bands);
  const valid = new Uint8Array(width);
  const windows = new EnviWindows(cube, everyBand(bands), true);
  const alive = new Uint8Array(bands);
  let rows = 0;
  let looked = 0;
  try {
    for (const row of spreadRows(lines)) {
      if (rows >= ENOUGH_ROWS || looked >= MOST_VALUES) break;
      windows.read(row, (samples - width) >> 1, 1, width, values, valid);
      looked += values.length;
      let data = false;
      for (let i = 0, b = 0; i < values.length; i++, b = b + 1 === bands ? 0 : b + 1) {
        const v = values[i]!;
        if (v === 0 || (alive[b] === 1 && data) || !Number.isFinite(v) || empty.has(v)) continue;
        alive[b] = 1;
        data = true;
      }
      if (data) rows++;
    }
  } finally {
    windows.close();
  }
  const seen = rows > 0;
  return { good: Uint8Array.from(alive, (a, b) => ((a === 1 || !seen) && bbl?.[b] !== 0 ? 1 : 0)), seen };
}
