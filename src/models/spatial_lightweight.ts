/**
 * spatial_lightweight (docs/specification.md, section 1): a few 3 x 3 convolutions with ReLU on the coarse grid, doublings
 * by pixel shuffle, and a reconstruction added to the bicubic of the input.
 */
import type { Value } from '../graph/ir.js';
import { activation } from '../graph/ops/activation.js';
import { add } from '../graph/ops/add.js';
import { conv2d } from '../graph/ops/conv2d.js';
import type { ParameterScope } from './network.js';
import type { SpatialLightweightSpec } from './spec.js';
import { double, doublings, overBicubic } from './upsampling.js';

/** x [n,h,w,bands] -> [n, floor(h up/down), floor(w up/down), bands]. */
export function spatialLightweight(scope: ParameterScope, spec: SpatialLightweightSpec, x: Value): Value {
  const { builder } = scope;
  const { outBands, features, blocks } = spec;
  const conv = (input: Value, co: number, label: string): Value => {
    const { weight, bias } = scope.layer(label, [co, input.shape[3], 3, 3]);
    return conv2d(builder, input, weight, { bias }, label);
  };
  const relu = (v: Value, label: string) => activation(builder, 'relu', v, `${label}.relu`);

  const first = relu(conv(x, features, 'feat_extract.0'), 'feat_extract.0');
  let t = first;
  for (let b = 0; b < blocks; b++) t = relu(conv(t, features, `res_blocks.${2 * b}`), `res_blocks.${2 * b}`);
  t = add(builder, t, first, 'body');
  // the modules of a doubling are numbered 3 i: convolution, shuffle, ReLU (none after the last)
  const count = doublings(spec);
  for (let i = 0; i < count; i++) t = double(scope, t, `upsample.${3 * i}`, i < count - 1);
  return overBicubic(scope, conv(t, outBands, 'reconstruct'), x, spec);
}
