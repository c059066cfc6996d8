/** Wavelengths are nm everywhere inside bandlift; files also come in micrometres and other units. */
import { BandliftError } from '../base/errors.js';

/** Above this no list of reflective bands can be in micrometres, below it none can be in nm. */
const LARGEST_MICROMETRES = 100;
/** Ultraviolet to thermal infrared, nm: what lies outside is in other units than the file says. */
const SHORTEST = 100;
const LONGEST = 100_000;

/** nm of the units that ENVI's `wavelength units` and tables name. */
const UNITS: readonly (readonly [word: RegExp, nm: number])[] = [
  [/^(nm|nanomet)/, 1],
  [/^(um|µm|μm|micron|micromet)/, 1000],
  [/^(angstrom|å)/, 0.1],
  [/^(mm$|millimet)/, 1e6],
  [/^(cm$|centimet)/, 1e7],
  [/^(m$|met(er|re))/, 1e9],
];
/** Units that are not a length, which would turn the order of bands around, and numbers that are none. */
const NOT_LENGTHS = /^(wavenumber|cm-1|1\/cm|[gmt]?hz$|index)/;

/**
 * The factor that turns values into nm: the unit's own, or guessed from the values (1 or 1000) where it says nothing usable.
 * Errors: BandliftError for wavenumbers, frequencies and indices.
 */
export function nanometreFactor(values: ArrayLike<number>, units?: string, file?: string): number {
  const word = units?.trim().toLowerCase() ?? '';
  if (NOT_LENGTHS.test(word))
    throw new BandliftError('cannot be used', {
      ...(file === undefined ? {} : { file }),
      field: 'wavelength units',
      found: units!,
      expected: 'Nanometers or Micrometers',
      hint: 'convert the wavelengths, or remove them if they only number the bands',
    });
  const known = UNITS.find(([pattern]) => pattern.test(word))?.[1];
  if (known !== undefined) return known;
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i]!);
  return largest < LARGEST_MICROMETRES ? 1000 : 1;
}

/**
 * A list of wavelengths in nm.
 * @param values as in the file
 * @param units the file's own word, e.g. 'Nanometers', 'um'; guessed from the values where it says nothing usable
 * @param file named in errors
 * Errors: BandliftError where a value is not a positive number, or no wavelength from 100 nm to 0.1 mm in these units.
 */
export function toNanometres(values: ArrayLike<number>, units?: string, file?: string): Float64Array {
  const factor = nanometreFactor(values, units, file);
  return Float64Array.from(values, (value, i) => {
    const nm = value * factor;
    if (nm >= SHORTEST && nm <= LONGEST) return nm;
    throw new BandliftError('not a wavelength', {
      ...(file === undefined ? {} : { file }),
      field: `wavelength ${i + 1}`,
      found: `${value}${units && value > 0 ? ` ${units}` : ''}`,
      expected: value > 0 ? `${SHORTEST} to ${LONGEST} nm` : 'a positive number',
      ...(value > 0 ? { hint: 'check the units' } : {}),
    });
  });
}
