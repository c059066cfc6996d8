/**
 * A NativeDevice over the float64 reference: runs lowered programs on simulated memory, so that the memory plan, the
 * lowering and the Session can be tested without the addon. One float64 stands in each 2-byte slot of a buffer; a wider
 * element takes several slots and is kept in the first. Everything starts as NaN in `poison` mode, so that reading what
 * nothing wrote shows.
 */
import type { DeviceInfo, MemoryInfo, NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import type { Instruction, ProgramDescription, TensorRef } from '../../src/compiler/program_types.js';
import type { Attribute } from '../../src/graph/ir.js';
import { OPERATORS, operandsOf } from './operators.js';
import { kernelOf } from './reference.js';
import type { Array4 } from './reference_arrays.js';

/** Bytes of one slot: each holds a float64, whatever type of number begins there. */
const SLOT = 2;
const SLOTS: Readonly<Record<TensorRef['dtype'], number>> = { f16: 1, bf16: 1, f32: 2, f64: 4 };

class SimulatedBuffer implements NativeBuffer {
  readonly bytes: number;
  readonly slots: Float64Array;
  constructor(bytes: number, poison: boolean) {
    this.bytes = bytes;
    this.slots = new Float64Array(bytes / SLOT).fill(poison ? Number.NaN : 0);
  }
  write(source: Float32Array | Float64Array | Uint8Array, byteOffset = 0): void {
    const step = source.BYTES_PER_ELEMENT / SLOT;
    for (let i = 0; i < source.length; i++) this.slots[byteOffset / SLOT + i * step] = source[i]!;
  }
  async writeAsync(source: Float32Array | Float64Array | Uint8Array, byteOffset = 0): Promise<void> {
    await Promise.resolve();
    this.write(source, byteOffset);
  }
  read(target: Float32Array | Float64Array | Uint8Array, byteOffset = 0): void {
    const step = target.BYTES_PER_ELEMENT / SLOT;
    for (let i = 0; i < target.length; i++) target[i] = this.slots[byteOffset / SLOT + i * step]!;
  }
  async readAsync(target: Float32Array | Float64Array | Uint8Array, byteOffset = 0): Promise<void> {
    await Promise.resolve();
    this.read(target, byteOffset);
  }
  dispose(): void {}
}

/** Slot of the i-th number in dense order. */
function slotOf({ offset, dtype, shape, pitch }: TensorRef, i: number): number {
  const c = shape[3];
  return offset / SLOT + (Math.floor(i / c) * pitch + (i % c)) * SLOTS[dtype];
}

function load(ref: TensorRef, buffers: readonly SimulatedBuffer[]): Array4 {
  const data = new Float64Array(ref.shape.reduce((p, s) => p * s, 1));
  const { slots } = buffers[ref.buffer]!;
  for (let i = 0; i < data.length; i++) data[i] = slots[slotOf(ref, i)]!;
  return { shape: ref.shape, data };
}

function store(ref: TensorRef, buffers: readonly SimulatedBuffer[], data: ArrayLike<number>): void {
  const { slots } = buffers[ref.buffer]!;
  const [c, { pitch }] = [ref.shape[3], ref];
  const end = slotOf(ref, 0) + Math.ceil(data.length / c) * pitch * SLOTS[ref.dtype];
  if (end > slots.length) throw new Error('a tensor ends outside of its buffer');
  for (let i = 0; i < data.length; i++) slots[slotOf(ref, i)] = data[i]!;
  // who writes an image writes zeros into its padding
  for (let k = c; k < pitch; k++)
    for (let p = 0; p < data.length / c; p++) slots[ref.offset / SLOT + (p * pitch + k) * SLOTS[ref.dtype]] = 0;
}

function execute(instruction: Instruction, buffers: readonly SimulatedBuffer[]): void {
  const { op, tensors, params } = instruction;
  const definition = OPERATORS.get(op)!;
  const { inputs, outputs, accumulates } = operandsOf(definition);
  const attributes: Record<string, Attribute> = {};
  Object.entries(definition.params ?? {}).forEach(([name, parameter], i) => {
    attributes[name] = parameter.decode(params[i]!);
  });
  const results = tensors.slice(inputs, inputs + outputs);
  if (definition.lossGradient !== undefined && results[1] !== null) Object.assign(attributes, definition.lossGradient);
  const operands = tensors.slice(0, inputs).map((ref) => (ref === null ? null : load(ref, buffers)));
  for (const i of accumulates) operands.push(results[i] == null ? null : load(results[i], buffers));
  const present = results.filter((ref) => ref !== null);
  const values = kernelOf(op)(
    operands,
    attributes,
    present.map((ref) => ref.shape),
  );
  // scratch memory may hold anything afterwards
  const scratch = tensors[inputs + outputs];
  if (scratch !== null && scratch !== undefined)
    store(scratch, buffers, new Float64Array(scratch.shape[3]).fill(Number.NaN));
  present.forEach((ref, i) => {
    store(ref, buffers, values[i]!);
  });
}

export interface ReferenceDeviceOptions {
  /** Arenas start as NaN. */
  readonly poison?: boolean;
  /** Scratch bytes that every instruction with a workspace asks for. */
  readonly scratch?: number;
  /** Pixels are padded to this many bytes, as CUDA's are; default 1. */
  readonly rowBytes?: number;
}

export class ReferenceDevice implements NativeDevice {
  readonly #options: ReferenceDeviceOptions;
  allocated = 0;
  constructor(options: ReferenceDeviceOptions = {}) {
    this.#options = options;
  }
  info(): DeviceInfo {
    const { rowBytes = 1 } = this.#options;
    const name = 'float64 reference';
    return { kind: 'cpu', name, threads: 1, isa: 'baseline', rowBytes, memoryBytes: 0, convolutions: '' };
  }
  memory(): MemoryInfo {
    return { buffers: 0, bytes: this.allocated, peakBytes: this.allocated };
  }
  allocate(bytes: number): NativeBuffer {
    this.allocated += bytes;
    return new SimulatedBuffer(bytes, this.#options.poison === true);
  }
  workspaceBytes(): number {
    return this.#options.scratch ?? 0;
  }
  compile(description: ProgramDescription, buffers: readonly NativeBuffer[]): NativeProgram {
    const memory = buffers as readonly SimulatedBuffer[];
    let aborts = 0;
    return {
      async run(inputs, outputs) {
        const asked = aborts;
        description.inputs.forEach(({ tensor }, i) => {
          store(tensor, memory, inputs[i]!);
        });
        for (const instruction of description.instructions) {
          await Promise.resolve();
          if (aborts !== asked) throw Object.assign(new Error('the run was aborted'), { code: 'ERR_ABORTED' });
          execute(instruction, memory);
        }
        description.outputs.forEach(({ tensor }, i) => {
          outputs[i]!.set(load(tensor, memory).data);
        });
      },
      abort() {
        aborts++;
      },
      profile: () => [],
      unrecorded: () => '',
      dispose() {},
    };
  }
  dispose(): void {}
}
