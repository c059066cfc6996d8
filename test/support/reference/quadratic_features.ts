import { type Kernel, type Kernels, zeros } from '../reference_arrays.js';

const quadraticForward: Kernel = ([x], _a, [ys]) => {
  const y = zeros(ys!);
  const c = x!.shape[3];
  for (let p = 0; p < x!.data.length / c; p++) {
    const v = x!.data.subarray(p * c, (p + 1) * c);
    const row = [...v];
    for (let i = 0; i < c; i++) for (let j = i; j < c; j++) row.push(v[i]! * v[j]!);
    y.set(row, p * ys![3]);
  }
  return [y];
};

const quadraticBackward: Kernel = ([dy, x]) => {
  const dx = zeros(x!.shape);
  const c = x!.shape[3];
  const f = dy!.shape[3];
  for (let p = 0; p < dx.length / c; p++) {
    let k = c;
    for (let i = 0; i < c; i++) {
      dx[p * c + i]! += dy!.data[p * f + i]!;
      for (let j = i; j < c; j++) {
        const d = dy!.data[p * f + k++]!;
        dx[p * c + i]! += d * x!.data[p * c + j]!;
        dx[p * c + j]! += d * x!.data[p * c + i]!;
      }
    }
  }
  return [dx];
};

export const kernels: Kernels = {
  quadratic_features_forward: quadraticForward,
  quadratic_features_backward: quadraticBackward,
};
