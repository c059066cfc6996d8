/** Mean over the pixels of each sample. */
import type { Shape } from '../../src/graph/ir.js';
import { globalMean } from '../../src/graph/ops/global_mean.js';
import { ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

const meanCase = (shape: Shape, bench = false): OpCase => ({
  name: `[${shape.join(',')}]`,
  build: (b) => b.output('y', globalMean(b, b.input('x', shape), 'y')),
  differentiate: 'y',
  bench,
});

export const globalMeanCases: OpCases = {
  op: 'global_mean',
  tolerance: { absolute: 1e-6, relative: 1e-5 },
  reason: 'float32 sums over at most a few hundred pixels',
  cases: [...ODD_SHAPES.map((shape) => meanCase(shape)), meanCase(PATCH, true)],
};
