/**
 * Sums for a least-squares fit of y [n,h,w,c] on features a [n,h,w,f] with an intercept, in f64 and added to what is there:
 *
 *     gram  [1,1,f+1,f+1] += [a 1]^T [a 1]        cross [1,1,f+1,c] += [a 1]^T y
 *
 * over the pixels whose mask is 1 (all, without one). Not differentiated.
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { elements } from '../ir.js';
import { expectShape, required, traffic } from './common.js';

export const normalEquationsOp: OpDefinition = {
  name: 'normal_equations',
  inputs: ['features', 'y', 'pixel_mask', 'gram', 'cross'],
  outputs: ['gram', 'cross'],
  infer([featuresIn, yIn, pixelMask, gramIn, crossIn], _attributes, label) {
    const op = 'normal_equations';
    const features = required(featuresIn, op, label, 'features');
    const y = required(yIn, op, label, 'y');
    const gram = required(gramIn, op, label, 'gram');
    const cross = required(crossIn, op, label, 'cross');
    const [n, h, w, f] = features.shape;
    expectShape(y, [n, h, w, y.shape[3]], op, label, 'y');
    expectShape(pixelMask, [n, h, w, 1], op, label, 'pixel_mask');
    expectShape(gram, [1, 1, f + 1, f + 1], op, label, 'gram');
    expectShape(cross, [1, 1, f + 1, y.shape[3]], op, label, 'cross');
    return [gram, cross];
  },
  cost: (operands, results) => ({
    flops: 2 * elements(operands[0]!.shape) * (operands[0]!.shape[3] + operands[1]!.shape[3]),
    bytes: traffic(operands, results),
  }),
  accumulates: [
    [3, 0],
    [4, 1],
  ],
  plainInputs: [0, 1, 2],
  workspace: true,
};

export function normalEquations(
  builder: GraphBuilder,
  operands: { features: Value; y: Value; pixelMask: Value | null; gram: Value; cross: Value },
  label: string,
): { gram: Value; cross: Value } {
  const { features, y, pixelMask } = operands;
  const inputs = [features, y, pixelMask, operands.gram, operands.cross];
  const [gram, cross] = builder.apply(normalEquationsOp, inputs, {}, label);
  return { gram: gram!, cross: cross! };
}
