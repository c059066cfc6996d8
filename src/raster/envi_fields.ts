/** The entries of an ENVI header as text, by name, before their values mean anything. */
import { BandliftError } from '../base/errors.js';

/** Entries that this program reads. */
export const KNOWN_ENTRIES: ReadonlySet<string> = new Set([
  'description',
  'samples',
  'lines',
  'bands',
  'header offset',
  'file type',
  'file compression',
  'major frame offsets',
  'minor frame offsets',
  'data type',
  'interleave',
  'byte order',
  'wavelength units',
  'wavelength',
  'fwhm',
  'bbl',
  'band names',
  'map info',
  'coordinate system string',
  'data ignore value',
  'reflectance scale factor',
]);

/** Other names of the ENVI format (ENVI Header Files, NV5 Geospatial documentation): none of them is a misspelling. */
const OTHER_ENVI_ENTRIES = new Set([
  'acquisition time',
  'class lookup',
  'class names',
  'classes',
  'cloud cover',
  'complex function',
  'data gain values',
  'data offset values',
  'data reflectance gain values',
  'data reflectance offset values',
  'default bands',
  'default stretch',
  'dem band',
  'dem file',
  'geo points',
  'pixel size',
  'product type',
  'projection info',
  'read procedures',
  'rpc info',
  'security tag',
  'sensor type',
  'solar irradiance',
  'spectra names',
  'sun azimuth',
  'sun elevation',
  'timestamp',
  'x start',
  'y start',
  'z plot average',
  'z plot range',
  'z plot titles',
]);

/** Entries without which the pixels are the same: a misspelt one is told and left out. */
const HARMLESS = new Set(['description', 'wavelength units', 'band names']);

/** What people write for an entry, apart from misspellings. */
const SYNONYMS: Readonly<Record<string, string>> = {
  wavelengthlist: 'wavelength',
  bandcenters: 'wavelength',
  badbands: 'bbl',
  badbandlist: 'bbl',
  badbandslist: 'bbl',
  nodata: 'data ignore value',
  nodatavalue: 'data ignore value',
  ignorevalue: 'data ignore value',
  scalefactor: 'reflectance scale factor',
};

const letters = (name: string) => name.replace(/[^a-z0-9]/g, '');

/** Levenshtein's distance, cut off above `most`. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The entry that an unknown name was meant to be: other separators, one or two letters off, or a usual synonym. */
function meantEntry(name: string): string | undefined {
  const own = letters(name);
  if (own in SYNONYMS) return SYNONYMS[own];
  for (const known of KNOWN_ENTRIES) {
    const theirs = letters(known);
    const most = theirs.length >= 9 ? 2 : theirs.length >= 5 ? 1 : 0;
    if (distance(own, theirs, most) <= most) return known;
  }
  return undefined;
}

/**
 * Throws for a name that was meant to be an entry which the header lacks and which decides what the pixels are, since the
 * header would be read as if it did not say; what else is misspelt is returned as remarks.
 */
export function checkNames(fields: ReadonlyMap<string, string>, file: string): string[] {
  const remarks: string[] = [];
  for (const name of fields.keys()) {
    if (KNOWN_ENTRIES.has(name) || OTHER_ENVI_ENTRIES.has(name)) continue;
    const meant = meantEntry(name);
    if (meant === undefined || fields.has(meant)) continue;
    if (!HARMLESS.has(meant))
      throw new BandliftError('this entry does not exist in ENVI headers', {
        file,
        field: name,
        expected: meant,
        hint: 'correct its name in the header, or remove it if it means something else',
      });
    remarks.push(`'${name}' is not read; the entry is called '${meant}'`);
  }
  return remarks;
}

/**
 * name = value pairs; a value in braces may run over many lines. Entries without a value are left out: they count as absent.
 * Errors: BandliftError naming the line.
 */
export function parseFields(text: string, file: string): Map<string, string> {
  const lines = text.split(/\r?\n/);
  if (lines[0]?.trim() !== 'ENVI')
    throw new BandliftError('not an ENVI header', {
      file,
      field: 'line 1',
      found: JSON.stringify((lines[0] ?? '').slice(0, 40)),
      expected: '"ENVI"',
    });
  const fields = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!.trim();
    if (line === '' || line.startsWith(';')) continue;
    const equals = line.indexOf('=');
    if (equals < 1)
      throw new BandliftError('not an entry of an ENVI header', {
        file,
        field: `line ${i + 1}`,
        found: JSON.stringify(line.slice(0, 60)),
        expected: 'name = value',
      });
    const name = line.slice(0, equals).trim().toLowerCase().replace(/\s+/g, ' ');
    let value = line.slice(equals + 1).trim();
    if (value.startsWith('{')) {
      const start = i;
      while (!value.includes('}') && i + 1 < lines.length) value += `\n${lines[++i]!}`;
      const close = value.indexOf('}');
      if (close < 0)
        throw new BandliftError('the list is never closed', {
          file,
          field: name,
          found: `{ at line ${start + 1}`,
          expected: 'a } at its end',
        });
      value = value.slice(1, close).trim();
    }
    if (value !== '') fields.set(name, value);
  }
  return fields;
}
