/**
 * The format of torch.save before PyTorch 1.6: pickles one after another (a magic number, the version 1001, facts about the
 * machine, the object, the keys of its storages), then for each key the number of elements (int64) and the elements.
 * Source: torch/serialization.py, _legacy_save. Nothing is executed (unpickle.ts).
 */
import { BandliftError } from '../base/errors.js';
import { allocate, type OpenFile, readAt } from '../base/files.js';
import { type PickleValue, StorageRef, TensorRef } from './pickle_values.js';
import { STORAGES } from './torch_storages.js';
import { Unpickler } from './unpickle.js';

/** 0x1950a86a20f9469cfc6c as a double, which is how the pickle's integers are read. */
const MAGIC = Number(0x1950a86a20f9469cfc6cn);
const VERSION = 1001;
/** The pickles stand at the beginning of the file and are read from at most so many bytes. */
const MAX_PICKLES = 64 << 20;

export interface LegacyFile {
  readonly root: PickleValue;
  readonly storages: {
    size(key: string): number | undefined;
    read(key: string): Promise<Uint8Array<ArrayBuffer>>;
  };
}

/** Reads the pickles and finds the storages. Throws a BandliftError for anything that is not as torch.save wrote it. */
export async function readLegacy(file: OpenFile): Promise<LegacyFile> {
  const bad = (message: string, found?: string | number) =>
    new BandliftError(message, { file: file.path, ...(found === undefined ? {} : { found }) });
  const head = new Uint8Array(allocate(Math.min(file.size, MAX_PICKLES), file.path, 'the pickles'));
  await readAt(file, 0, head);
  const pickles = new Unpickler(head, file.path);
  if (pickles.load() !== MAGIC) throw bad('is a pickle, but not a file of torch.save');
  const version = pickles.load();
  if (version !== VERSION) throw bad('an unknown version of the format before PyTorch 1.6', String(version));
  const machine = pickles.load();
  if (machine instanceof Map && machine.get('little_endian') === false)
    throw bad('numbers in another byte order', 'big endian');
  const root = pickles.load();
  const keys = pickles.load();
  if (!Array.isArray(keys)) throw bad('the list of storages is missing');
  return { root, storages: await findStorages(file, pickles.position, keys, elementSizes(root)) };
}

/** Bytes of an element of each storage that the object speaks of. */
function elementSizes(root: PickleValue): Map<string, number> {
  const sizes = new Map<string, number>();
  const seen = new Set<PickleValue>();
  const waiting: PickleValue[] = [root];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof TensorRef) waiting.push(value.storage);
    else if (value instanceof StorageRef) sizes.set(value.key, STORAGES[value.type]!.size);
    else if (Array.isArray(value)) for (const item of value) waiting.push(item);
    else if (value instanceof Map) for (const [key, item] of value) waiting.push(key, item);
  }
  return sizes;
}

async function findStorages(
  file: OpenFile,
  start: number,
  keys: readonly PickleValue[],
  sizes: ReadonlyMap<string, number>,
): Promise<LegacyFile['storages']> {
  const places = new Map<string, { at: number; bytes: number }>();
  let at = start;
  for (const key of keys) {
    const size = typeof key === 'string' ? sizes.get(key) : undefined;
    const damaged = (found: string) =>
      new BandliftError('the file is damaged: a storage does not lie in it', {
        file: file.path,
        field: `storage ${String(key).slice(0, 40)}`,
        found,
        hint: 'copy or save it again',
      });
    if (size === undefined) throw damaged('a storage of no tensor');
    const count = new Uint8Array(8);
    if (at + 8 > file.size) throw damaged('the end of the file');
    await readAt(file, at, count);
    const bytes = Number(new DataView(count.buffer).getBigInt64(0, true)) * size;
    if (!(bytes >= 0 && at + 8 + bytes <= file.size)) throw damaged(`${bytes} bytes in a file of ${file.size}`);
    places.set(key as string, { at: at + 8, bytes });
    at += 8 + bytes;
  }
  return {
    size: (key) => places.get(key)?.bytes,
    async read(key) {
      const place = places.get(key)!;
      const bytes = new Uint8Array(allocate(place.bytes, file.path, `storage ${key}`));
      await readAt(file, place.at, bytes);
      return bytes;
    },
  };
}
