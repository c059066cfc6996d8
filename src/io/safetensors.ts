/**
 * safetensors files (https://huggingface.co/docs/safetensors): 8 bytes header length (uint64, little endian), a JSON
 * header {name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {string: string}}, then the tensors' bytes,
 * without gaps. Nothing in a file is believed before it was held against the file's size.
 */

import { replaceFile, writeAll } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { allocate, type OpenFile, readAt, withFile } from '../base/files.js';
import { bfloat16ToFloat32, float16ToFloat32 } from './half.js';

export type TypedArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

export interface Tensor {
  /** What `data` holds; tensors stored as F16 or BF16 are read as F32. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: TypedArray;
}

export interface TensorEntry {
  /** As stored. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First and one past the last byte, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Record<string, string>;
  readonly tensors: Map<string, TensorEntry>;
}

export interface SafetensorsFile {
  readonly metadata: Record<string, string>;
  readonly tensors: Map<string, Tensor>;
}

/** dtype -> array that holds its bytes; writing takes the first dtype of an array's type. */
const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F16: Uint16Array,
  BF16: Uint16Array,
} as const;
type Dtype = keyof typeof ARRAYS;
/** As in the reference implementation. */
const MAX_HEADER = 100_000_000;

// ---- reading ----

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(
  file: OpenFile,
  message: string,
  detail: { field?: string; found?: string | number; expected?: string | number },
): BandliftError {
  return new BandliftError(message, {
    file: file.path,
    ...detail,
    hint: 'the file is damaged or not a safetensors file',
  });
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function parseEntry(file: OpenFile, name: string, raw: unknown, dataStart: number): TensorEntry {
  const field = `tensor '${name.slice(0, 100)}'`;
  const { dtype, shape, data_offsets: offsets } = isRecord(raw) ? raw : {};
  if (!isDtype(dtype))
    throw bad(file, 'unknown dtype', { field, found: shorten(dtype), expected: Object.keys(ARRAYS).join(', ') });
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw bad(file, 'the shape is not a list of sizes', {
      field,
      found: shorten(shape),
      expected: 'whole numbers >= 0',
    });
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1])
    throw bad(file, 'bad data_offsets', { field, found: shorten(offsets), expected: '[begin, end], begin <= end' });
  const [begin, end] = [offsets[0] + dataStart, offsets[1] + dataStart];
  if (end > file.size)
    throw bad(file, 'the tensor lies beyond the end of the file', {
      field,
      found: `bytes up to ${end}`,
      expected: `at most ${file.size}`,
    });
  let bytes: number = ARRAYS[dtype].BYTES_PER_ELEMENT;
  for (const n of shape) {
    bytes *= n;
    if (bytes > Number.MAX_SAFE_INTEGER) throw bad(file, 'the shape is too large', { field, found: shorten(shape) });
  }
  if (bytes !== end - begin)
    throw bad(file, 'size and shape disagree', {
      field,
      found: `${end - begin} bytes`,
      expected: `${bytes} for ${dtype} ${shorten(shape)}`,
    });
  return { dtype, shape, begin, end };
}

function parseMetadata(file: OpenFile, raw: unknown): Record<string, string> {
  if (raw === undefined) return {};
  if (!isRecord(raw)) throw bad(file, '__metadata__ is not an object of strings', { found: shorten(raw) });
  for (const [key, value] of Object.entries(raw))
    if (typeof value !== 'string')
      throw bad(file, 'not a string', { field: `__metadata__.${key.slice(0, 100)}`, found: shorten(value) });
  return raw as Record<string, string>;
}

/** Tensors must fill the data part exactly: no overlap, no gap, nothing behind the last one. */
function checkCoverage(file: OpenFile, tensors: Map<string, TensorEntry>, dataStart: number): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== at) {
      const what = begin < at ? 'overlaps another one' : 'leaves a gap before it';
      throw bad(file, `the tensor ${what}`, {
        field: `tensor '${name.slice(0, 100)}'`,
        found: `begin ${begin - dataStart}`,
        expected: at - dataStart,
      });
    }
    at = end;
  }
  if (at !== file.size) throw bad(file, 'bytes behind the last tensor', { found: `${file.size} bytes`, expected: at });
}

