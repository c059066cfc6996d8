/**
 * Which bands of an airborne cube are taken, in which order, which of them carry no data, and what stored values mean
 * "no data": what the header says, and what the instruments' own products do that their headers do not say.
 */

import { BandliftError } from '../base/errors.js';
import { DATA_TYPES, type EnviHeader } from '../raster/envi_header.js';
import { keepBands } from '../spectra/bands.js';

/** More bands than any spectrometer has: a header that says so is wrong. */
const MOST_BANDS = 65536;
/** AVIRIS-NG, EMIT and most others. */
const USUAL_FILL = -9999;
/** NEON's reflectance x 10000, where the atmospheric correction found no answer. */
const NEON_FILL = 14998;
/** What integers of 16 bits, and floats made of them, are filled with. */
const LEAST_INT16 = -32768;

/** Stored values that mean "no data"; at most four. */
export function fillValues(header: EnviHeader): number[] {
  const { name } = DATA_TYPES[header.dataType];
  const fills = new Set<number>();
  if (header.nodata !== undefined && !Number.isNaN(header.nodata)) fills.add(header.nodata);
  if (!name.startsWith('uint')) for (const fill of [USUAL_FILL, LEAST_INT16]) fills.add(fill);
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
