/**
 * Weights from files of PyTorch's torch.save (.pth, .pt): a ZIP archive with `<name>/data.pkl`, a pickle that describes
 * tensors, and their numbers in `<name>/data/<key>`. Nothing in the file is executed (unpickle.ts).
 */
import { BandliftError } from '../errors.js';
import { allocate, type OpenFile, readAt, withFile } from './files.js';
import { bfloat16ToFloat32, float16ToFloat32 } from './half.js';
import { type PickleValue, TensorRef } from './pickle_values.js';
import type { Tensor, TypedArray } from './safetensors.js';
import { Unpickler } from './unpickle.js';
import { ZipReader } from './zip.js';

/** Storage type -> dtype, and bytes to numbers. */
const STORAGES: Record<string, { dtype: string; size: number; view: (bytes: ArrayBuffer) => TypedArray }> = {
  Double: { dtype: 'F64', size: 8, view: (b) => new Float64Array(b) },
  Float: { dtype: 'F32', size: 4, view: (b) => new Float32Array(b) },
  Half: { dtype: 'F32', size: 2, view: (b) => float16ToFloat32(new Uint16Array(b)) },
  BFloat16: { dtype: 'F32', size: 2, view: (b) => bfloat16ToFloat32(new Uint16Array(b)) },
  Long: { dtype: 'I64', size: 8, view: (b) => new BigInt64Array(b) },
  Int: { dtype: 'I32', size: 4, view: (b) => new Int32Array(b) },
  Short: { dtype: 'I16', size: 2, view: (b) => new Int16Array(b) },
  Char: { dtype: 'I8', size: 1, view: (b) => new Int8Array(b) },
  Byte: { dtype: 'U8', size: 1, view: (b) => new Uint8Array(b) },
  Bool: { dtype: 'BOOL', size: 1, view: (b) => new Uint8Array(b) },
};

/** Keys under which training scripts keep the weights, in the order in which they are looked for. */
const STATE_KEYS = ['model_state_dict', 'state_dict', 'model'];
const MAX_PICKLE = 64 << 20;
/** Tensors may share storages (tied weights), but not so that they get this much larger than the storages. */
const MAX_SHARING = 8;

export interface TorchState {
  /** By the names of the state dict, in its order. */
  readonly tensors: Map<string, Tensor>;
  /** Where in the file they were: 'model_state_dict', ... or '' for the file itself. */
  readonly key: string;
  /** Names of the tensors that were stored as float16, bfloat16. */
  readonly halves: readonly string[];
}

/** Reads the state dict of a .pth file: {model_state_dict, ...}, {state_dict, ...}, {model, ...} or the dict itself. */
export async function readTorchState(path: string): Promise<TorchState> {
  return withFile(path, async (file) => {
    await checkKind(file);
    const zip = await ZipReader.open(file);
    const prefix = findPrefix(zip, path);
    const pickleSize = zip.size(`${prefix}data.pkl`) ?? 0;
    if (pickleSize > MAX_PICKLE)
      throw bad(path, 'the pickle is too large', { found: `${pickleSize} bytes`, expected: `at most ${MAX_PICKLE}` });
    const root = new Unpickler(await zip.read(`${prefix}data.pkl`), path).load();
    const { refs, key } = findState(root, path);
    return { ...(await readTensors(file, zip, `${prefix}data/`, refs)), key };
  });
}

function bad(
  path: string,
  message: string,
  detail: { field?: string; found?: string; expected?: string; hint?: string } = {},
): BandliftError {
  return new BandliftError(message, { file: path, ...detail });
}

/** Says what a file that is no ZIP archive is instead. */
async function checkKind(file: OpenFile): Promise<void> {
  const head = new Uint8Array(Math.min(4, file.size));
  await readAt(file, 0, head);
  if (head[0] === 0x50 && head[1] === 0x4b) return;
  if (head[0] === 0x80)
    throw bad(file.path, 'the format of PyTorch before 1.6, which is not read', {
      hint: 'in PyTorch: torch.save(torch.load(FILE, map_location="cpu"), NEW) writes the present format',
    });
  throw bad(file.path, 'no file of torch.save', {
    hint: 'give a .pth or .pt file of PyTorch 1.6 or newer, or .safetensors',
  });
}

/** The folder inside the archive, 'name/'. */
function findPrefix(zip: ZipReader, path: string): string {
  const names = zip.names();
  if (names.some((name) => name.endsWith('/constants.pkl')))
    throw bad(path, 'a TorchScript program, not weights', {
      hint: 'in PyTorch: torch.save(torch.jit.load(FILE).state_dict(), NEW)',
    });
  const pickle = names.find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickle === undefined) throw bad(path, 'the archive has no data.pkl: no file of torch.save');
  return pickle.slice(0, -'data.pkl'.length);
}

function findState(root: PickleValue, path: string): { refs: Map<string, TensorRef>; key: string } {
  const keys = root instanceof Map ? STATE_KEYS.filter((key) => root.get(key) instanceof Map) : [];
  const key = keys[0] ?? '';
  const state = key === '' ? root : (root as Map<PickleValue, PickleValue>).get(key)!;
  const field = key === '' ? undefined : key;
  if (!(state instanceof Map) || state.size === 0)
    throw bad(path, 'no state dict found', {
      expected: `names with tensors, or ${STATE_KEYS.join(', ')}`,
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
  return { refs, key };
}

async function readTensors(
  file: OpenFile,
  zip: ZipReader,
  folder: string,
  refs: Map<string, TensorRef>,
): Promise<Omit<TorchState, 'key'>> {
  await checkByteOrder(file, zip, folder.replace(/data\/$/, 'byteorder'));
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
      const stored = zip.size(folder + key);
      if (stored !== count * size)
        throw bad(file.path, 'the storage has a wrong size', {
          field: name,
          found: `${stored ?? 'no'} bytes`,
          expected: `${count * size}`,
        });
      storages.set(id, view((await zip.read(folder + key)).buffer));
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
