/**
 * The update of all parameters, on flat vectors (zeros between parameters stay zeros).
 *
 *     grad_norm: s = scalars[6] (0 means 1);  norm = |g|_2 / s
 *       scalars[5] = min(1, max_norm / (norm + 1e-6)) / s;  1 / s without clipping;  0 if the norm, or the total of
 *       loss_terms where they are given, is not finite
 *     adam (Kingma & Ba 2015, as torch.optim.Adam), g' = g * scalars[5]; nothing happens when scalars[5] is 0:
 *       m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2;  p -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
 *       ema (optional) = decay ema + (1-decay) p
 *
 * scalars f32 [8] is ScalarSlot in native/ops/optimizer/optimizer.h: learning rate, 1-b1^t, 1-b2^t, decay, max norm, gradient scale,
 * loss scale.
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { expectShape, f64, number, required, streamingCost } from './common.js';
import { LOSS_TERMS } from './spectral_loss.js';

/** ScalarSlot in native/ops/optimizer/optimizer.h. */
export const SCALARS = {
  learningRate: 0,
  biasCorrection1: 1,
  biasCorrection2: 2,
  emaDecay: 3,
  maxNorm: 4,
  gradScale: 5,
  lossScale: 6,
};
export const SCALAR_COUNT = 8;

export const gradNormOp: OpDefinition = {
  name: 'grad_norm',
  inputs: ['g', 'loss_terms', 'scalars'],
  outputs: ['norm', 'scalars'],
  infer([g, lossTerms, scalars], _attributes, label) {
    required(g, 'grad_norm', label, 'g');
    const table = required(scalars, 'grad_norm', label, 'scalars');
    expectShape(table, [1, 1, 1, SCALAR_COUNT], 'grad_norm', label, 'scalars');
    expectShape(lossTerms, [1, 1, 1, LOSS_TERMS], 'grad_norm', label, 'loss_terms');
    return [f64([1, 1, 1, 1]), table];
  },
  cost: streamingCost(2),
  accumulates: [[2, 1]],
  workspace: true,
};

export const adamOp: OpDefinition = {
  name: 'adam',
  inputs: ['g', 'scalars', 'param', 'm', 'v', 'ema'],
  outputs: ['param', 'm', 'v', 'ema'],
  infer([gIn, scalars, param, m, v, ema], _attributes, label) {
    const g = required(gIn, 'adam', label, 'g');
    expectShape(required(scalars, 'adam', label, 'scalars'), [1, 1, 1, SCALAR_COUNT], 'adam', label, 'scalars');
    const state = [
      required(param, 'adam', label, 'param'),
      required(m, 'adam', label, 'm'),
      required(v, 'adam', label, 'v'),
    ];
    if (ema !== null && ema !== undefined) state.push(ema);
    for (const s of state) expectShape(s, g.shape, 'adam', label, 'param, m, v and ema');
    return state;
  },
  cost: streamingCost(14),
  accumulates: [
    [2, 0],
    [3, 1],
    [4, 2],
    [5, 3],
  ],
  params: { beta1: number(), beta2: number(), epsilon: number() },
};

export interface OptimizerState {
  readonly g: Value;
  readonly scalars: Value;
  readonly param: Value;
  readonly m: Value;
  readonly v: Value;
  readonly ema: Value | null;
}

/** Label of the node that makes the norm. */
export const GRADIENT_NORM = 'grad_norm';

/** The norm before clipping (f64 [1,1,1,1]), and `scalars` with the gradient scale that clips. */
export function gradientNorm(builder: GraphBuilder, g: Value, scalars: Value, lossTerms: Value | null = null): Value[] {
  return builder.apply(gradNormOp, [g, lossTerms, scalars], {}, GRADIENT_NORM);
}

/**
 * Norm, clipping and Adam; returns the norm before clipping (f64 [1,1,1,1]). With `lossTerms` a loss that is not finite
 * leaves everything as it was.
 */
export function optimizerStep(
  builder: GraphBuilder,
  s: OptimizerState,
  options: { readonly beta1: number; readonly beta2: number; readonly epsilon: number },
  lossTerms: Value | null = null,
): { norm: Value; updated: Value[] } {
  const [norm, scalars] = gradientNorm(builder, s.g, s.scalars, lossTerms);
  const { beta1, beta2, epsilon } = options;
  const updated = builder.apply(adamOp, [s.g, scalars!, s.param, s.m, s.v, s.ema], { beta1, beta2, epsilon }, 'adam');
  return { norm: norm!, updated };
}
