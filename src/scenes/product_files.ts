/**
 * The files of a product: in a folder, beside a file of it, in a list, or in a tar archive, where each is read in its place.
 * A member of an archive goes by the name 'ARCHIVE/NAME'.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { fileError, readAt, withFile } from '../base/files.js';
import type { BlockCache } from '../raster/block_cache.js';
import { listTar, type TarMember } from '../raster/tar.js';
import { TiffRaster } from '../raster/tiff_raster.js';

export interface ProductFiles {
  /** Every file that may belong to a product, in order of their names. */
  readonly paths: readonly string[];
  /** Those that lie in an archive. */
  readonly members: ReadonlyMap<string, TarMember>;
}

export const inList = (paths: readonly string[]): ProductFiles => ({ paths, members: new Map() });

/** The files of a folder. Errors: BandliftError. */
export async function inFolder(folder: string): Promise<ProductFiles> {
  try {
    return inList((await readdir(folder)).sort().map((name) => join(folder, name)));
  } catch (error) {
    throw fileError(error, folder);
  }
}

/** The files of an archive, whatever folders it has. Errors: BandliftError. */
export async function inArchive(path: string): Promise<ProductFiles> {
  const members = new Map((await listTar(path)).map((member) => [join(path, basename(member.name)), member]));
  return { paths: [...members.keys()].sort(), members };
}

/** The files of a folder or an archive, or those beside a file. */
export async function filesAround(path: string): Promise<ProductFiles> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (info.isDirectory()) return inFolder(path);
  return isArchiveName(path) ? inArchive(path) : inFolder(dirname(path));
}

/** Whether a path is named as an archive that is read in its place. */
export const isArchiveName = (path: string): boolean => /\.tar$/i.test(path);

/** Opens a raster of a product. Errors: BandliftError naming file and tag. */
export const openRaster = ({ members }: ProductFiles, path: string, cache: BlockCache): Promise<TiffRaster> => {
  const member = members.get(path);
  return member === undefined
    ? TiffRaster.open(path, cache)
    : TiffRaster.open(path, cache, { path: member.archive, offset: member.offset, size: member.size });
};

/** Text of a file of a product. Errors: BandliftError where it is larger than `most` bytes. */
export async function readText({ members }: ProductFiles, path: string, most: number): Promise<string> {
  const member = members.get(path);
  try {
    const size = member?.size ?? (await stat(path)).size;
    if (size > most)
      throw new BandliftError('too large for the metadata of a product', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${most}`,
      });
    if (member === undefined) return await readFile(path, 'utf8');
    return await withFile(member.archive, async (file) => {
      const bytes = Buffer.alloc(size);
      await readAt(file, member.offset, bytes);
      return bytes.toString('utf8');
    });
  } catch (error) {
    throw fileError(error, path);
  }
}
