import type { Kernels } from '../reference_arrays.js';

export const kernels: Kernels = {
  convert: ([x]) => [x!.data],
};
