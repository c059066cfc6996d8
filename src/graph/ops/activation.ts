/**
 * Pointwise nonlinearities, all differentiated from their OUTPUT y, so that the input need not be kept:
 *
 *     relu      max(x, 0)          dy * (y > 0)           gradient 0 at 0, as PyTorch
 *     sigmoid   1 / (1 + e^-x)     dy * y (1 - y)
 *     softplus  log(1 + e^x)       dy * (1 - e^-y)        since sigmoid(x) = 1 - e^-softplus(x)
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { choice, expectShape, POINTWISE, required, streamingCost } from './common.js';

/** In the order of enum Activation in native/ops/elementwise/elementwise.h. */
export const ACTIVATIONS = ['none', 'relu', 'sigmoid', 'softplus'] as const;
export type ActivationKind = (typeof ACTIVATIONS)[number];

/** The scalar parameter that names an activation. */
export const activationParameter = choice(ACTIVATIONS, 'none');

// ---- forward ----

export const activationForward: OpDefinition = {
  name: 'activation_forward',
  inputs: ['x'],
  outputs: ['y'],
  infer: ([x], { kind }, label) => [required(x, `activation ${kind}`, label, 'x')],
  cost: streamingCost(4),
  gradient(g) {
    const kind = g.node.attributes.kind as ActivationKind;
    g.contribute(0, activationBackward(g.builder, kind, g.output(0), g.outputGradient(0), `${g.node.label}.dx`));
  },
  footprint: POINTWISE,
  inPlace: [[0, 0]],
  params: { kind: activationParameter },
  alike: [0],
  foldsAs: () => 'activation',
};

export function activation(builder: GraphBuilder, kind: ActivationKind, x: Value, label: string): Value {
  return kind === 'none' ? x : builder.apply(activationForward, [x], { kind }, label)[0]!;
}

// ---- backward ----

export const activationBackwardOp: OpDefinition = {
  name: 'activation_backward',
  inputs: ['y', 'dy'],
  outputs: ['dx'],
  infer([yIn, dy], { kind }, label) {
    const y = required(yIn, `activation_backward ${kind}`, label, 'y');
    expectShape(required(dy, `activation_backward ${kind}`, label, 'dy'), y.shape, 'activation_backward', label, 'dy');
    return [y];
  },
  cost: streamingCost(3),
  inPlace: [[1, 0]],
  params: { kind: activationParameter },
  alike: [0, 1],
  foldsAs: ({ kind }) => (kind === 'relu' ? 'mask' : undefined),
};

export function activationBackward(
  builder: GraphBuilder,
  kind: ActivationKind,
  y: Value,
  dy: Value,
  label: string,
): Value {
  return builder.apply(activationBackwardOp, [y, dy], { kind }, label)[0]!;
}
