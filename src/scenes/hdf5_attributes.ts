/** Attributes in the HDF5 files of products, whichever way their writers store them: scalars, lists of one, text of any kind. */
import { Dataset, Group } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import type { ProductFile } from './hdf5_array.js';

/** The longest text that is one: a coordinate system has some thousand characters. */
const MOST_TEXT = 65536;
/** Most entries of a list. */
const MOST_LIST = 65536;

type Value = string | number | bigint | readonly unknown[] | ArrayLike<number | bigint>;

/** The value of an attribute of an object ('' is the file itself); undefined where either is missing. */
function attributeValue({ file, path }: ProductFile, object: string, name: string): Value | undefined {
  const holder = object === '' ? file : file.get(object);
  if (!(holder instanceof Group || holder instanceof Dataset)) return undefined;
  const attribute = holder.attrs[name];
  if (attribute === undefined) return undefined;
  const length = (attribute.shape ?? []).reduce((a, b) => a * b, 1);
  const { size } = attribute.metadata;
  if (!(length <= MOST_LIST && size <= MOST_TEXT))
    throw new BandliftError('is too large for an attribute', {
      file: path,
      field: `${object === '' ? '' : `${object}, `}attribute ${name}`,
      found: `${length} values of ${size} bytes`,
    });
  return (attribute.value ?? undefined) as Value | undefined;
}

const single = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'length' in value && value.length === 1
    ? (value as ArrayLike<unknown>)[0]
    : value;

/** Undefined where the object does not have it, or where it is no text. */
export function textOf(product: ProductFile, object: string, name: string): string | undefined {
  const value = single(attributeValue(product, object, name));
  const text = typeof value === 'string' ? value.replace(/\0[\s\S]*$/, '').trim() : '';
  return text === '' ? undefined : text;
}

/** The numbers of an attribute, also where they stand in a text ('1.5 2 3'); undefined where the object does not have it. */
export function numbersOf(product: ProductFile, object: string, name: string): number[] | undefined {
  const value = attributeValue(product, object, name);
  if (value === undefined) return undefined;
  const list: unknown[] =
    typeof value === 'object' ? Array.from(value as ArrayLike<unknown>) : typeof value === 'string' ? [value] : [value];
  const numbers = list
    .flatMap((entry) => (typeof entry === 'string' ? entry.trim().split(/[\s,;]+/) : [entry]))
    .map((entry) => (entry === '' ? Number.NaN : Number(entry)));
  const bad = numbers.findIndex((number) => Number.isNaN(number));
  if (bad < 0) return numbers;
  throw new BandliftError('is not a number', {
    file: product.path,
    field: `${object === '' ? '' : `${object}, `}attribute ${name}`,
    found: String(list[bad] ?? list[0]).slice(0, 40),
  });
}

/** One number; undefined where the object does not have it. */
export function numberOf(product: ProductFile, object: string, name: string): number | undefined {
  const numbers = numbersOf(product, object, name);
  if (numbers === undefined || numbers.length === 1) return numbers?.[0];
  throw new BandliftError('is not one number', {
    file: product.path,
    field: `${object === '' ? '' : `${object}, `}attribute ${name}`,
    found: `${numbers.length} numbers`,
  });
}
