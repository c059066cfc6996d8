/**
 * The flat program that TypeScript hands to the native side: what to run, on which bytes, in which order.
 * Nothing in it knows about training; native/program validates every reference before the first run.
 */

/** A view into one buffer. Offset in bytes; element (n,y,x,k) at ((n*h+y)*w+x)*pitch+k. Mirrors native/core/tensor.h. */
export interface TensorRef {
  /** Index into the list of buffers given to `compile`. By convention 0 is the arena. */
  readonly buffer: number;
  readonly offset: number;
  readonly dtype: 'f32' | 'f64' | 'f16' | 'bf16';
  readonly shape: readonly [number, number, number, number];
  readonly pitch: number;
}

/**
 * One call of a Backend method. `tensors` are its Tensor operands in the order of native/backend.h (null where an
 * optional operand is absent); `params` its scalar parameters in the order of the params struct:
 * conv2d_*: [kh, kw, activation, shuffle, exact]; activation_*: [kind]; fill: [value]; gather_patches: [column];
 * neighbourhood_bounds: [radius, margin]; spectral_loss: [l1, l2, sam, gradient]; count_values: [settled, bits]; adam: [beta1, beta2, epsilon]; all others: [].
 */
export interface Instruction {
  readonly op: Opcode;
  readonly tensors: readonly (TensorRef | null)[];
  readonly params: readonly number[];
  /** The graph node this came from: named in errors. */
  readonly label: string;
}

/** The instructions of native/backend.h, by name. A test compares this list with the addon's. */
export const OPCODES = [
  'convert',
  'gather_patches',
  'conv2d_forward',
  'conv2d_backward_data',
  'conv2d_backward_weights',
  'activation_forward',
  'activation_backward',
  'add',
  'fill',
  'global_mean_forward',
  'global_mean_backward',
  'gate_forward',
  'gate_backward_gate',
  'gate_backward_input',
  'softmax_mixing_forward',
  'softmax_mixing_backward',
  'quadratic_features_forward',
  'quadratic_features_backward',
  'resample',
  'neighbourhood_bounds',
  'clamp_forward',
  'clamp_backward',
  'count_clamped',
  'spectral_loss',
  'spectral_metrics',
  'normal_equations',
  'count_values',
  'grad_norm',
  'adam',
] as const;

export type Opcode = (typeof OPCODES)[number];

export interface ProgramDescription {
  readonly instructions: readonly Instruction[];
  /** Filled from the typed arrays given to `run`, in this order, before the first instruction. */
  readonly inputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
  /** Copied to the typed arrays given to `run`, in this order, after the last instruction. */
  readonly outputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
}
