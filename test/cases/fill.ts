/** A constant everywhere. */
import { fill } from '../../src/graph/ops/fill.js';
import { ODD_SHAPES, type OpCases } from './case.js';

export const fillCases: OpCases = {
  op: 'fill',
  tolerance: { absolute: 0, relative: 0 },
  reason: 'a constant that float32 holds exactly',
  cases: ODD_SHAPES.map((shape) => ({
    name: `[${shape.join(',')}]`,
    build: (b) => b.output('y', fill(b, 0.375, shape, 'y')),
  })),
};
