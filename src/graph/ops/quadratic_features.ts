/**
 * The features of quadratic ridge regression: all bands, then all products x_i x_j with i <= j (row by row of the upper
 * triangle: 00 01 .. 0c 11 12 ..). [n,h,w,c] -> [n,h,w,c + c (c+1)/2].
 *
 *     dx[i] = dy[i] + sum_{j >= i} dy[ij] x[j] + sum_{j <= i} dy[ji] x[j]        (the square counts twice)
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { expectShape, f32, POINTWISE, required, streamingCost } from './common.js';

/** Number of quadratic features of c bands. */
export const quadraticFeatureCount = (c: number): number => c + (c * (c + 1)) / 2;

export const quadraticFeaturesForward: OpDefinition = {
  name: 'quadratic_features_forward',
  inputs: ['x'],
  outputs: ['y'],
  infer([xIn], _attributes, label) {
    const x = required(xIn, 'quadratic_features', label, 'x');
    const [n, h, w, c] = x.shape;
    return [f32([n, h, w, quadraticFeatureCount(c)])];
  },
  cost: streamingCost(1),
  gradient(g) {
    const dx = g.builder.apply(quadraticFeaturesBackward, [g.outputGradient(0), g.input(0)], {}, `${g.node.label}.dx`);
    g.contribute(0, dx[0]!);
  },
  footprint: POINTWISE,
  summands: () => [0],
};

export const quadraticFeaturesBackward: OpDefinition = {
  name: 'quadratic_features_backward',
  inputs: ['dy', 'x'],
  outputs: ['dx'],
  infer([dy, xIn], _attributes, label) {
    const x = required(xIn, 'quadratic_features_backward', label, 'x');
    const [n, h, w, c] = x.shape;
    expectShape(dy, [n, h, w, quadraticFeatureCount(c)], 'quadratic_features_backward', label, 'dy');
    return [x];
  },
  cost: streamingCost(4),
};

export function quadraticFeatures(builder: GraphBuilder, x: Value, label: string): Value {
  return builder.apply(quadraticFeaturesForward, [x], {}, label)[0]!;
}
