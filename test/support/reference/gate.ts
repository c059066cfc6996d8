import { at, each, type Kernel, type Kernels, zeros } from '../reference_arrays.js';

const gateForward: Kernel = ([x, g, residual]) => {
  const y = zeros(x!.shape);
  each(x!.shape, (n, _y, _x, c, i) => {
    y[i] = x!.data[i]! * g!.data[at(g!.shape, n, 0, 0, c)]! + (residual?.data[i] ?? 0);
  });
  return [y];
};

const gateBackwardGate: Kernel = ([dy, x], _a, [gs]) => {
  const dg = zeros(gs!);
  each(dy!.shape, (n, _y, _x, c, i) => {
    dg[at(gs!, n, 0, 0, c)]! += dy!.data[i]! * x!.data[i]!;
  });
  return [dg];
};

const gateBackwardInput: Kernel = ([dy, g, dmean, mask]) => {
  const dx = zeros(dy!.shape);
  const pixels = dy!.shape[1] * dy!.shape[2];
  each(dy!.shape, (n, _y, _x, c, i) => {
    const k = at(g!.shape, n, 0, 0, c);
    const value = dy!.data[i]! * g!.data[k]! + (dmean?.data[k] ?? 0) / pixels;
    dx[i] = mask === null || mask!.data[i]! > 0 ? value : 0;
  });
  return [dx];
};

export const kernels: Kernels = {
  gate_forward: gateForward,
  gate_backward_gate: gateBackwardGate,
  gate_backward_input: gateBackwardInput,
};
