/** relu, sigmoid and softplus. */
import type { Shape } from '../../src/graph/ir.js';
import { ACTIVATIONS, activation } from '../../src/graph/ops/activation.js';
import { ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

const activations = (shape: Shape, bench = false): OpCase[] =>
  ACTIVATIONS.filter((kind) => kind !== 'none').map((kind) => ({
    name: `${kind} [${shape.join(',')}]`,
    build: (b) => b.output('y', activation(b, kind, b.input('x', shape), 'y')),
    differentiate: 'y',
    bench,
  }));

export const activationCases: OpCases = {
  op: 'activation',
  // the slope y (1 - y) of a sigmoid near 1, where y is next to the last number below 1
  storedSpacings: 2,
  tolerance: { absolute: 1e-6, relative: 1e-5 },
  reason: 'exp and log of a vectorised float32 polynomial are good to a few ulp',
  cases: [
    ...ODD_SHAPES.flatMap((shape) => activations(shape)),
    ...[-90, -20, 0, 20, 90].map(
      (value): OpCase => ({
        name: `softplus, sigmoid far out at ${value}`,
        build(b) {
          const x = b.input('x', [1, 1, 3, 5]);
          b.output('y', activation(b, 'softplus', x, 'y'));
          b.output('z', activation(b, 'sigmoid', x, 'z'));
        },
        fill: { x: { value } },
        differentiate: 'y',
      }),
    ),
    ...activations(PATCH, true),
  ],
};
