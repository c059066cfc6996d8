import type { Kernels } from '../reference_arrays.js';

export const activate: Record<string, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => (x > 30 ? x : Math.log1p(Math.exp(x))),
};

/** Derivative from the output. */
const slope: Record<string, (y: number) => number> = {
  none: () => 1,
  relu: (y) => (y > 0 ? 1 : 0),
  sigmoid: (y) => y * (1 - y),
  softplus: (y) => -Math.expm1(-y),
};

export const kernels: Kernels = {
  activation_forward: ([x], { kind }) => [x!.data.map(activate[kind as string]!)],
  activation_backward: ([y, dy], { kind }) => [dy!.data.map((d, i) => d * slope[kind as string]!(y!.data[i]!))],
};
