/** Files of other formats that are given as ENVI cubes: told for what they are, with what to do instead. */
import { closeSync, openSync, readSync } from 'node:fs';
import { BandliftError } from '../base/errors.js';

const HDF5 = '\x89HDF\r\n\x1a\n';
const START_BYTES = 512;

const CONVERT = () => 'write it as an ENVI cube (a .hdr with wavelengths beside the data) first';
const GDAL = (path: string) => `${CONVERT()}, e.g. with gdal_translate -of ENVI ${path} ${stemOf(path)}.img`;

interface Format {
  readonly is: (start: string, path: string) => boolean;
  readonly what: string;
  readonly hint: (path: string) => string;
}

const stemOf = (path: string): string => path.replace(/(\.tar)?\.[^./]*$/i, '');
const unpack = (command: string) => (path: string) =>
  `unpack it (mkdir ${stemOf(path)} && ${command}) and give what was in it; of a Landsat product the folder`;
const untar = (path: string) => unpack(`tar -xf ${path} -C ${stemOf(path)}`)(path);

const begins =
  (...starts: string[]) =>
  (start: string) =>
    starts.some((own) => start.startsWith(own));
const isTiff = begins('II*\0', 'II+\0', 'MM\0*', 'MM\0+');
const ending = (pattern: RegExp) => (_: string, path: string) => pattern.test(path);

/** In the order in which they are tried: the first bytes, then the name. */
const FORMATS: readonly Format[] = [
  {
    is: (start, path) => start.startsWith(HDF5) && /\.nc4?$/i.test(path),
    what: 'a netCDF file (such as products of EMIT and AVIRIS-3)',
    hint: CONVERT,
  },
  {
    is: begins(HDF5),
    what: 'an HDF5 file (such as products of NEON and PRISMA)',
    hint: CONVERT,
  },
  { is: begins('CDF\x01', 'CDF\x02', 'CDF\x05'), what: 'a netCDF file', hint: GDAL },
  { is: begins('\x0e\x03\x13\x01'), what: 'an HDF4 file', hint: GDAL },
  { is: isTiff, what: 'a TIFF file', hint: GDAL },
  {
    is: (start, path) => start.slice(257, 262) === 'ustar' || /\.tar$/i.test(path),
    what: 'a tar archive',
    hint: untar,
  },
  {
    is: (start, path) => start.startsWith('\x1f\x8b') && /\.(tar\.gz|tgz)$/i.test(path),
    what: 'a compressed tar archive',
    hint: untar,
  },
  {
    is: begins('\x1f\x8b'),
    what: 'a gzip-compressed file',
    hint: (path) => `decompress it (gunzip ${path}) and give what was in it`,
  },
  { is: begins('PK\x03\x04'), what: 'a zip archive', hint: (path) => unpack(`unzip ${path} -d ${stemOf(path)}`)(path) },
  { is: (start) => /^\s*<VRTDataset/.test(start), what: 'a GDAL virtual raster', hint: GDAL },
  {
    is: (start) => /^\s*GROUP\s*=\s*(LANDSAT_METADATA_FILE|L1_METADATA_FILE)/.test(start),
    what: "a Landsat product's metadata",
    hint: () => 'predict and inspect take the folder of the product',
  },
  { is: begins('\xff\xd8\xff', '\x89PNG'), what: 'a picture', hint: CONVERT },
  { is: begins('\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'), what: 'a JPEG 2000 file', hint: GDAL },
  { is: ending(/\.nc4?$/i), what: 'a netCDF file by its name', hint: CONVERT },
  { is: ending(/\.(h5|hdf5|he5|hdf)$/i), what: 'an HDF file by its name', hint: CONVERT },
  { is: ending(/\.tiff?$/i), what: 'a TIFF file by its name', hint: GDAL },
  { is: ending(/\.vrt$/i), what: 'a GDAL virtual raster by its name', hint: GDAL },
];

/** The first bytes, one character each; nothing for what cannot be read. */
function startOf(path: string): string {
  try {
    const handle = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(START_BYTES);
      return bytes.toString('latin1', 0, readSync(handle, bytes, 0, START_BYTES, 0));
    } finally {
      closeSync(handle);
    }
  } catch {
    return '';
  }
}

/** Whether a file begins as HDF5 files (and netCDF-4) do. */
export const beginsLikeHdf5 = (path: string): boolean => startOf(path).startsWith(HDF5);

/** Whether a file begins as TIFF files do. */
export const beginsLikeTiff = (path: string): boolean => isTiff(startOf(path));

/** The error for a file without an ENVI header that is of another known format; undefined for other files. */
export function notEnvi(path: string): BandliftError | undefined {
  const start = startOf(path);
  const format = FORMATS.find(({ is }) => is(start, path));
  return (
    format &&
    new BandliftError(`is ${format.what}, not an ENVI cube`, {
      file: path,
      hint: format.hint(path),
    })
  );
}
