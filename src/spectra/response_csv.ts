/** Reads relative spectral responses of other sensors. */
import { readFileSync, statSync } from 'node:fs';
import { BandliftError } from '../base/errors.js';
import { type BandResponse, type SensorResponse, sensorResponse } from './response.js';
import { nanometreFactor } from './units.js';

const LARGEST_FILE = 16 * 1024 * 1024;

export interface ResponseCsvOptions {
  /** Name of the sensor for files and messages; the file's path without it. */
  readonly sensor?: string;
  /** Bands to leave out by the name in the first column, e.g. pan and cirrus. */
  readonly leaveOut?: readonly string[];
}

function column(header: readonly string[], pattern: RegExp, path: string, what: string): number {
  const index = header.findIndex((name) => pattern.test(name));
  if (index < 0)
    throw new BandliftError('column missing', {
      file: path,
      field: what,
      found: header.join(','),
      expected: 'band,wavelength_nm,response',
    });
  return index;
}

/**
 * A response from a CSV file with the columns band, wavelength_nm (or wavelength_um), response; further columns are ignored.
 * Rows of one band must lie together in order of increasing wavelength; bands come in the order of the file.
 * Errors: BandliftError naming file, line and what was expected.
 */
export function loadResponseCsv(path: string, options: ResponseCsvOptions = {}): SensorResponse {
  let text: string;
  try {
    if (statSync(path).size > LARGEST_FILE)
      throw new BandliftError('too large for a table of responses', {
        file: path,
        found: statSync(path).size,
        expected: `at most ${LARGEST_FILE} bytes`,
      });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof BandliftError) throw error;
    throw new BandliftError('cannot be read', { file: path, hint: (error as Error).message });
  }
  const lines = text.trim().split(/\r?\n/);
  const header = lines[0]!.split(',').map((name) => name.trim().toLowerCase());
  const at = {
    band: column(header, /^band/, path, 'band'),
    wavelength: column(header, /^wavelength/, path, 'wavelength'),
    response: column(header, /^(response|rsr)/, path, 'response'),
  };
  const units = /_(um|nm)$/.exec(header[at.wavelength]!)?.[1];
  const raw = new Map<string, { wavelength: number[]; response: number[] }>();
  lines.slice(1).forEach((line, i) => {
    const cells = line.split(',').map((cell) => cell.trim());
    const name = cells[at.band] ?? '';
    if (options.leaveOut?.includes(name)) return;
    const wavelength = Number(cells[at.wavelength] || Number.NaN);
    const response = Number(cells[at.response] || Number.NaN);
    if (name === '' || !Number.isFinite(wavelength) || !Number.isFinite(response))
      throw new BandliftError('not a row of a response table', {
        file: path,
        field: `line ${i + 2}`,
        found: line,
        expected: 'band,wavelength,response',
      });
    const band = raw.get(name) ?? { wavelength: [], response: [] };
    if (band.wavelength.length > 0 && wavelength <= band.wavelength.at(-1)!)
      throw new BandliftError('wavelengths must increase', {
        file: path,
        field: `line ${i + 2}, band ${name}`,
        found: wavelength,
        expected: `more than ${band.wavelength.at(-1)}`,
      });
    band.wavelength.push(wavelength);
    band.response.push(response);
    raw.set(name, band);
  });
  if (raw.size === 0)
    throw new BandliftError('no band left', { file: path, hint: 'the file needs rows band,wavelength_nm,response' });
  const factor = nanometreFactor(
    [...raw.values()].flatMap((band) => band.wavelength),
    units,
  );
  const bands: BandResponse[] = [...raw].map(([name, band]) => {
    if (band.wavelength.length < 2 || !(Math.max(...band.response) > 0))
      throw new BandliftError('a band needs at least two rows and a positive response', {
        file: path,
        field: `band ${name}`,
        found: band.wavelength.length,
      });
    return {
      name,
      wavelength: Float64Array.from(band.wavelength, (w) => w * factor),
      response: Float64Array.from(band.response),
    };
  });
  return sensorResponse(options.sensor ?? path, path, bands);
}
