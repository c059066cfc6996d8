/**
 * Weights from files of PyTorch's torch.save (.pth, .pt): a ZIP archive with `<name>/data.pkl`, a pickle that describes
 * tensors, and their numbers in `<name>/data/<key>`; before PyTorch 1.6 another format (torch_legacy.ts). Nothing in the file
 * is executed (unpickle.ts).
 */
import { BandliftError } from '../base/errors.js';
import { allocate, type OpenFile, readAt, withFile } from '../base/files.js';
import { type PickleValue, TensorRef } from './pickle_values.js';
import type { Tensor, TypedArray } from './safetensors.js';
import { readLegacy } from './torch_legacy.js';
import { STORAGES } from './torch_storages.js';
import { Unpickler } from './unpickle.js';
import { ZipReader } from './zip.js';

/**
 * Keys under which training scripts keep the weights, in the order in which they are looked for: averaged weights first, which
 * those who keep them also validate with.
 */
const STATE_KEYS = [
  ...[
    'params_ema',
    'model_ema',
    'state_dict_ema',
    'ema_state_dict',
    'ema',
    'model_state_dict',
    'state_dict',
    'model',
    'net',
    'network',
  ],
  ...['generator', 'params', 'weights', 'module'],
];
const MAX_PICKLE = 64 << 20;
/** Tensors may share storages (tied weights), but not so that they get this much larger than the storages. */
const MAX_SHARING = 8;

export interface TorchState {
  /** By the names of the state dict, in its order. */
  readonly tensors: Map<string, Tensor>;
  /** Where in the file they were: 'model_state_dict', ... or '' for the file itself. */
  readonly key: string;
  /** Other keys of the file that hold state dicts as well. */
  readonly others: readonly string[];
  /** Names of the tensors that were stored as float16, bfloat16. */
  readonly halves: readonly string[];
}

