/** Small things in an HDF5 file: lists of numbers and attributes, checked. */
import type { File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { checkFilters, findDataset, show, typeName } from './hdf5_dataset.js';

/** A small dataset of numbers (a value per band, two per patch). */
export function list(
  file: Hdf5File,
  path: string,
  name: string,
  expected: readonly number[],
): Float64Array | undefined {
  const dataset = findDataset(file, path, name);
  if (!dataset) return undefined;
  const where = { file: path, field: name };
  checkFilters(dataset, path, name);
  if (dataset.shape?.join() !== expected.join())
    throw new BandliftError('wrong shape', { ...where, found: show(dataset.shape), expected: show(expected) });
  const { type, size } = dataset.metadata;
  // 8 is numpy's bool
  if (![0, 1, 8].includes(type) || (type === 1 && size < 4))
    throw new BandliftError('wrong type of numbers', { ...where, found: typeName(dataset), expected: 'numbers' });
  const values = Float64Array.from(dataset.value as ArrayLike<number | bigint>, Number);
  const bad = values.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0) throw new BandliftError(`entry ${bad} is not a finite number`, { ...where, found: values[bad]! });
  return values;
}

/** Undefined where the file does not have it. Throws a BandliftError when it is no number. */
export function numberAttribute(file: Hdf5File, path: string, name: string): number | undefined {
  const value = file.attrs[name]?.value;
  if (value === undefined || value === null) return undefined;
  const single = typeof value === 'object' && 'length' in value && value.length === 1 ? value[0] : value;
  if (typeof single !== 'number' && typeof single !== 'bigint')
    throw new BandliftError('is not a number', {
      file: path,
      field: `attribute ${name}`,
      found: String(value).slice(0, 40),
    });
  return Number(single);
}

/** Undefined where the file does not have it, or where it is no text. */
export function textAttribute(file: Hdf5File, name: string): string | undefined {
  const value = file.attrs[name]?.value;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
