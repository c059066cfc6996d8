import type { Kernel, Kernels } from '../reference_arrays.js';

const normalEquations: Kernel = ([a, y, mask, gram0, cross0]) => {
  const gram = Float64Array.from(gram0!.data);
  const cross = Float64Array.from(cross0!.data);
  const f = a!.shape[3];
  const c = y!.shape[3];
  for (let p = 0; p < a!.data.length / f; p++) {
    if (mask !== null && mask!.data[p] === 0) continue;
    const row = [...a!.data.subarray(p * f, (p + 1) * f), 1];
    for (let i = 0; i <= f; i++) {
      for (let j = 0; j <= f; j++) gram[i * (f + 1) + j]! += row[i]! * row[j]!;
      for (let j = 0; j < c; j++) cross[i * c + j]! += row[i]! * y!.data[p * c + j]!;
    }
  }
  return [gram, cross];
};

export const kernels: Kernels = {
  normal_equations: normalEquations,
};
