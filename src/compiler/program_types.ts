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
 * One call of a Backend method. `tensors` are its operands and `params` its scalar parameters, both in the order of its line
 * in native/ops/<op>/<op>.h; an operand is null where it is optional and absent. test/bindings/instructions.test.ts holds
 * src/graph/ops against those lines.
 */
export interface Instruction {
  /** Name of the method. */
  readonly op: string;
  readonly tensors: readonly (TensorRef | null)[];
  readonly params: readonly number[];
  /** The graph node this came from: named in errors. */
  readonly label: string;
}

export interface ProgramDescription {
  readonly instructions: readonly Instruction[];
  /** Filled from the typed arrays given to `run`, in this order, before the first instruction. */
  readonly inputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
  /** Copied to the typed arrays given to `run`, in this order, after the last instruction. */
  readonly outputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
}