async function parseHeader(file: OpenFile): Promise<SafetensorsHeader> {
  if (file.size < 8) throw bad(file, 'too short for a header', { found: `${file.size} bytes`, expected: 'at least 8' });
  const prefix = new Uint8Array(8);
  await readAt(file, 0, prefix);
  const declared = new DataView(prefix.buffer).getBigUint64(0, true);
  const room = Math.min(file.size - 8, MAX_HEADER);
  if (declared > BigInt(room))
    throw bad(file, 'bad header length', { found: `${declared} bytes`, expected: `at most ${room}` });
  const length = Number(declared);
  const bytes = new Uint8Array(length);
  await readAt(file, 8, bytes);
  let text: string;
  let raw: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch (error) {
    throw bad(file, `the header is not JSON (${(error as Error).message.slice(0, 60)})`, {});
  }
  if (!isRecord(raw)) throw bad(file, 'the header is not a JSON object', { found: shorten(raw) });
  const metadata = parseMetadata(file, raw.__metadata__);
  const tensors = new Map<string, TensorEntry>();
  for (const [name, entry] of Object.entries(raw))
    if (name !== '__metadata__') tensors.set(name, parseEntry(file, name, entry, 8 + length));
  // JSON.parse silently keeps the last of several equal keys; count what the text declares
  const written = text.match(/"data_offsets"\s*:/g)?.length ?? 0;
  if (written !== tensors.size + (Object.hasOwn(metadata, 'data_offsets') ? 1 : 0))
    throw bad(file, 'a tensor is declared twice', { found: `${written} entries`, expected: tensors.size });
  checkCoverage(file, tensors, 8 + length);
  return { metadata, tensors };
}

async function readTensor(file: OpenFile, name: string, entry: TensorEntry): Promise<Tensor> {
  const { dtype, shape, begin, end } = entry;
  const buffer = allocate(end - begin, file.path, `tensor '${name}'`);
  await readAt(file, begin, new Uint8Array(buffer));
  if (dtype === 'F16') return { dtype: 'F32', shape, data: float16ToFloat32(new Uint16Array(buffer)) };
  if (dtype === 'BF16') return { dtype: 'F32', shape, data: bfloat16ToFloat32(new Uint16Array(buffer)) };
  return { dtype, shape, data: new ARRAYS[dtype](buffer) };
}

/** Metadata, names, dtypes and shapes without the numbers. Throws a BandliftError for anything inconsistent. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, parseHeader);
}

/** Reads all tensors, or those whose names `wanted` accepts. F16 and BF16 become float32; other types are kept. */
export async function readSafetensors(
  path: string,
  wanted: (name: string) => boolean = () => true,
): Promise<SafetensorsFile> {
  return withFile(path, async (file) => {
    const header = await parseHeader(file);
    const tensors = new Map<string, Tensor>();
    for (const [name, entry] of header.tensors)
      if (wanted(name)) tensors.set(name, await readTensor(file, name, entry));
    return { metadata: header.metadata, tensors };
  });
}

// ---- writing ----

function dtypeOf(data: TypedArray): string {
  const dtype = Object.entries(ARRAYS).find(([, array]) => data instanceof array);
  return dtype![0];
}

/**
 * Writes tensors (row-major, dtype from the array's type) and metadata; atomically, see replaceFile. Larger elements come
 * first, so that every tensor is aligned in the file; else the order is the map's.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: TypedArray }>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  // entries, not an object being filled: a tensor may be called '__proto__'
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let at = 0;
  for (const [name, { shape, data }] of ordered) {
    const count = shape.reduce((product, n) => product * n, 1);
    if (name === '__metadata__' || count !== data.length)
      throw new RangeError(`tensor '${name}': ${data.length} numbers for the shape [${shape}]`);
    entries.push([name, { dtype: dtypeOf(data), shape, data_offsets: [at, at + data.byteLength] }]);
    at += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  await replaceFile(path, head.length + at, async (handle) => {
    await writeAll(handle, head);
    for (const [, { data }] of ordered)
      await writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}