/** Where numbers lie: bytes of a storage, and the byte order where the file tells. */
interface Archive {
  size(key: string): number | undefined;
  read(key: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** Reads the state dict of a .pth file: under one of the usual keys (STATE_KEYS), or the dict itself. */
export async function readTorchState(path: string): Promise<TorchState> {
  return withFile(path, async (file) => {
    if ((await kindOf(file)) === 'legacy') {
      const { root, storages } = await readLegacy(file);
      const { refs, ...where } = findState(root, path);
      return { ...(await readTensors(file, storages, refs)), ...where };
    }
    const zip = await ZipReader.open(file);
    const prefix = findPrefix(zip, path);
    const pickleSize = zip.size(`${prefix}data.pkl`) ?? 0;
    if (pickleSize > MAX_PICKLE)
      throw bad(path, 'the pickle is too large', { found: `${pickleSize} bytes`, expected: `at most ${MAX_PICKLE}` });
    const root = new Unpickler(await zip.read(`${prefix}data.pkl`), path).load();
    const { refs, ...where } = findState(root, path);
    await checkByteOrder(file, zip, `${prefix}byteorder`);
    const archive = {
      size: (key: string) => zip.size(`${prefix}data/${key}`),
      read: (key: string) => zip.read(`${prefix}data/${key}`),
    };
    return { ...(await readTensors(file, archive, refs)), ...where };
  });
}

function bad(
  path: string,
  message: string,
  detail: { field?: string; found?: string; expected?: string; hint?: string } = {},
): BandliftError {
  return new BandliftError(message, { file: path, ...detail });
}

/** A ZIP archive, or the format before it. Throws for anything else. */
async function kindOf(file: OpenFile): Promise<'zip' | 'legacy'> {
  const head = new Uint8Array(Math.min(4, file.size));
  await readAt(file, 0, head);
  if (head[0] === 0x50 && head[1] === 0x4b) return 'zip';
  if (head[0] === 0x80) return 'legacy';
  throw bad(file.path, 'is not a file of torch.save', { hint: 'give a .pth or .pt file of PyTorch, or .safetensors' });
}

/** The folder inside the archive, 'name/'. */
function findPrefix(zip: ZipReader, path: string): string {
  const names = zip.names();
  if (names.some((name) => name.endsWith('/constants.pkl')))
    throw bad(path, 'a TorchScript program, not weights', {
      hint: 'in PyTorch: torch.save(torch.jit.load(FILE).state_dict(), NEW)',
    });
  const pickle = names.find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickle === undefined) throw bad(path, 'the archive has no data.pkl: it was not written by torch.save');
  return pickle.slice(0, -'data.pkl'.length);
}

const holdsTensors = (value: PickleValue | undefined): value is Map<PickleValue, PickleValue> =>
  value instanceof Map && value.size > 0 && [...value.values()].some((v) => v instanceof TensorRef);

/** The state dict under a key, or one level below it ({ema: {state_dict: ...}}); with the keys that lead to it. */
function stateUnder(root: Map<PickleValue, PickleValue>, key: string): [string, Map<PickleValue, PickleValue>][] {
  const value = root.get(key);
  if (holdsTensors(value)) return [[key, value]];
  if (!(value instanceof Map)) return [];
  return STATE_KEYS.flatMap((inner) => {
    const state = value.get(inner);
    return holdsTensors(state) ? [[`${key}.${inner}`, state] as [string, typeof state]] : [];
  });
}

function findState(root: PickleValue, path: string): { refs: Map<string, TensorRef>; key: string; others: string[] } {
  const found = root instanceof Map ? STATE_KEYS.flatMap((key) => stateUnder(root, key)) : [];
  const [key, state] = found[0] ?? ['', root];
  const others = found.slice(1).map(([name]) => name);
  const field = key === '' ? undefined : key;
  if (!holdsTensors(state))
    throw bad(path, 'no state dict found', {
      ...(root instanceof Map && { found: `the keys ${[...root.keys()].slice(0, 8).join(', ').slice(0, 150)}` }),
      expected: `names with tensors, alone or under one of the keys ${STATE_KEYS.join(', ')}`,
      hint: 'torch.save(model.state_dict(), FILE)',
    });
  const refs = new Map<string, TensorRef>();
  for (const [name, value] of state) {
    if (typeof name !== 'string' || !(value instanceof TensorRef))
      throw bad(path, 'not a tensor', {
        field: `${field ? `${field}.` : ''}${String(name).slice(0, 100)}`,
        expected: 'a state dict: names with tensors',
      });
    refs.set(name, value);
  }
  return { refs, key, others };
}

async function readTensors(
  file: OpenFile,
  archive: Archive,
  refs: Map<string, TensorRef>,
): Promise<Omit<TorchState, 'key' | 'others'>> {
  const storages = new Map<string, TypedArray>();
  const tensors = new Map<string, Tensor>();
  const halves: string[] = [];
  let [storageBytes, tensorBytes] = [0, 0];
  for (const [name, ref] of refs) {
    const { type, key, count } = ref.storage;
    const { dtype, size, view } = STORAGES[type]!; // unpickle.ts lets no other types through
    checkView(file, name, ref);
    const id = `${type} ${key}`;
    if (!storages.has(id)) {
      const stored = archive.size(key);
      if (stored !== count * size)
        throw bad(file.path, 'the storage has a wrong size', {
          field: name,
          found: `${stored ?? 'no'} bytes`,
          expected: `${count * size}`,
        });
      storages.set(id, view((await archive.read(key)).buffer));
      storageBytes += stored;
    }
    tensorBytes += size * elementCount(ref.shape);
    if (tensorBytes > MAX_SHARING * storageBytes)
      throw bad(file.path, 'the tensors share their storages too often', { field: name });
    tensors.set(name, { dtype, shape: ref.shape, data: gather(storages.get(id)!, ref, file.path, name) });
    if (type === 'Half' || type === 'BFloat16') halves.push(name);
  }
  return { tensors, halves };
}

async function checkByteOrder(file: OpenFile, zip: ZipReader, name: string): Promise<void> {
  if (zip.size(name) === undefined) return; // before PyTorch 2.1: little endian on every machine that mattered
  const order = new TextDecoder().decode(await zip.read(name));
  if (order !== 'little')
    throw bad(file.path, 'numbers in another byte order', { found: order.slice(0, 20), expected: 'little' });
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** All elements of the view must lie in its storage, and it must not be larger than that (no broadcast views). */
function checkView(file: OpenFile, name: string, { shape, strides, offset, storage }: TensorRef): void {
  const elements = elementCount(shape);
  const last = shape.reduce((index, n, d) => index + (n - 1) * strides[d]!, offset);
  // negated, so that products beyond every number (infinity, NaN) are refused as well
  if (!(elements <= storage.count) || (elements > 0 && !(last < storage.count)))
    throw bad(file.path, 'the tensor reaches beyond its storage', {
      field: name,
      found: `[${shape}] from element ${offset}`,
      expected: `at most ${storage.count} elements`,
    });
}

function isContiguous({ shape, strides }: TensorRef): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return false;
    expected *= shape[d]!;
  }
  return true;
}

/** The view's elements in row-major order. */
function gather(storage: TypedArray, ref: TensorRef, path: string, name: string): TypedArray {
  const { shape, strides, offset } = ref;
  const count = elementCount(shape);
  const buffer = allocate(count * storage.BYTES_PER_ELEMENT, path, `tensor '${name}'`);
  const out = new (storage.constructor as new (buffer: ArrayBuffer) => TypedArray)(buffer) as Float32Array;
  const from = storage as Float32Array; // whatever the type: elements are only moved
  if (isContiguous(ref)) {
    out.set(from.subarray(offset, offset + count));
    return out;
  }
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    out[i] = from[at]!;
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d]!;
      index[d]! += 1;
      if (index[d]! < shape[d]!) break;
      at -= shape[d]! * strides[d]!;
      index[d] = 0;
    }
  }
  return out;
}
