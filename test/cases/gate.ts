/** The attention's gate, with everything that is fused into its backward. */
import type { Shape } from '../../src/graph/ir.js';
import { gate, gateBackwardInput } from '../../src/graph/ops/gate.js';
import { ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

const gateCase = (shape: Shape, residual: boolean, bench = false): OpCase => ({
  name: `[${shape.join(',')}]${residual ? ' residual' : ''}`,
  build(b) {
    const g = b.input('gate', [shape[0], 1, 1, shape[3]]);
    b.output('y', gate(b, b.input('x', shape), g, residual ? b.input('residual', shape) : null, 'y'));
  },
  fill: { gate: 'uniform' },
  differentiate: 'y',
  bench,
});

const gateBackwardCase = (shape: Shape, dmean: boolean, mask: boolean, bench = false): OpCase => ({
  name: `backward_input [${shape.join(',')}]${dmean ? ' dmean' : ''}${mask ? ' mask' : ''}`,
  build(b) {
    const row: Shape = [shape[0], 1, 1, shape[3]];
    const operands = [
      b.input('dy', shape),
      b.input('gate', row),
      dmean ? b.input('dmean', row) : null,
      mask ? b.input('mask', shape) : null,
    ];
    b.output('dx', b.apply(gateBackwardInput, operands, {}, 'dx')[0]!);
  },
  fill: { gate: 'uniform' },
  bench,
});

export const gateCases: OpCases = {
  op: 'gate',
  tolerance: { absolute: 1e-5, relative: 1e-5 },
  reason: 'dgate is a float32 sum of products over at most a few hundred pixels',
  cases: [
    ...ODD_SHAPES.flatMap((shape) => [gateCase(shape, false), gateCase(shape, true)]),
    ...ODD_SHAPES.flatMap((shape) => [gateBackwardCase(shape, true, true), gateBackwardCase(shape, false, true)]),
    gateCase(PATCH, true, true),
    gateBackwardCase(PATCH, true, true, true),
  ],
};
