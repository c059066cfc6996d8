import { type Kernel, type Kernels, zeros } from '../reference_arrays.js';

const mixForward: Kernel = ([logits, e], _a, [as, ys]) => {
  const a = zeros(as!);
  const y = zeros(ys!);
  const [n, h, w, K] = as!;
  for (let p = 0; p < n * h * w; p++) {
    const row = logits!.data.subarray(p * K, (p + 1) * K);
    const top = Math.max(...row);
    const exps = Array.from(row, (v) => Math.exp(v - top));
    const sum = exps.reduce((s, v) => s + v, 0);
    for (let k = 0; k < K; k++) {
      a[p * K + k] = exps[k]! / sum;
      for (let c = 0; c < ys![3]; c++) y[p * ys![3] + c]! += a[p * K + k]! * e!.data[k * ys![3] + c]!;
    }
  }
  return [a, y];
};

const mixBackward: Kernel = ([dy, a, e, de0], _attributes, [ls]) => {
  const dl = zeros(ls!);
  const de = Float64Array.from(de0!.data);
  const K = ls![3];
  const C = dy!.shape[3];
  for (let p = 0; p < dl.length / K; p++) {
    const s = new Float64Array(K);
    for (let k = 0; k < K; k++)
      for (let c = 0; c < C; c++) {
        s[k]! += dy!.data[p * C + c]! * e!.data[k * C + c]!;
        de[k * C + c]! += a!.data[p * K + k]! * dy!.data[p * C + c]!;
      }
    const mean = s.reduce((sum, v, k) => sum + v * a!.data[p * K + k]!, 0);
    for (let k = 0; k < K; k++) dl[p * K + k] = a!.data[p * K + k]! * (s[k]! - mean);
  }
  return [dl, de];
};

export const kernels: Kernels = {
  softmax_mixing_forward: mixForward,
  softmax_mixing_backward: mixBackward,
};
