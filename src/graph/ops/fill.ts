/** y = value everywhere: the zeros that accumulating operators start from. `fillInto` overwrites what is kept between runs. */
import type { GraphBuilder, OpDefinition, Shape, Value } from '../ir.js';
import { f32, number, required, streamingCost } from './common.js';

export const fillOp: OpDefinition = {
  name: 'fill',
  inputs: [],
  outputs: ['y'],
  infer: (_operands, { n, h, w, c }) => [f32([n as number, h as number, w as number, c as number])],
  cost: streamingCost(0),
  params: { value: number() },
};

export const fillInto: OpDefinition = {
  name: 'fill',
  inputs: ['y'],
  outputs: ['y'],
  infer: ([y], _attributes, label) => [required(y, 'fill', label, 'y')],
  cost: streamingCost(0),
  accumulates: [[0, 0]],
  params: { value: number() },
};

export function fill(builder: GraphBuilder, value: number, shape: Shape, label: string): Value {
  const [n, h, w, c] = shape;
  return builder.apply(fillOp, [], { value, n, h, w, c }, label)[0]!;
}
