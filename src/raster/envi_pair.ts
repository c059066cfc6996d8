/**
 * Which header belongs to which data file, as GDAL looks for it: the appended name (x.img.hdr) before the replaced one
 * (x.hdr), in any case of letters.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { notEnvi } from './foreign_files.js';

/** Usual endings of data files, in the order in which they are tried. */
const DATA_SUFFIXES = ['', '.img', '.dat', '.bip', '.bil', '.bsq', '.raw'];
/** Endings of files that stand beside a cube and hold no pixels. */
const BESIDE = /\.(hdr|xml|txt|json|csv|prj|sta|enp|ovr|partial|tmp)$/i;

export const isHeaderName = (path: string): boolean => /\.hdr$/i.test(path);

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // a folder that may be entered but not listed
  }
};

/** Names of the headers in a folder. */
export const headersIn = (folder: string): string[] => namesIn(folder).filter(isHeaderName);

/** The file of this name, else one that differs in the case of its letters. */
function inAnyCase(path: string): string | undefined {
  if (existsSync(path)) return path;
  const name = basename(path).toLowerCase();
  const found = namesIn(dirname(path)).find((other) => other.toLowerCase() === name);
  return found === undefined ? undefined : join(dirname(path), found);
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** The header of a data file. Errors: BandliftError, which tells what the file is where it is known to be something else. */
export function headerOf(dataPath: string): string {
  const replaced = dataPath.replace(/\.[^./]*$/, '.hdr');
  for (const path of [`${dataPath}.hdr`, replaced]) {
    const found = inAnyCase(path);
    // a data file without an ending is not its own header
    if (found !== undefined && found !== dataPath) return found;
  }
  throw (
    notEnvi(dataPath) ??
    new BandliftError('the header of this data file is missing', {
      file: dataPath,
      expected: replaced === dataPath ? `${dataPath}.hdr` : `${replaced} or ${dataPath}.hdr`,
      hint: 'an ENVI cube is a data file with a .hdr beside it',
    })
  );
}

/** Whether a header lies beside a data file. */
export function hasHeader(dataPath: string): boolean {
  return [`${dataPath}.hdr`, dataPath.replace(/\.[^./]*$/, '.hdr')].some(
    (path) => path !== dataPath && inAnyCase(path) !== undefined,
  );
}

/**
 * The data file of a header: of the files of its name the first that has the size which the header asks for, the usual
 * endings before others; where none has, the first with a usual ending, so that the size is what is told.
 * Errors: BandliftError where there is no such file.
 * @param bytes that the data file must have
 */
export function dataOf(headerPath: string, bytes: bigint): string {
  const stem = headerPath.slice(0, -4);
  const usual = DATA_SUFFIXES.map((suffix) => inAnyCase(stem + suffix)).filter((p) => p !== undefined && isFile(p));
  const start = `${basename(stem)}.`.toLowerCase();
  const others = namesIn(dirname(headerPath))
    .filter((name) => name.toLowerCase().startsWith(start) && !BESIDE.test(name))
    .map((name) => join(dirname(headerPath), name))
    .filter(isFile);
  const files = [...new Set([...(usual as string[]), ...others])];
  const found = files.find((path) => BigInt(statSync(path).size) === bytes) ?? usual[0] ?? others[0];
  if (found !== undefined) return found;
  throw new BandliftError('the data file of this header is missing', {
    file: headerPath,
    expected: `${stem}.img (or .dat, .bip, .bil, .bsq, no ending)`,
  });
}
