import { type Kernels, zeros } from '../reference_arrays.js';

export const kernels: Kernels = {
  fill: (_x, { value }, [s]) => [zeros(s!).fill(value as number)],
};
