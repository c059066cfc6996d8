/** ENVI header files: text in, checked fields out, and back. The data file is read and written in envi.ts. */
import { BandliftError } from '../base/errors.js';
import { nanometreFactor, toNanometres } from '../spectra/units.js';
import { checkNames, KNOWN_ENTRIES, parseFields } from './envi_fields.js';

export type Interleave = 'bil' | 'bip' | 'bsq';

/** ENVI data types that hold one real number a value: name and bytes. */
export const DATA_TYPES = {
  1: { name: 'uint8', bytes: 1 },
  2: { name: 'int16', bytes: 2 },
  3: { name: 'int32', bytes: 4 },
  4: { name: 'float32', bytes: 4 },
  5: { name: 'float64', bytes: 8 },
  12: { name: 'uint16', bytes: 2 },
} as const;
export type DataType = keyof typeof DATA_TYPES;

export interface EnviHeader {
  readonly lines: number;
  readonly samples: number;
  readonly bands: number;
  readonly dataType: DataType;
  readonly interleave: Interleave;
  /** 0 = little endian, 1 = big endian. */
  readonly byteOrder: 0 | 1;
  /** Bytes before the first value. */
  readonly headerOffset: number;
  readonly description?: string;
  /** Band centres and widths in nm, whatever the file's unit. */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** 1 = good band. */
  readonly bbl?: Uint8Array;
  readonly bandNames?: readonly string[];
  /** The entries of `map info`, e.g. UTM, 1, 1, easting, northing, 30, 30, 11, North, WGS-84, units=Meters. */
  readonly mapInfo?: readonly string[];
  /** WKT. */
  readonly coordinateSystem?: string;
  /** The value of pixels without data. */
  readonly nodata?: number;
  /** Stored value = reflectance * this. */
  readonly reflectanceScale?: number;
  /** Every other entry as text, by lower-case name. */
  readonly other?: Readonly<Record<string, string>>;
  /** What was left out of the header and does not change the pixels. */
  readonly remarks?: readonly string[];
}

/**
 * Throws for data that are not plain pixels: another program's format behind an ENVI header (PCI, TIFF), class numbers,
 * compressed data, bytes between lines or bands. Read as plain pixels they would give wrong numbers.
 */
function checkPlain(fields: ReadonlyMap<string, string>, file: string): void {
  const fail = (field: string, expected: string, hint: string): never => {
    throw new BandliftError('the data are not plain pixels', {
      file,
      field,
      found: fields.get(field)!,
      expected,
      hint,
    });
  };
  const type = fields.get('file type') ?? 'ENVI Standard';
  if (!/^ENVI( Standard)?$/i.test(type.replace(/\s+/g, ' ')))
    fail(
      'file type',
      'ENVI Standard',
      `write it as ENVI Standard with the program that made it, or with gdal_translate -of ENVI`,
    );
  const compression = fields.get('file compression') ?? '0';
  if (Number(compression) !== 0) fail('file compression', '0', 'decompress the data file and set the entry to 0');
  for (const name of ['major frame offsets', 'minor frame offsets'])
    if (!/^[\s,0.]*$/.test(fields.get(name) ?? ''))
      fail(name, '{0, 0}', 'write the cube without bytes between its lines and bands');
}

