/** Datasets and attributes of a patch file, held against the size of the file before any number is read. */
import { Dataset, type File as Hdf5File } from 'h5wasm/node';
import type { NumberType } from '../data/hdf5_library.js';
import { BandliftError } from '../errors.js';

export interface StoredPatches {
  readonly name: string;
  /** [patches, height, width, bands], or [patches, height, width] of a mask. */
  readonly shape: readonly number[];
  readonly type: NumberType;
}

/** A patch is read whole at most. */
const MOST_NUMBERS = 2 ** 28;
/** deflate shrinks by at most 1032 : 1 */
const MOST_RATIO = 1100;
/** HDF5's own filters: deflate, shuffle, fletcher32, n-bit, scale-offset. */
const FILTERS = new Set([1, 2, 3, 5, 6]);
/** Classes of HDF5 types: integer, float, enumeration (numpy's bool). */
const INTEGER = 0;
const FLOAT = 1;
const ENUMERATION = 8;

const show = (shape: readonly number[] | null) => (shape ? `(${shape.join(',')})` : 'nothing');

function get(file: Hdf5File, path: string, name: string): Dataset {
  const dataset = file.get(name);
  if (!(dataset instanceof Dataset)) throw new BandliftError(`dataset '${name}' is missing`, { file: path });
  return dataset;
}

/** A dataset of images or masks. Errors: BandliftError naming it, what was found and what was expected. */
export function describeStored(
  file: Hdf5File,
  path: string,
  bytes: number,
  name: string,
  dimensions: 3 | 4,
): StoredPatches {
  const dataset = get(file, path, name);
  const { shape, size, type, signed, virtual_sources } = dataset.metadata;
  const fail = (message: string, found: string, expected?: string, hint?: string): never => {
    const more = { ...(expected === undefined ? {} : { expected }), ...(hint === undefined ? {} : { hint }) };
    throw new BandliftError(message, { file: path, field: name, found, ...more });
  };
  if (shape?.length !== dimensions || shape.some((side) => side < 1))
    return fail('has the wrong shape', show(shape), dimensions === 4 ? '(N,H,W,bands)' : '(N,H,W)');
  const image = (type === FLOAT && (size === 4 || size === 8)) || (type === INTEGER && size === 2);
  const flags = size === 1 && (type === INTEGER || type === ENUMERATION);
  if (dimensions === 4 ? !image : !flags)
    fail(
      'has the wrong type of numbers',
      `type class ${type} of ${size} bytes`,
      dimensions === 4 ? 'float32, float64, int16 or uint16' : 'uint8',
    );
  const filter = dataset.filters.find((f) => !FILTERS.has(f.id));
  if (virtual_sources) fail('is a virtual dataset', show(shape), undefined, 'copy it into one file (h5repack)');
  if (filter)
    fail(
      'is compressed by a filter that is not built in',
      `${filter.name} (${filter.id})`,
      'gzip or none',
      'h5repack -f GZIP=4 IN OUT',
    );
  const numbers = shape.slice(1).reduce((a, b) => a * b, 1);
  if (numbers > MOST_NUMBERS)
    fail('holds patches that are too large', `${numbers} numbers each`, `at most ${MOST_NUMBERS}`);
  if (numbers * shape[0]! * size > bytes * (dataset.filters.length > 0 ? MOST_RATIO : 1))
    fail(
      'claims more data than the file can hold',
      `${show(shape)} in a file of ${bytes} bytes`,
      undefined,
      'copy or make it again',
    );
  return { name, shape, type: { float: type === FLOAT, signed, size } };
}

/** A small dataset of numbers, undefined where the file lacks it. */
export function floatList(
  file: Hdf5File,
  path: string,
  name: string,
  expected: readonly number[],
): Float64Array | undefined {
  if (!(file.get(name) instanceof Dataset)) return undefined;
  const dataset = get(file, path, name);
  const { type, size } = dataset.metadata;
  if (
    dataset.shape?.join() !== expected.join() ||
    ![INTEGER, FLOAT, ENUMERATION].includes(type) ||
    (type === FLOAT && size < 4)
  )
    throw new BandliftError('is not the list it should be', {
      file: path,
      field: name,
      found: `${show(dataset.shape)} of type class ${type}`,
      expected: `${show(expected)} numbers`,
    });
  const values = Float64Array.from(dataset.value as ArrayLike<number | bigint>, Number);
  const bad = values.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw new BandliftError(`entry ${bad} is not a finite number`, { file: path, field: name, found: values[bad]! });
  return values;
}

export function numberAttribute(file: Hdf5File, path: string, name: string): number | undefined {
  const value = file.attrs[name]?.value;
  if (value === undefined || value === null) return undefined;
  const single = typeof value === 'object' && 'length' in value && value.length === 1 ? value[0] : value;
  if (typeof single === 'number' || typeof single === 'bigint') return Number(single);
  throw new BandliftError('is not a number', {
    file: path,
    field: `attribute ${name}`,
    found: String(value).slice(0, 40),
  });
}

export function textAttribute(file: Hdf5File, name: string): string | undefined {
  const value = file.attrs[name]?.value;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
