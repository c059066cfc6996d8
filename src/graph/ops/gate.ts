/**
 * Spectral attention's product: y[n,y,x,c] = x[n,y,x,c] gate[n,0,0,c] (+ residual[n,y,x,c]), one gate per sample and band.
 *
 *     dgate[n,c] = sum over pixels of dy x
 *     dx         = dy gate            (with the gate's own mean: + dmean / (h w); with a ReLU before it: * (x > 0))
 *     dresidual  = dy
 *
 * Backward needs x and gate. The additions in brackets are put in by src/compiler/fuse.ts.
 */
import type { GraphBuilder, OpDefinition, Shape, Value } from '../ir.js';
import { expectShape, f32, required, streamingCost } from './common.js';

const perSample = (shape: Shape): Shape => [shape[0], 1, 1, shape[3]];

// ---- forward ----

export const gateForward: OpDefinition = {
  name: 'gate_forward',
  inputs: ['x', 'gate', 'residual'],
  outputs: ['y'],
  infer([xIn, gateIn, residual], _attributes, label) {
    const x = required(xIn, 'gate', label, 'x');
    expectShape(required(gateIn, 'gate', label, 'gate'), perSample(x.shape), 'gate', label, 'gate');
    expectShape(residual, x.shape, 'gate', label, 'residual');
    return [x];
  },
  cost: streamingCost(2),
  gradient(g) {
    const dy = g.outputGradient(0);
    const label = g.node.label;
    if (g.node.inputs[2] !== null && g.needs(2)) g.contribute(2, dy);
    if (g.needs(1)) g.contribute(1, g.builder.apply(gateBackwardGate, [dy, g.input(0)], {}, `${label}.dgate`)[0]!);
    if (g.needs(0)) {
      g.contribute(0, g.builder.apply(gateBackwardInput, [dy, g.input(1), null, null], {}, `${label}.dx`)[0]!);
    }
  },
  footprint: { kind: 'pointwise', perSample: [1] },
  takes: { addition: { operand: 2, isFree: ({ inputs }) => inputs[2] === null } },
};

export function gate(builder: GraphBuilder, x: Value, gates: Value, residual: Value | null, label: string): Value {
  return builder.apply(gateForward, [x, gates, residual], {}, label)[0]!;
}

// ---- backward ----

export const gateBackwardGate: OpDefinition = {
  name: 'gate_backward_gate',
  inputs: ['dy', 'x'],
  outputs: ['dgate'],
  infer([dyIn, x], _attributes, label) {
    const dy = required(dyIn, 'gate_backward_gate', label, 'dy');
    expectShape(required(x, 'gate_backward_gate', label, 'x'), dy.shape, 'gate_backward_gate', label, 'x');
    return [f32(perSample(dy.shape))];
  },
  cost: streamingCost(2),
};

/** dx = (dy * gate + dmean / (h w)) * (mask > 0). */
export const gateBackwardInput: OpDefinition = {
  name: 'gate_backward_input',
  inputs: ['dy', 'gate', 'dmean', 'mask'],
  outputs: ['dx'],
  infer([dyIn, gateIn, dmean, mask], _attributes, label) {
    const op = 'gate_backward_input';
    const dy = required(dyIn, op, label, 'dy');
    expectShape(required(gateIn, op, label, 'gate'), perSample(dy.shape), op, label, 'gate');
    expectShape(dmean, perSample(dy.shape), op, label, 'dmean');
    expectShape(mask, dy.shape, op, label, 'mask');
    return [dy];
  },
  cost: streamingCost(3),
  inPlace: [[0, 0]],
  takes: { spread: 2, mask: 3 },
};
