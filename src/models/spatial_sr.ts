/**
 * spatial_sr (docs/specification.md, section 1), of RCAN's type: residual groups of channel-attention blocks on the coarse
 * grid, doublings by pixel shuffle, and a reconstruction that is resized to the fine grid and added to the bicubic of the
 * input.
 *
 *     RCAB:  y = conv2( ReLU( conv1(x) ) );   y * sigmoid( ca.3( ReLU( ca.1( mean over pixels of y ) ) ) ) + x
 */
import type { Value } from '../graph/ir.js';
import { activation } from '../graph/ops/activation.js';
import { add } from '../graph/ops/add.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { gate } from '../graph/ops/gate.js';
import { globalMean } from '../graph/ops/global_mean.js';
import type { ParameterScope } from './network.js';
import type { SpatialSrSpec } from './spec.js';
import { double, doublings, overBicubic } from './upsampling.js';

/** Width of the channel attention's hidden layer. */
export const attentionWidth = ({ features, reduction }: Pick<SpatialSrSpec, 'features' | 'reduction'>): number =>
  Math.max(1, Math.floor(features / reduction));

/** x [n,h,w,bands] -> [n, floor(h up/down), floor(w up/down), bands]. */
export function spatialSr(scope: ParameterScope, spec: SpatialSrSpec, x: Value): Value {
  const { builder } = scope;
  const { outBands, features, groups, blocks } = spec;
  const hidden = attentionWidth(spec);
  const conv = (input: Value, co: number, kernel: number, label: string): Value => {
    const { weight, bias } = scope.layer(label, [co, input.shape[3], kernel, kernel]);
    return conv2d(builder, input, weight, { bias }, label);
  };
  const relu = (v: Value, label: string) => activation(builder, 'relu', v, `${label}.relu`);

  const block = (input: Value, name: string): Value => {
    const inner = relu(conv(input, features, 3, `${name}.conv1`), `${name}.conv1`);
    const y = conv(inner, features, 3, `${name}.conv2`);
    const squeezed = relu(conv(globalMean(builder, y, `${name}.ca.mean`), hidden, 1, `${name}.ca.1`), `${name}.ca.1`);
    const gates = activation(builder, 'sigmoid', conv(squeezed, features, 1, `${name}.ca.3`), `${name}.ca.gate`);
    return gate(builder, y, gates, input, name);
  };

  const shallow = conv(x, features, 3, 'shallow_feat');
  let t = shallow;
  for (let g = 0; g < groups; g++) {
    const start = t;
    for (let b = 0; b < blocks; b++) t = block(t, `res_groups.${g}.blocks.${b}`);
    t = add(builder, conv(t, features, 3, `res_groups.${g}.conv`), start, `res_groups.${g}`);
  }
  t = add(builder, conv(t, features, 3, 'conv_after_body'), shallow, 'body');
  for (let i = 0; i < doublings(spec); i++) t = double(scope, t, `upsample.${i}.conv`, false);
  const detail = conv(t, outBands, 3, 'reconstruction');
  return overBicubic(scope, detail, x, spec);
}
