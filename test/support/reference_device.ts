/**
 * A NativeDevice over the float64 reference: runs lowered programs on simulated memory, so that the memory plan, the
 * lowering and the Session can be tested without the addon. One float64 stands in each 4-byte slot of a buffer; an f64
 * element takes two slots and is kept in the first. Everything starts as NaN in `poison` mode, so that reading what
 * nothing wrote shows.
 */
import type { DeviceInfo, MemoryInfo, NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import type { Instruction, ProgramDescription, TensorRef } from '../../src/compiler/program_types.js';
import { ACTIVATIONS } from '../../src/graph/ops/activation.js';
import { type Array4, KERNELS } from './reference.js';

/** Inputs of each instruction that come first among its operands, and the outputs that are added to. */
const OPERANDS: Record<
  string,
  { inputs: number; outputs: number; accumulates?: readonly number[]; attributes?: readonly string[] }
> = {
  conv2d_forward: { inputs: 4, outputs: 1, attributes: ['kh', 'kw', 'activation', 'shuffle'] },
  conv2d_backward_data: { inputs: 4, outputs: 1, attributes: ['kh', 'kw', 'activation', 'shuffle'] },
  conv2d_backward_weights: {
    inputs: 2,
    outputs: 2,
    accumulates: [0, 1],
    attributes: ['kh', 'kw', 'activation', 'shuffle'],
  },
  activation_forward: { inputs: 1, outputs: 1, attributes: ['kind'] },
  activation_backward: { inputs: 2, outputs: 1, attributes: ['kind'] },
  add: { inputs: 2, outputs: 1 },
  fill: { inputs: 0, outputs: 1, attributes: ['value'] },
  global_mean_forward: { inputs: 1, outputs: 1 },
  global_mean_backward: { inputs: 1, outputs: 1 },
  gate_forward: { inputs: 3, outputs: 1 },
  gate_backward_gate: { inputs: 2, outputs: 1 },
  gate_backward_input: { inputs: 4, outputs: 1 },
  softmax_mixing_forward: { inputs: 2, outputs: 2 },
  softmax_mixing_backward: { inputs: 3, outputs: 2, accumulates: [1] },
  quadratic_features_forward: { inputs: 1, outputs: 1 },
  quadratic_features_backward: { inputs: 2, outputs: 1 },
  resample: { inputs: 4, outputs: 1 },
  spectral_loss: { inputs: 5, outputs: 2, attributes: ['l1', 'l2', 'sam', 'gradient'] },
  spectral_metrics: { inputs: 5, outputs: 1 },
  normal_equations: { inputs: 3, outputs: 2, accumulates: [0, 1] },
  grad_norm: { inputs: 1, outputs: 2, accumulates: [1] },
  adam: { inputs: 2, outputs: 4, accumulates: [0, 1, 2, 3], attributes: ['beta1', 'beta2', 'epsilon'] },
};

class SimulatedBuffer implements NativeBuffer {
  readonly bytes: number;
  readonly slots: Float64Array;
  constructor(bytes: number, poison: boolean) {
    this.bytes = bytes;
    this.slots = new Float64Array(bytes / 4).fill(poison ? Number.NaN : 0);
  }
  write(source: Float32Array | Float64Array | Uint8Array, byteOffset = 0): void {
    const step = source.BYTES_PER_ELEMENT / 4;
    for (let i = 0; i < source.length; i++) this.slots[byteOffset / 4 + i * step] = source[i]!;
  }
  read(target: Float32Array | Float64Array | Uint8Array, byteOffset = 0): void {
    const step = target.BYTES_PER_ELEMENT / 4;
    for (let i = 0; i < target.length; i++) target[i] = this.slots[byteOffset / 4 + i * step]!;
  }
  dispose(): void {}
}

function load(ref: TensorRef, buffers: readonly SimulatedBuffer[]): Array4 {
  const step = ref.dtype === 'f64' ? 2 : 1;
  const data = new Float64Array(ref.shape.reduce((p, s) => p * s, 1));
  const { slots } = buffers[ref.buffer]!;
  for (let i = 0; i < data.length; i++) data[i] = slots[ref.offset / 4 + i * step]!;
  return { shape: ref.shape, data };
}

function store(ref: TensorRef, buffers: readonly SimulatedBuffer[], data: ArrayLike<number>): void {
  const step = ref.dtype === 'f64' ? 2 : 1;
  const { slots } = buffers[ref.buffer]!;
  if (ref.offset / 4 + data.length * step > slots.length) throw new Error('a tensor ends outside of its buffer');
  for (let i = 0; i < data.length; i++) slots[ref.offset / 4 + i * step] = data[i]!;
}

function execute(instruction: Instruction, buffers: readonly SimulatedBuffer[]): void {
  const { op, tensors, params } = instruction;
  const { inputs, outputs, accumulates = [], attributes: names = [] } = OPERANDS[op]!;
  const attributes: Record<string, number | string | boolean> = {};
  names.forEach((name, i) => {
    attributes[name] = name === 'activation' || name === 'kind' ? ACTIVATIONS[params[i]!]! : params[i]!;
  });
  const results = tensors.slice(inputs, inputs + outputs);
  if (op === 'spectral_loss') attributes.withGradient = results[1] !== null;
  const operands = tensors.slice(0, inputs).map((ref) => (ref === null ? null : load(ref, buffers)));
  for (const i of accumulates) operands.push(results[i] == null ? null : load(results[i], buffers));
  const present = results.filter((ref) => ref !== null);
  const values = KERNELS[op]!(
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
}

export class ReferenceDevice implements NativeDevice {
  readonly #options: ReferenceDeviceOptions;
  allocated = 0;
  constructor(options: ReferenceDeviceOptions = {}) {
    this.#options = options;
  }
  info(): DeviceInfo {
    return { kind: 'cpu', name: 'float64 reference', threads: 1, isa: 'baseline', channelMultiple: 1 };
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
    return {
      async run(inputs, outputs) {
        description.inputs.forEach(({ tensor }, i) => {
          store(tensor, memory, inputs[i]!);
        });
        for (const instruction of description.instructions) execute(instruction, memory);
        description.outputs.forEach(({ tensor }, i) => {
          outputs[i]!.set(load(tensor, memory).data);
        });
      },
      abort() {},
      profile: () => [],
      dispose() {},
    };
  }
  dispose(): void {}
}