/** Checked header of the text of a .hdr file. `file` is its name for messages. Errors: BandliftError naming the entry. */
export function parseEnviHeader(text: string, file: string): EnviHeader {
  const fields = parseFields(text, file);
  const fail = (field: string, found: string | number, expected: string): never => {
    throw new BandliftError('the header cannot be used', { file, field, found, expected });
  };
  const whole = (name: string, least: number, preset?: number): number => {
    const value = fields.get(name);
    if (value === undefined && preset !== undefined) return preset;
    if (value === undefined) return fail(name, 'nothing', 'an entry');
    const number = Number(value);
    if (!Number.isSafeInteger(number) || number < least) fail(name, value, `a whole number from ${least}`);
    return number;
  };
  const number = (name: string): number | undefined => {
    const value = fields.get(name);
    if (value === undefined) return undefined;
    // NaN is a usual data ignore value
    if (Number.isNaN(Number(value)) && !/^[-+]?nan$/i.test(value)) fail(name, value, 'a number');
    return Number(value);
  };
  const remarks = checkNames(fields, file);
  const bands = whole('bands', 1);
  const list = (name: string, count?: number): string[] | undefined => {
    const value = fields.get(name);
    if (value === undefined) return undefined;
    const entries = value.split(',').map((entry) => entry.trim());
    if (entries.at(-1) === '') entries.pop();
    if (count !== undefined && entries.length !== count)
      fail(name, `${entries.length} entries`, `${count}, one a band`);
    return entries;
  };
  const numbers = (name: string): number[] | undefined =>
    list(name, bands)?.map((entry, i) => {
      if (entry === '' || !Number.isFinite(Number(entry)))
        fail(`${name}, entry ${i + 1}`, entry || 'nothing', 'a number');
      return Number(entry);
    });

  checkPlain(fields, file);
  const dataType = whole('data type', 0);
  if (!(dataType in DATA_TYPES))
    fail(
      'data type',
      dataType,
      `one of ${Object.keys(DATA_TYPES).join(', ')} (complex and 64-bit integers are not images of spectra)`,
    );
  const interleave = (fields.get('interleave') ?? fail('interleave', 'nothing', 'bil, bip or bsq')).toLowerCase();
  if (!['bil', 'bip', 'bsq'].includes(interleave)) fail('interleave', interleave, 'bil, bip or bsq');
  const byteOrder = whole('byte order', 0, 0);
  if (byteOrder > 1) fail('byte order', byteOrder, '0 (little endian) or 1 (big endian)');

  const centres = numbers('wavelength');
  let wavelength: Float64Array | undefined;
  let fwhm: Float64Array | undefined;
  if (centres !== undefined) {
    const units = fields.get('wavelength units');
    wavelength = toNanometres(centres, units, file);
    const factor = nanometreFactor(centres, units, file);
    const widths = numbers('fwhm');
    if (widths) fwhm = Float64Array.from(widths, (w) => w * factor);
    // no band is as wide as its centre is long
    const isTooWide = (w: number, b: number) => w >= wavelength![b]!;
    if (widths && fwhm!.some(isTooWide)) {
      if (widths.some(isTooWide)) fail('fwhm', Math.max(...fwhm!), 'widths of bands in the unit of the wavelengths');
      fwhm = Float64Array.from(widths);
      remarks.push(`fwhm: is not in ${units ?? 'the unit of the wavelengths'}, as the wavelengths are; taken as nm`);
    }
  }
  const bbl = numbers('bbl');
  const scale = number('reflectance scale factor');
  if (scale !== undefined && !(scale > 0)) fail('reflectance scale factor', scale, 'a positive number');
  const nodata = number('data ignore value');
  const description = fields.get('description');
  // names may hold commas, and nothing depends on them
  const names = list('band names');
  const bandNames = names?.length === bands ? names : undefined;
  if (names && !bandNames) remarks.push(`band names: ${names.length} for ${bands} bands; they are left out`);
  const mapInfo = list('map info');
  const coordinateSystem = fields.get('coordinate system string');
  return {
    lines: whole('lines', 1),
    samples: whole('samples', 1),
    bands,
    dataType: dataType as DataType,
    interleave: interleave as Interleave,
    byteOrder: byteOrder as 0 | 1,
    headerOffset: whole('header offset', 0, 0),
    ...(description === undefined ? {} : { description }),
    ...(wavelength === undefined ? {} : { wavelength }),
    ...(fwhm === undefined ? {} : { fwhm }),
    ...(bbl === undefined ? {} : { bbl: Uint8Array.from(bbl, (good) => (good === 0 ? 0 : 1)) }),
    ...(bandNames === undefined ? {} : { bandNames }),
    ...(mapInfo === undefined ? {} : { mapInfo }),
    ...(coordinateSystem === undefined ? {} : { coordinateSystem }),
    ...(nodata === undefined ? {} : { nodata }),
    ...(scale === undefined ? {} : { reflectanceScale: scale }),
    ...(remarks.length === 0 ? {} : { remarks }),
    other: Object.fromEntries([...fields].filter(([name]) => !KNOWN_ENTRIES.has(name))),
  };
}

