/**
 * The HDF5 library (WebAssembly, one instance per thread). It reads files on disk as needed, never whole. Its heap ends at
 * 2 GiB and does not shrink, so data passes through one block of bounded size that is kept.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import h5wasm, { type File as Hdf5File } from 'h5wasm/node';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError } from '../base/files.js';

type Library = Awaited<typeof h5wasm.ready>;
export type StoredNumbers =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

const SIGNATURE = Buffer.from('894844460d0a1a0a', 'hex');
/** Largest piece that is read at once, bytes as stored. */
export const SLAB_BYTES = 128 * 2 ** 20;

let library: Library | undefined;
const block = { pointer: 0, bytes: 0 };

async function load(): Promise<void> {
  if (library) return;
  library = await h5wasm.ready;
  // without it a missing file or a broken chunk only writes to the console
  library.activate_throwing_error_handler();
  zeroMemory(library);
}

/**
 * Makes h5wasm's blocks begin as zeros. Where text of variable length cannot be read (a damaged file), h5wasm gives back the
 * strings whose addresses it finds in the block all the same: whatever lay there ended the library for the whole thread.
 */
function zeroMemory(module: Library): void {
  const allocate = module._malloc;
  module._malloc = (bytes) => {
    const pointer = allocate(bytes);
    if (pointer) module.HEAPU8.fill(0, pointer, pointer + bytes);
    return pointer;
  };
}

/** The innermost message of the library's stack of errors ("#006: file line 577 in function(): message"), or the first line. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const innermost = [...text.matchAll(/^ *#\d+: .*?\(\): (.*)$/gm)].at(-1)?.[1];
  return (innermost ?? text.trim().split('\n')[0]!).trim().slice(0, 160);
}

/** Size of the file in bytes. An HDF5 file has its signature at 0, 512, 1024, 2048, ... */
function checkSignature(path: string): number {
  try {
    const info = statSync(path);
    // before opening: a named pipe would block
    if (!info.isFile()) throw new BandliftError('is not a regular file', { file: path, hint: 'give an HDF5 file' });
    const handle = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(8);
      for (let at = 0; at + 8 <= info.size && at <= 2 ** 20; at = at === 0 ? 512 : at * 2) {
        readSync(handle, bytes, 0, 8, at);
        if (bytes.equals(SIGNATURE)) return info.size;
      }
    } finally {
      closeSync(handle);
    }
    const hint = info.size === 0 ? 'the file is empty' : 'the file does not begin like HDF5; is it the right one?';
    throw new BandliftError('not an HDF5 file', { file: path, hint });
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Opens a file for reading; with its size in bytes. */
export async function openHdf5(path: string): Promise<{ file: Hdf5File; bytes: number }> {
  const bytes = checkSignature(path);
  await load();
  try {
    return { file: new h5wasm.File(path, 'r'), bytes };
  } catch (error) {
    throw new BandliftError(`cannot be read as HDF5: ${reason(error)}`, {
      file: path,
      hint: 'it is damaged or incomplete; copy or make it again',
    });
  }
}

/** Closes a file that was only read: where the library fails in it (a damaged file), nothing is lost. */
export function closeHdf5(file: Hdf5File): void {
  try {
    file.close();
  } catch {
    // the file stays open until the process ends
  }
}

function reserve(bytes: number, path: string): number {
  if (block.bytes >= bytes) return block.pointer;
  if (block.pointer) library!._free(block.pointer);
  block.pointer = 0;
  block.bytes = 0;
  const pointer = library!._malloc(bytes);
  if (!pointer)
    throw new BandliftError('no memory to read', { file: path, expected: `${bytes} bytes` }, EXIT.outOfMemory);
  block.pointer = pointer;
  block.bytes = bytes;
  return pointer;
}

export interface NumberType {
  readonly float: boolean;
  readonly signed: boolean;
  /** Bytes. */
  readonly size: number;
}

/**
 * Reads a box of a dataset of numbers. The result is a view into the library's memory and holds only until the next call.
 * The library turns big-endian numbers; nothing else is converted.
 *
 * @param what is being read, for messages; the patch that the box begins with unless given
 */
export function readBox(
  file: Hdf5File,
  path: string,
  name: string,
  type: NumberType,
  offset: readonly number[],
  count: readonly number[],
  what = `patch ${offset[0]}`,
): StoredNumbers {
  const length = count.reduce((a, b) => a * b, 1);
  const pointer = reserve(length * type.size, path);
  let status: number;
  try {
    status = library!.get_dataset_data(
      file.file_id,
      `/${name}`,
      count.map(BigInt),
      offset.map(BigInt),
      count.map(() => 1n),
      BigInt(pointer),
    );
  } catch (error) {
    throw damaged(path, name, what, reason(error));
  }
  if (status < 0) throw damaged(path, name, what, 'the library cannot read it');
  // made anew for every call: the heap's buffer changes when it grows
  const { buffer } = library!.HEAPU8;
  if (type.float)
    return type.size === 4 ? new Float32Array(buffer, pointer, length) : new Float64Array(buffer, pointer, length);
  if (type.size === 1)
    return type.signed ? new Int8Array(buffer, pointer, length) : new Uint8Array(buffer, pointer, length);
  if (type.size === 4)
    return type.signed ? new Int32Array(buffer, pointer, length) : new Uint32Array(buffer, pointer, length);
  return type.signed ? new Int16Array(buffer, pointer, length) : new Uint16Array(buffer, pointer, length);
}

function damaged(path: string, name: string, what: string, why: string): BandliftError {
  return new BandliftError(`${what} cannot be read: ${why}`, {
    file: path,
    field: name,
    hint: 'the file is damaged or incomplete; copy or make it again',
  });
}
