/** Datasets of a patch file: found, and held against the size of the file before any pixel is read. */
import { BrokenSoftLink, Dataset, ExternalLink, Group, type File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import type { NumberType } from './hdf5_library.js';

/** A patch is held in memory whole, more than once. */
const MAX_PATCH_NUMBERS = 2 ** 28;
/** deflate shrinks by at most 1032 : 1 */
const MAX_RATIO = 1100;
const LAYOUT = "'aviris' (N,H,W,B) and 'landsat' (N,H,W,C)";

export type Shape4 = readonly [number, number, number, number];

export interface StoredArray {
  readonly type: NumberType;
  readonly shape: Shape4;
  /** Rows of a chunk; 1 without chunks. */
  readonly chunkRows: number;
  /** Patches that share a chunk: reading one inflates all of them. */
  readonly chunkPatches: number;
}

/** '(N,H,W,B)' */
export const show = (shape: readonly number[] | null) => (shape ? `(${shape.join(',')})` : 'nothing');

/** As numpy calls it. */
export function typeName(dataset: Dataset): string {
  const { type, size, signed } = dataset.metadata;
  if (type === 1) return `float${size * 8}`;
  if (type === 0) return `${signed ? '' : 'u'}int${size * 8}`;
  return type === 3 ? 'text' : `HDF5 type class ${type}`;
}

/** HDF5's own filters: deflate, shuffle, fletcher32, szip, n-bit, scale-offset. */
const FILTERS = new Set([1, 2, 3, 4, 5, 6]);

/** Refuses a dataset that is compressed by a plugin's filter (LZF, Blosc, BZIP2, ...). */
export function checkFilters(dataset: Dataset, path: string, name: string): void {
  const filter = dataset.filters.find((f) => !FILTERS.has(f.id));
  if (filter)
    throw new BandliftError('is compressed by a filter that is not part of HDF5 itself', {
      file: path,
      field: name,
      found: `${filter.name} (${filter.id})`,
      expected: 'gzip, szip or none',
      hint: 'h5repack -f GZIP=4 IN OUT',
    });
}

/**
 * The dataset of that name, undefined where the file has nothing of that name. A soft link is followed within the file.
 * Throws a BandliftError for a link that leads nowhere or to another file: what is said of a file must hold of it alone.
 */
export function findDataset(file: Hdf5File, path: string, name: string): Dataset | undefined {
  const found = file.get(name);
  if (found === null || found === undefined) return undefined;
  const where = { file: path, field: name };
  if (found instanceof BrokenSoftLink)
    throw new BandliftError('is a soft link whose target is missing', {
      ...where,
      found: found.target,
      expected: 'a dataset of this file',
      hint: 'repair the link or copy the dataset itself',
    });
  const external = found instanceof ExternalLink ? found : file.get_external_link(name);
  if (external?.filename !== undefined)
    throw new BandliftError('is a link to another file', {
      ...where,
      found: `${external.obj_path} of ${external.filename}`,
      expected: 'a dataset of this file',
      hint: 'copy the data into one file (h5copy -f ext, or h5py)',
    });
  if (found instanceof Group)
    throw new BandliftError('is a group', {
      ...where,
      found: `${found.keys().slice(0, 8).join(', ') || 'nothing'} in it`,
      expected: 'a dataset',
      hint: 'the datasets must lie at the root of the file',
    });
  return found instanceof Dataset ? found : undefined;
}

/** A dataset of images [N, height, width, bands], held against the size of the file; `bytes` is that size. */
export function describeArray(file: Hdf5File, path: string, bytes: number, name: string): StoredArray {
  const dataset = findDataset(file, path, name);
  const keys = () => file.keys().slice(0, 8).join(', ') || 'nothing';
  if (!dataset)
    throw new BandliftError(`dataset '${name}' is missing`, { file: path, found: keys(), expected: LAYOUT });
  const where = { file: path, field: name };
  const { shape, size, type, signed, chunks, virtual_sources } = dataset.metadata;
  if (shape?.length !== 4)
    throw new BandliftError('wrong number of dimensions', { ...where, found: show(shape), expected: '(N,H,W,bands)' });
  if (shape[0] === 0) throw new BandliftError('holds no patches', { ...where, found: show(shape), expected: 'N >= 1' });
  if (shape.some((side) => side === 0))
    throw new BandliftError('has an empty dimension', { ...where, found: show(shape) });
  const float = type === 1;
  if (!((float && (size === 4 || size === 8)) || (type === 0 && size === 2)))
    throw new BandliftError('wrong type of numbers', {
      ...where,
      found: typeName(dataset),
      expected: 'float32, float64, int16 or uint16',
    });
  if (virtual_sources)
    throw new BandliftError('is a virtual dataset', { ...where, hint: 'copy it into one file (h5repack)' });
  checkFilters(dataset, path, name);
  const numbers = shape.slice(1).reduce((a, b) => a * b, 1);
  if (numbers > MAX_PATCH_NUMBERS)
    throw new BandliftError('one patch is too large', {
      ...where,
      found: `${shape.slice(1).join(' x ')} numbers`,
      expected: `at most ${MAX_PATCH_NUMBERS}`,
      hint: 'cut smaller patches',
    });
  const total = numbers * shape[0]! * size;
  if (total > bytes * (dataset.filters.length > 0 ? MAX_RATIO : 1))
    throw new BandliftError('claims more data than the file can hold', {
      ...where,
      found: `${show(shape)} = ${total} bytes in a file of ${bytes}`,
      hint: 'it is incomplete, or its pixels lie in another file; copy or make it again as one file',
    });
  return {
    type: { float, signed, size },
    shape: shape as unknown as Shape4,
    chunkPatches: Math.max(1, Math.min(shape[0]!, chunks?.[0] ?? 1)),
    chunkRows: Math.max(1, Math.min(shape[1]!, chunks?.[1] ?? 1)),
  };
}

/** Whether there is a mask [N, height, width] of that name. Throws a BandliftError when it does not have the shape `expected`. */
export function hasMask(file: Hdf5File, path: string, name: string, expected: readonly number[]): boolean {
  const mask = findDataset(file, path, name);
  if (!mask) return false;
  const where = { file: path, field: name };
  checkFilters(mask, path, name);
  if (mask.shape?.join() !== expected.join())
    throw new BandliftError('wrong shape', { ...where, found: show(mask.shape), expected: show(expected) });
  // numpy's bool is stored as an enumeration of one byte
  if (mask.metadata.size !== 1 || ![0, 8].includes(mask.metadata.type))
    throw new BandliftError('wrong type of numbers', { ...where, found: typeName(mask), expected: 'uint8' });
  return true;
}
