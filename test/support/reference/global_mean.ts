import { at, each, type Kernel, type Kernels, zeros } from '../reference_arrays.js';

const meanForward: Kernel = ([x], _a, [ys]) => {
  const y = zeros(ys!);
  each(x!.shape, (n, _y, _x, c, i) => {
    y[at(ys!, n, 0, 0, c)]! += x!.data[i]! / (x!.shape[1] * x!.shape[2]);
  });
  return [y];
};

const meanBackward: Kernel = ([dy], _a, [xs]) => {
  const dx = zeros(xs!);
  each(xs!, (n, _y, _x, c, i) => {
    dx[i] = dy!.data[at(dy!.shape, n, 0, 0, c)]! / (xs![1] * xs![2]);
  });
  return [dx];
};

export const kernels: Kernels = {
  global_mean_forward: meanForward,
  global_mean_backward: meanBackward,
};
