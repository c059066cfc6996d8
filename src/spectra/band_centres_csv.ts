/** Band centres and widths from a table, for cubes whose headers lack them. */
import { readFileSync, statSync } from 'node:fs';
import { BandliftError } from '../base/errors.js';
import { nanometreFactor, toNanometres } from './units.js';

const LARGEST_FILE = 16 * 1024 * 1024;

/** Bands are not narrower or wider than this, nm: what is was given in another unit. */
const WIDTHS = [0.01, 1000] as const;

/** nm, in the order of the stored bands. */
export interface BandCentres {
  readonly wavelength: Float64Array;
  readonly fwhm?: Float64Array;
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > LARGEST_FILE)
      throw new BandliftError('too large for a table of bands', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${LARGEST_FILE}`,
      });
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof BandliftError) throw error;
    throw new BandliftError('cannot be read', { file: path, hint: (error as Error).message });
  }
}

/**
 * Reads a CSV file with a column wavelength (or wavelength_nm, wavelength_um) and, if it has one, fwhm (in the same unit, or
 * fwhm_nm, fwhm_um); one row a band, in the order of the cube's bands. Errors: BandliftError naming file and line.
 */
export function loadBandCentres(path: string): BandCentres {
  const lines = readText(path)
    .replace(/^\ufeff/, '')
    .trim()
    .split(/\r?\n/);
  const names = lines[0]!.split(',').map((name) => name.trim().toLowerCase());
  const at = names.findIndex((name) => /^(wavelength|cent(er|re))/.test(name));
  if (at < 0)
    throw new BandliftError('column missing', {
      file: path,
      field: 'wavelength',
      found: lines[0]!.slice(0, 80),
      expected: 'a first line such as wavelength_nm,fwhm_nm',
    });
  const width = names.findIndex((name) => /^fwhm/.test(name));
  const column = (index: number) =>
    lines.slice(1).map((line, i) => {
      const cell = line.split(',')[index]?.trim() ?? '';
      if (cell === '' || !(Number(cell) > 0))
        throw new BandliftError('not a positive number', {
          file: path,
          field: `line ${i + 2}, ${names[index]}`,
          found: cell || 'nothing',
        });
      return Number(cell);
    });
  const centres = column(at);
  const unitOf = (index: number) => /_(um|nm)$/.exec(names[index]!)?.[1];
  const units = unitOf(at);
  const own = width < 0 ? undefined : unitOf(width);
  const factor = own === undefined ? nanometreFactor(centres, units, path) : own === 'um' ? 1000 : 1;
  const fwhm = width < 0 ? undefined : Float64Array.from(column(width), (w) => w * factor);
  const odd = fwhm?.findIndex((w) => !(w >= WIDTHS[0] && w <= WIDTHS[1])) ?? -1;
  if (odd >= 0)
    throw new BandliftError('not the width of a band', {
      file: path,
      field: `line ${odd + 2}, ${names[width]}`,
      found: `${fwhm![odd]} nm`,
      expected: `${WIDTHS[0]} to ${WIDTHS[1]} nm`,
      hint: 'name the columns by their units: wavelength_nm,fwhm_nm or wavelength_um,fwhm_um',
    });
  return { wavelength: toNanometres(centres, units, path), ...(fwhm ? { fwhm } : {}) };
}
