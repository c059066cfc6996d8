/** Wavelengths are nm everywhere inside bandlift; files also come in micrometres. */
import { BandliftError } from '../errors.js';

/** Above this no list of reflective bands can be in micrometres, below it none can be in nm. */
const LARGEST_MICROMETRES = 100;

/**
 * Wavelengths (or widths, with the factor of their wavelengths) in nm.
 * @param values as in the file
 * @param units the file's own word, e.g. 'Nanometers', 'um'; guessed from the values where it says nothing usable
 * @returns the factor that turns `values` into nm: 1 or 1000
 */
export function nanometreFactor(values: ArrayLike<number>, units?: string): 1 | 1000 {
  const word = units?.trim().toLowerCase() ?? '';
  if (/^(nm|nanomet)/.test(word)) return 1;
  if (/^(um|µm|μm|micron|micromet)/.test(word)) return 1000;
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value > 0) || !Number.isFinite(value))
      throw new BandliftError('not a wavelength', {
        field: `wavelength ${i + 1}`,
        found: value,
        expected: 'a positive number',
      });
    largest = Math.max(largest, value);
  }
  return largest < LARGEST_MICROMETRES ? 1000 : 1;
}

/** A copy of the list in nm. Errors: BandliftError where a value is not a positive number. */
export function toNanometres(values: ArrayLike<number>, units?: string): Float64Array {
  const factor = nanometreFactor(values, units);
  return Float64Array.from(values, (value) => value * factor);
}
