/** y = a + b, same shapes. Also the explicit sum of gradients (`addInto`: the sum takes a's place in memory). */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { expectShape, POINTWISE, required, streamingCost } from './common.js';

const infer: OpDefinition['infer'] = ([aIn, b], _attributes, label) => {
  const a = required(aIn, 'add', label, 'a');
  expectShape(required(b, 'add', label, 'b'), a.shape, 'add', label, 'b');
  return [a];
};

export const addOp: OpDefinition = {
  name: 'add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer,
  cost: streamingCost(1),
  gradient(g) {
    const dy = g.outputGradient(0);
    if (g.needs(0)) g.contribute(0, dy);
    if (g.needs(1)) g.contribute(1, dy);
  },
  inPlace: [
    [0, 0],
    [1, 0],
  ],
  footprint: POINTWISE,
  alike: [0, 1],
  summands: () => [0, 1],
  foldsAs: () => 'addition',
};

/** a += b for an `a` that is kept between runs. */
export const addInto: OpDefinition = {
  name: 'add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer,
  cost: streamingCost(1),
  accumulates: [[0, 0]],
  passesAccumulator: true,
  alike: [0, 1],
};

export function add(builder: GraphBuilder, a: Value, b: Value, label: string): Value {
  return builder.apply(addOp, [a, b], {}, label)[0]!;
}
