/**
 * What the spatial networks share: sizes of the fine grid, pixel-shuffle doublings, the bicubic baseline that the network
 * only corrects, and back-projection.
 */
import type { Value } from '../graph/ir.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { resample } from '../graph/ops/resample.js';
import { bicubicTaps, psfTaps, scaleTaps } from '../resample/taps.js';
import type { ParameterScope } from './network.js';

export interface Ratio {
  readonly up: number;
  readonly down: number;
}

/** floor(size * up / down): 34 -> 255 at 15 / 2. A size whose product is not whole loses the fraction at its far edge. */
export const fineSize = (size: number, { up, down }: Ratio): number => Math.floor((size * up) / down);

/** Doublings by pixel shuffle that reach at least the ratio: 3 (x8) for 7.5. */
export const doublings = ({ up, down }: Ratio): number => Math.max(0, Math.ceil(Math.log2(up / down)));

/** conv 3 x 3 features -> 4 features and pixel shuffle 2, with or without ReLU: [n,h,w,f] -> [n,2h,2w,f]. */
export function double(scope: ParameterScope, x: Value, name: string, relu: boolean): Value {
  const features = x.shape[3];
  const { weight, bias } = scope.layer(name, [4 * features, features, 3, 3]);
  return conv2d(scope.builder, x, weight, { bias, shuffle: 2, activation: relu ? 'relu' : 'none' }, name);
}

/** Bicubic interpolation of x by exactly up / down (PyTorch's scale_factor), to the floor of the size. */
export function bicubic(scope: ParameterScope, x: Value, ratio: Ratio, residual: Value | null, label: string): Value {
  const scale = ratio.down / ratio.up;
  const taps = (size: number) => bicubicTaps(size, fineSize(size, ratio), scale);
  return resample(scope.builder, x, taps(x.shape[1]), taps(x.shape[2]), residual, label);
}

/** `detail` (any size) resized to the fine grid of x and added to the bicubic of x; then `count` back-projections. */
export function overBicubic(scope: ParameterScope, detail: Value | null, x: Value, ratio: Ratio, count: number): Value {
  const baseline = bicubic(scope, x, ratio, null, 'bicubic');
  const [, h, w] = x.shape;
  const size = (from: number, to: number) => bicubicTaps(from, fineSize(to, ratio));
  const output =
    detail === null
      ? baseline
      : resample(scope.builder, detail, size(detail.shape[1], h), size(detail.shape[2], w), baseline, 'resize');
  return backProject(scope, output, x, ratio, count);
}

/**
 * Back-projection (Irani and Peleg 1991): y += bicubic(x - degrade(y)), `count` times, where degrade is what the coarse sensor
 * sees (point spread function of one coarse pixel, area average). It makes the fine image agree with the coarse one.
 */
export function backProject(scope: ParameterScope, y: Value, x: Value, ratio: Ratio, count: number): Value {
  const factor = ratio.up / ratio.down;
  const degrade = (fine: number, coarse: number) => psfTaps(fine, coarse, factor);
  for (let k = 0; k < count; k++) {
    const rows = scaleTaps(degrade(y.shape[1], x.shape[1]), -1);
    const columns = degrade(y.shape[2], x.shape[2]);
    const difference = resample(scope.builder, y, rows, columns, x, `back_projection.${k}.difference`);
    y = bicubic(scope, difference, ratio, y, `back_projection.${k}`);
  }
  return y;
}
