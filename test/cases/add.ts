/** y = a + b. */
import type { Shape } from '../../src/graph/ir.js';
import { add } from '../../src/graph/ops/add.js';
import { ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

const addCase = (shape: Shape, bench = false): OpCase => ({
  name: `[${shape.join(',')}]`,
  build: (b) => b.output('y', add(b, b.input('a', shape), b.input('b', shape), 'y')),
  differentiate: 'y',
  bench,
});

export const addCases: OpCases = {
  op: 'add',
  tolerance: { absolute: 1e-7, relative: 1e-6 },
  reason: 'one float32 rounding',
  cases: [...ODD_SHAPES.map((shape) => addCase(shape)), addCase(PATCH, true)],
};
