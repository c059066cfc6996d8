/** Small things in an HDF5 file: lists of numbers and attributes, checked. */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
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

/** Stored value = physical value * scale. Undefined where the file does not say. Throws a BandliftError unless it is > 0. */
export function scaleOf(file: Hdf5File, path: string): number | undefined {
  const scale = numberAttribute(file, path, 'scale');
  if (scale === undefined || (scale > 0 && Number.isFinite(scale))) return scale;
  throw new BandliftError('is not a scale', {
    file: path,
    field: 'attribute scale',
    found: scale,
    expected: 'a number > 0',
  });
}

/** [bands], 1 = good; undefined where the file has no list. */
export function goodBandsOf(file: Hdf5File, path: string, bands: number): Uint8Array | undefined {
  const good = list(file, path, 'good_bands', [bands]);
  return good && Uint8Array.from(good, (g) => (g > 0 ? 1 : 0));
}

/** [patches, bands], 1 = good in this patch; undefined where the file has no such list. */
export function bandMaskOf(file: Hdf5File, path: string, patches: number, bands: number): Uint8Array | undefined {
  const good = list(file, path, 'band_mask', [patches, bands]);
  return good && Uint8Array.from(good, (g) => (g > 0 ? 1 : 0));
}

/** The scene that the patches were cut from: as the file says, else the file's name. */
export const sceneOf = (file: Hdf5File, path: string): string =>
  textAttribute(file, 'source_scene') ?? basename(path).replace(/\.[^.]+$/, '');

/** How a mask is read. */
export const FLAGS = { float: false, signed: false, size: 1 };

/** HDF5 gives zeros for what has been cut off from a file while it was open. */
export function checkStillWhole(path: string, expected: number): void {
  const found = statSync(path, { throwIfNoEntry: false })?.size;
  if (found !== undefined && found < expected)
    throw new BandliftError('has become shorter since it was opened', {
      file: path,
      found: `${found} bytes`,
      expected: `${expected} bytes`,
      hint: 'if another program is writing it, start again when it is done',
    });
}
