/**
 * What the spatial networks share: sizes of the fine grid, pixel-shuffle doublings, the bicubic baseline that the network
 * only corrects, and back-projection.
 */
import type { Value } from '../graph/ir.js';
import { add } from '../graph/ops/add.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { resample } from '../graph/ops/resample.js';
import { factorOf, fineSize, type SpatialRatio } from '../resample/ratio.js';
import { bicubicTaps, composeTaps, psfTaps, scaleTaps } from '../resample/taps.js';
import { boundedProject } from './bounded_projection.js';
import type { ParameterScope } from './network.js';
import type { SpatialModelSpec } from './spec.js';

/** Doublings by pixel shuffle that reach at least the ratio: 3 (x8) for 7.5. */
export const doublings = (ratio: SpatialRatio): number => Math.max(0, Math.ceil(Math.log2(factorOf(ratio))));

/** conv 3 x 3 features -> 4 features and pixel shuffle 2, with or without ReLU: [n,h,w,f] -> [n,2h,2w,f]. */
export function double(scope: ParameterScope, x: Value, name: string, relu: boolean): Value {
  const features = x.shape[3];
  const { weight, bias } = scope.layer(name, [4 * features, features, 3, 3]);
  return conv2d(scope.builder, x, weight, { bias, shuffle: 2, activation: relu ? 'relu' : 'none' }, name);
}

/** Bicubic interpolation of x by exactly up / down (PyTorch's scale_factor), to the floor of the size. */
export function bicubic(
  scope: ParameterScope,
  x: Value,
  ratio: SpatialRatio,
  residual: Value | null,
  label: string,
): Value {
  const scale = ratio.down / ratio.up;
  const taps = (size: number) => bicubicTaps(size, fineSize(size, ratio), scale);
  return resample(scope.builder, x, taps(x.shape[1]), taps(x.shape[2]), residual, label);
}

/** `detail` (any size) resized to the fine grid of x and added to the bicubic of x; then the spec's back-projections. */
export function overBicubic(scope: ParameterScope, detail: Value | null, x: Value, spec: SpatialModelSpec): Value {
  const ratio: SpatialRatio = spec;
  const baseline = bicubic(scope, x, ratio, null, 'bicubic');
  const [, h, w] = x.shape;
  const size = (from: number, to: number) => bicubicTaps(from, fineSize(to, ratio));
  const output =
    detail === null
      ? baseline
      : resample(scope.builder, detail, size(detail.shape[1], h), size(detail.shape[2], w), baseline, 'resize');
  if (spec.projection === undefined) return backProject(scope, output, x, ratio, spec.backProjections);
  return boundedProject(scope, output, x, ratio, spec.backProjections, spec.projection);
}

/**
 * Back-projection (Irani and Peleg 1991): y += U (x - D y), `count` times, with U bicubic and D what the coarse sensor sees
 * (point spread function of one coarse pixel, area average). It makes the fine image agree with the coarse one.
 *
 * The differences d_k = x - D y_k follow d_(k+1) = d_k - (D U) d_k, all on the coarse grid, so the fine image is degraded
 * once and enlarged once whatever the count:  y_n = y_0 + U (d_0 + ... + d_(n-1)).
 */
export function backProject(scope: ParameterScope, y: Value, x: Value, ratio: SpatialRatio, count: number): Value {
  if (count === 0) return y;
  const { builder } = scope;
  const tables = ([1, 2] as const).map((axis) => {
    const [fine, coarse] = [y.shape[axis], x.shape[axis]];
    const down = psfTaps(fine, coarse, ratio.up / ratio.down);
    return { down, both: composeTaps(down, bicubicTaps(coarse, fine, ratio.down / ratio.up)) };
  });
  const [rows, columns] = tables as [(typeof tables)[0], (typeof tables)[0]];
  const label = (k: number) => `back_projection.${k}`;
  let difference = resample(builder, y, scaleTaps(rows.down, -1), columns.down, x, label(0));
  let sum = difference;
  const back = scaleTaps(rows.both, -1);
  for (let k = 1; k < count; k++) {
    difference = resample(builder, difference, back, columns.both, difference, label(k));
    sum = add(builder, sum, difference, `${label(k)}.sum`);
  }
  return bicubic(scope, sum, ratio, y, 'back_projection');
}
