import type { Kernels } from '../reference_arrays.js';

export const kernels: Kernels = {
  add: ([a, b]) => [a!.data.map((v, i) => v + b!.data[i]!)],
};
