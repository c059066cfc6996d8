/** What a pickle of tensors may hold, as inert values. */

/** A name from a Python module; only ever compared. */
export class Global {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
  toString(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An entry `data/<key>` of the archive: `count` elements of `type` ('Float', 'Long', ...). */
export class StorageRef {
  readonly type: string;
  readonly key: string;
  readonly count: number;
  constructor(type: string, key: string, count: number) {
    this.type = type;
    this.key = key;
    this.count = count;
  }
}

/** A tensor as a view of a storage; offset and strides in elements. */
export class TensorRef {
  readonly storage: StorageRef;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(storage: StorageRef, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Tuples and lists are arrays, dicts are maps. */
export type PickleValue =
  | number
  | string
  | boolean
  | null
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Global
  | StorageRef
  | TensorRef;

const TYPES = ['Float', 'Double', 'Half', 'BFloat16', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Bool'];
const STORAGES = new Map(TYPES.map((type) => [`torch.${type}Storage`, type]));

/** Every name a pickle may hold. Sizes, devices and types lie beside the weights in many checkpoints; they are not used. */
const DTYPES = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];
export const ALLOWED: ReadonlySet<string> = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  'torch.Size',
  'torch.device',
  ...DTYPES.map((name) => `torch.${name}`),
  ...STORAGES.keys(),
]);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);

/**
 * ('storage', torch.FloatStorage, key, device, number of elements), before PyTorch 1.6 with None after it (a view of another
 * storage otherwise); undefined for anything else.
 */
export function asStorage(id: PickleValue): StorageRef | undefined {
  const [kind, global, key, , count, view = null] = Array.isArray(id) ? id : [];
  const type = global instanceof Global ? STORAGES.get(String(global)) : undefined;
  if (kind !== 'storage' || type === undefined || typeof key !== 'string' || !isCount(count)) return undefined;
  if (view !== null) return undefined;
  return new StorageRef(type, key, count);
}

/** _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks); undefined for anything else. */
export function asTensor(args: readonly PickleValue[]): TensorRef | undefined {
  const [storage, offset, shape, strides] = args;
  const known = storage instanceof StorageRef && isCount(offset) && isCounts(shape) && isCounts(strides);
  // copies: the pickle could go on changing its lists
  return known && shape.length === strides.length
    ? new TensorRef(storage, offset, [...shape], [...strides])
    : undefined;
}
