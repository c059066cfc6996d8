import { at, each, type Kernel, type Kernels, zeros } from '../reference_arrays.js';

const neighbourhoodBounds: Kernel = ([x, floor], { radius, margin }) => {
  const [, h, w] = x!.shape;
  const [low, high] = [zeros(x!.shape), zeros(x!.shape)];
  each(x!.shape, (n, i, j, c, k) => {
    const around: number[] = [];
    for (let u = 0; u < h; u++)
      for (let v = 0; v < w; v++)
        if (Math.max(Math.abs(u - i), Math.abs(v - j)) <= Number(radius))
          around.push(x!.data[at(x!.shape, n, u, v, c)]!);
    const [least, most, zero] = [Math.min(...around), Math.max(...around), floor!.data[c]!];
    const spread = Number(margin) * (most - least);
    low[k] = Math.max(least - spread, Math.min(zero, least + Math.abs(zero) / 2 ** 20));
    high[k] = most + spread;
  });
  return [low, high];
};

/** Value and bounds of every element of the fine image. */
function eachClamped(
  [fine, low, high, rows, columns]: Parameters<Kernel>[0],
  visit: (value: number, low: number, high: number, k: number, pixel: number) => void,
): void {
  each(fine!.shape, (n, i, j, c, k) => {
    const cell = at(low!.shape, n, rows!.data[2 * i]!, columns!.data[2 * j]!, c);
    visit(fine!.data[k]!, low!.data[cell]!, high!.data[cell]!, k, Math.floor(k / fine!.shape[3]));
  });
}

const clampReference: Kernel = (operands, _a, [ys]) => {
  const y = zeros(ys!);
  eachClamped(operands, (x, low, high, k) => {
    y[k] = Math.min(Math.max(x, low), high);
  });
  return [y];
};

const clampBackwardReference: Kernel = (operands, _a, [xs]) => {
  const dx = zeros(xs!);
  eachClamped(operands, (y, low, high, k) => {
    dx[k] = y > low && y < high ? operands[5]!.data[k]! : 0;
  });
  return [dx];
};

const countClampedReference: Kernel = (operands, _a, [counts]) => {
  const result = zeros(counts!);
  eachClamped(operands, (y, low, high, _k, pixel) => {
    if ((y <= low || y >= high) && low < high) result[pixel]! += 1;
  });
  return [result];
};

export const kernels: Kernels = {
  neighbourhood_bounds: neighbourhoodBounds,
  clamp_forward: clampReference,
  clamp_backward: clampBackwardReference,
  count_clamped: countClampedReference,
};
