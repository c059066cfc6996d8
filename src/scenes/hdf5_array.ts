/** Arrays of numbers in the HDF5 files of products: held against the size of the file before memory is taken, read by boxes. */
import type { Dataset, File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { checkFilters, findDataset, show, typeName } from '../data/hdf5_dataset.js';
import { type NumberType, readBox, type StoredNumbers } from '../data/hdf5_library.js';

/** A chunk is inflated whole, in a heap of 2 GiB. */
const MOST_CHUNK = 256 * 2 ** 20;
/** A list of one value a band, or the text of a coordinate system. */
const MOST_LIST = 65536;
/** Sides of a raster: 2^22 pixels of 1 m are 4,000 km. */
const MOST_SIDE = 2 ** 22;

export interface NumberArray {
  /** As in 'location/glt_x'. */
  readonly name: string;
  readonly type: NumberType;
  readonly shape: readonly number[];
  /** As the file stores it; undefined where the numbers lie in one piece. */
  readonly chunks: readonly number[] | undefined;
}

/** What is known of the file behind a product. */
export interface ProductFile {
  readonly file: Hdf5File;
  readonly path: string;
  /** Size, bytes. */
  readonly bytes: number;
}

const isNumbers = ({ metadata: { type, size } }: Dataset) =>
  type === 1 ? size === 4 || size === 8 : type === 0 && [1, 2, 4].includes(size);

/**
 * Describes a dataset of `dimensions` dimensions; undefined where the file has none of that name.
 * Errors: BandliftError for other dimensions, other types, links to other files, sizes that the file cannot hold.
 */
export function describeNumbers(product: ProductFile, name: string, dimensions: number): NumberArray | undefined {
  const { file, path, bytes } = product;
  const dataset = findDataset(file, path, name);
  if (dataset === undefined) return undefined;
  const where = { file: path, field: name };
  const { shape, size, type, signed, chunks, virtual_sources } = dataset.metadata;
  if (shape?.length !== dimensions)
    throw new BandliftError('wrong number of dimensions', { ...where, found: show(shape), expected: `${dimensions}` });
  if (!shape.every((side) => Number.isInteger(side) && side >= 1 && side <= MOST_SIDE))
    throw new BandliftError('not a size', { ...where, found: show(shape), expected: `1 to ${MOST_SIDE} each` });
  if (!isNumbers(dataset))
    throw new BandliftError('wrong type of numbers', {
      ...where,
      found: typeName(dataset),
      expected: 'floats of 32 or 64 bits, or integers of 8, 16 or 32',
    });
  if (virtual_sources)
    throw new BandliftError('is a virtual dataset', { ...where, hint: 'copy it into one file (h5repack)' });
  checkFilters(dataset, path, name);
  const total = shape.reduce((a, b) => a * b, size);
  // chunks that were never written are not in the file and read as its fill value: their size says nothing
  if (total > bytes && chunks === null)
    throw new BandliftError('claims more data than the file can hold', {
      ...where,
      found: `${show(shape)} = ${total} bytes in a file of ${bytes}`,
      hint: 'it is incomplete, or its pixels lie in another file; copy or make it again as one file',
    });
  const chunk = chunks?.reduce((a, b) => a * b, size) ?? 0;
  if (chunk > MOST_CHUNK)
    throw new BandliftError('has chunks that are too large', {
      ...where,
      found: `${show(chunks)} = ${chunk} bytes`,
      expected: `at most ${MOST_CHUNK}`,
      hint: 'h5repack -l CHUNK=64x64x64 IN OUT makes smaller ones',
    });
  return { name, type: { float: type === 1, signed: type === 1 || signed, size }, shape, chunks: chunks ?? undefined };
}

/** A box of an array. The result is a view into the library's memory and holds only until the next call. */
export function readNumbers(
  { file, path }: ProductFile,
  { name, type }: NumberArray,
  offset: readonly number[],
  count: readonly number[],
): StoredNumbers {
  return readBox(file, path, name, type, offset, count, `the part from ${offset.join(', ')} on`);
}

/** A list of finite numbers, a value a band; undefined where the file has none of that name. */
export function readList(product: ProductFile, name: string): Float64Array | undefined {
  const array = describeNumbers(product, name, 1);
  if (array === undefined) return undefined;
  const [length] = array.shape;
  const where = { file: product.path, field: name };
  if (length! > MOST_LIST)
    throw new BandliftError('too long for a list of bands', {
      ...where,
      found: length!,
      expected: `at most ${MOST_LIST}`,
    });
  const values = Float64Array.from(readNumbers(product, array, [0], [length!]));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new BandliftError(`entry ${bad} is not a finite number`, { ...where, found: values[bad]! });
  return values;
}