const wrapped = (values: readonly (string | number)[]): string => {
  const rows: string[] = [];
  for (let i = 0; i < values.length; i += 8) rows.push(` ${values.slice(i, i + 8).join(', ')}`);
  return `{\n${rows.join(',\n')}}`;
};
/** Band figures to 1e-6 nm without trailing zeros. */
const figures = (values: Float64Array) => Array.from(values, (value) => Number(value.toFixed(6)));

/** The text of a .hdr file; wavelengths in nm. Lists break after eight entries. */
export function formatEnviHeader(header: EnviHeader): string {
  const lines = ['ENVI'];
  const put = (name: string, value: string | number | undefined) => {
    if (value !== undefined) lines.push(`${name} = ${value}`);
  };
  const inBraces = (value: string | undefined) => (value === undefined ? undefined : `{${value.replace(/[{}]/g, '')}}`);
  put('description', inBraces(header.description));
  put('samples', header.samples);
  put('lines', header.lines);
  put('bands', header.bands);
  put('header offset', header.headerOffset);
  put('file type', 'ENVI Standard');
  put('data type', header.dataType);
  put('interleave', header.interleave);
  put('byte order', header.byteOrder);
  put('map info', inBraces(header.mapInfo?.join(', ')));
  put('coordinate system string', inBraces(header.coordinateSystem));
  put('data ignore value', header.nodata);
  put('reflectance scale factor', header.reflectanceScale);
  put('wavelength units', header.wavelength && 'Nanometers');
  put('wavelength', header.wavelength && wrapped(figures(header.wavelength)));
  put('fwhm', header.fwhm && wrapped(figures(header.fwhm)));
  put('bbl', header.bbl && wrapped([...header.bbl]));
  put('band names', header.bandNames && wrapped(header.bandNames));
  for (const [name, value] of Object.entries(header.other ?? {}))
    put(name, /[\n,]/.test(value) ? inBraces(value) : value);
  return `${lines.join('\n')}\n`;
}

/**
 * Affine transform of `map info`: x = g[0] + col g[1] + row g[2], y = g[3] + col g[4] + row g[5], pixel corners, in map
 * units. ENVI counts the reference pixel from 1 and gives the rotation in degrees, counterclockwise, as `rotation=R`.
 */
export function geotransform(mapInfo: readonly string[]): [number, number, number, number, number, number] {
  const [refX, refY, east, north, sizeX, sizeY] = mapInfo.slice(1, 7).map(Number);
  if (mapInfo.length < 7 || [refX, refY, east, north, sizeX, sizeY].some((value) => !Number.isFinite(value)))
    throw new BandliftError('not a map position', {
      field: 'map info',
      found: mapInfo.join(', '),
      expected: 'projection, column, row, easting, northing, pixel width, pixel height, ...',
    });
  const rotation = mapInfo
    .map((entry) => /^rotation\s*=\s*(.+)$/i.exec(entry)?.[1])
    .find((value) => value !== undefined);
  const angle = (Number(rotation ?? 0) * Math.PI) / 180;
  const g: [number, number, number, number] = [
    sizeX! * Math.cos(angle),
    sizeY! * Math.sin(angle),
    sizeX! * Math.sin(angle),
    -sizeY! * Math.cos(angle),
  ];
  const [col, row] = [refX! - 1, refY! - 1];
  return [east! - col * g[0] - row * g[1], g[0], g[1], north! - col * g[2] - row * g[3], g[2], g[3]];
}
