/** What a result cube is: sizes, numbers, georeference and everything its ENVI header tells. */
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import type { DataType, EnviHeader } from '../raster/envi_header.js';
import { mapInfoOf } from '../raster/map_info.js';
import type { GeoReference } from '../raster/types.js';

export interface CubeDescription {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** int16 halves the size: stored = round(value * scale), clamped to -32767 .. 32767, and clamped values are counted. */
  readonly dataType: 'float32' | 'int16';
  readonly interleave: 'bip' | 'bil';
  /** int16 only; written as `reflectance scale factor`. Default 10000. */
  readonly scale?: number;
  /** Stored value of pixels without data; default -9999 in float32 and -32768 in int16, which no valid value takes. */
  readonly nodata?: number;
  /** nm. */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** 1 = good band. */
  readonly goodBands?: Uint8Array;
  readonly bandNames?: readonly string[];
  readonly georeference?: GeoReference;
  readonly units?: string;
  /** One sentence, the header's `description`. */
  readonly description?: string;
  /** Where the cube comes from: entries of the header, e.g. 'bandlift version': '0.1.0', 'stage 1 checkpoint': '... sha256:...'. */
  readonly provenance?: Readonly<Record<string, string>>;
}

export const DEFAULT_SCALE = 10000;
export const VALUE_BYTES = { float32: 4, int16: 2 } as const;
const DATA_TYPE: Record<CubeDescription['dataType'], DataType> = { float32: 4, int16: 2 };
const NODATA = { float32: -9999, int16: -32768 } as const;
/** Sizes and offsets are exact in a double up to here. */
const MOST_BYTES = Number.MAX_SAFE_INTEGER;

export const nodataOf = (description: CubeDescription): number => description.nodata ?? NODATA[description.dataType];

export function scaleOf(description: CubeDescription): number {
  return description.dataType === 'int16' ? (description.scale ?? DEFAULT_SCALE) : 1;
}

/** Bytes of the data file. */
export function cubeBytes(description: CubeDescription): number {
  return description.height * description.width * description.bands * VALUE_BYTES[description.dataType];
}

/** Throws for a description that cannot be written: sizes, lists whose length is not the number of bands, nodata out of range. */
export function checkDescription(description: CubeDescription, path: string): void {
  const { height, width, bands, dataType } = description;
  for (const [field, size] of Object.entries({ height, width, bands }))
    if (!Number.isInteger(size) || size < 1)
      throw new BandliftError('cannot be written', {
        file: path,
        field,
        found: size,
        expected: 'a whole number from 1',
      });
  if (cubeBytes(description) > MOST_BYTES)
    throw new BandliftError('the result would be too large', { file: path, found: `${height} x ${width} x ${bands}` });
  const { wavelength, fwhm, goodBands, bandNames } = description;
  for (const [field, list] of Object.entries({ wavelength, fwhm, goodBands, bandNames }))
    if (list !== undefined && list.length !== bands)
      throw new BandliftError('does not fit the cube', {
        file: path,
        field,
        found: `${list.length} entries`,
        expected: `${bands}, one a band`,
      });
  const nodata = nodataOf(description);
  if (dataType === 'int16' && !(Number.isInteger(nodata) && Math.abs(nodata + 0.5) < 32768))
    throw new BandliftError('does not fit int16', { file: path, field: 'nodata', found: nodata });
  if (!(scaleOf(description) > 0 && Number.isFinite(scaleOf(description))))
    throw new BandliftError('not a valid scale', { file: path, field: 'scale', found: scaleOf(description) });
}

/** Data file and header of a result: NAME.img and NAME.hdr; .dat, .bip, .bil, .bsq and .raw are kept as the data file's ending. */
export function cubePaths(path: string): { dataPath: string; headerPath: string } {
  const stem = path.replace(/\.(hdr|img|dat|bip|bil|bsq|raw)$/i, '');
  if (basename(stem) === '') throw new BandliftError('not a file name for a result', { file: path });
  const dataPath = stem === path || /\.hdr$/i.test(path) ? `${stem}.img` : path;
  return { dataPath, headerPath: `${stem}.hdr` };
}

/** One line of a header: no line breaks, no braces, which would open a list, and no =, at which GDAL drops the entry. */
const plain = (text: string) =>
  text
    .replace(/[{}\r\n]+/g, ' ')
    .replaceAll('=', ':')
    .trim();

/** Text that cannot be mistaken for more than one entry of a list. */
const entry = (text: string) => plain(text).replaceAll(',', ';');

/** Centres that a picture in true colours is made of, red, green and blue, nm; OLI's. */
const TRUE_COLOURS = [655, 561, 482];
/** A band further away than this shows another colour, nm. */
const SAME_COLOUR = 40;

/** Numbers, from 1, of the good bands to show as red, green and blue; undefined where the cube has none such. */
export function trueColours({ wavelength, goodBands }: CubeDescription): number[] | undefined {
  if (wavelength === undefined) return undefined;
  const distance = (b: number, nm: number) =>
    goodBands?.[b] === 0 ? Number.POSITIVE_INFINITY : Math.abs(wavelength[b]! - nm);
  const nearest = TRUE_COLOURS.map((nm) =>
    wavelength.reduce((best, _, b) => (distance(b, nm) < distance(best, nm) ? b : best), 0),
  );
  const isFar = nearest.some((b, i) => distance(b, TRUE_COLOURS[i]!) > SAME_COLOUR);
  return isFar || new Set(nearest).size < nearest.length ? undefined : nearest.map((b) => b + 1);
}

export function headerOf(description: CubeDescription): EnviHeader {
  const { georeference, wavelength, fwhm, goodBands, bandNames, units } = description;
  const mapInfo = georeference && mapInfoOf(georeference);
  const other: Record<string, string> = {};
  const colours = trueColours(description);
  if (colours) other['default bands'] = colours.join(', ');
  if (units !== undefined) other['data units'] = plain(units);
  const crs = georeference?.crsWkt;
  // 'EPSG:2154': known by its code only
  if (crs !== undefined && !crs.includes('[')) other['coordinate system code'] = plain(crs);
  // a transform that `map info` cannot tell
  if (georeference && !mapInfo) other.geotransform = georeference.geotransform.join(', ');
  for (const [name, value] of Object.entries(description.provenance ?? {}))
    other[plain(name).toLowerCase()] = plain(value);
  return {
    lines: description.height,
    samples: description.width,
    bands: description.bands,
    dataType: DATA_TYPE[description.dataType],
    interleave: description.interleave,
    byteOrder: 0,
    headerOffset: 0,
    nodata: nodataOf(description),
    ...(description.description === undefined ? {} : { description: plain(description.description) }),
    ...(description.dataType === 'int16' ? { reflectanceScale: scaleOf(description) } : {}),
    ...(wavelength === undefined ? {} : { wavelength }),
    ...(fwhm === undefined ? {} : { fwhm }),
    ...(goodBands === undefined ? {} : { bbl: goodBands }),
    ...(bandNames === undefined ? {} : { bandNames: bandNames.map(entry) }),
    ...(mapInfo === undefined ? {} : { mapInfo }),
    ...(crs?.includes('[') ? { coordinateSystem: plain(crs) } : {}),
    other,
  };
}
