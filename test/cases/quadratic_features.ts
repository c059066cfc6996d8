/** quadratic_features: c bands -> c + c (c+1)/2. */
import type { Shape } from '../../src/graph/ir.js';
import { quadraticFeatures } from '../../src/graph/ops/quadratic_features.js';
import type { OpCase, OpCases } from './case.js';

const featureCase = (shape: Shape, bench = false): OpCase => ({
  name: `[${shape.join(',')}]`,
  build: (b) => b.output('y', quadraticFeatures(b, b.input('x', shape), 'y')),
  differentiate: 'y',
  bench,
});

export const quadraticFeaturesCases: OpCases = {
  op: 'quadratic_features',
  tolerance: { absolute: 1e-5, relative: 1e-5 },
  reason: 'products in float32; a gradient sums c + 2 of them',
  cases: [
    featureCase([1, 1, 1, 1]),
    featureCase([1, 1, 1, 7]),
    featureCase([3, 5, 7, 2]),
    featureCase([2, 3, 11, 7]),
    featureCase([1, 2, 3, 13]),
    featureCase([1, 256, 256, 7], true),
  ],
};
