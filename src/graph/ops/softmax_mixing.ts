/**
 * Linear unmixing: abundances a = softmax(logits) over the K endmembers of a pixel; y[c] = sum_k a[k] E[k,c].
 * logits [n,h,w,K], endmembers E [1,1,K,c] -> abundances [n,h,w,K], y [n,h,w,c].
 *
 *     dE[k,c] += sum over pixels of a[k] dy[c]
 *     s[k]     = sum_c dy[c] E[k,c];  dlogits[k] = a[k] (s[k] - sum_j a[j] s[j])
 *
 * Backward needs a and E. Softmax subtracts the largest logit first, so that no exponential overflows.
 */
import { elements, type GraphBuilder, type OpDefinition, type Shape, ShapeError, type Value } from '../ir.js';
import { expectShape, f32, POINTWISE, required, traffic } from './common.js';

// ---- forward ----

export const softmaxMixingForward: OpDefinition = {
  name: 'softmax_mixing_forward',
  inputs: ['logits', 'endmembers'],
  outputs: ['abundances', 'y'],
  infer([logitsIn, endmembersIn], _attributes, label) {
    const logits = required(logitsIn, 'softmax_mixing', label, 'logits');
    const endmembers = required(endmembersIn, 'softmax_mixing', label, 'endmembers');
    const [n, h, w, k] = logits.shape;
    const [one, uno, rows, c] = endmembers.shape;
    if (one !== 1 || uno !== 1 || rows !== k) {
      throw new ShapeError(
        'softmax_mixing',
        label,
        `endmembers have shape [${endmembers.shape.join(', ')}], expected [1, 1, ${k}, bands] for ${k} logits`,
      );
    }
    return [f32(logits.shape), f32([n, h, w, c])];
  },
  cost: (operands, results) => ({
    flops: 2 * elements(results[0]!.shape) * (results[1]!.shape[3] + 4),
    bytes: traffic(operands, results),
  }),
  gradient(g) {
    const [dlogits, dendmembers] = g.builder.apply(
      softmaxMixingBackward,
      [g.outputGradient(1), g.output(0), g.input(1), g.accumulator(1)],
      {},
      `${g.node.label}.dx`,
    );
    g.setAccumulated(1, dendmembers!);
    if (g.needs(0)) g.contribute(0, dlogits!);
  },
  differentiates: [1],
  footprint: POINTWISE,
};

// ---- backward ----

export const softmaxMixingBackward: OpDefinition = {
  name: 'softmax_mixing_backward',
  inputs: ['dy', 'abundances', 'endmembers', 'dendmembers'],
  outputs: ['dlogits', 'dendmembers'],
  infer([dyIn, abundancesIn, endmembersIn, dendmembersIn], _attributes, label) {
    const op = 'softmax_mixing_backward';
    const dy = required(dyIn, op, label, 'dy');
    const abundances = required(abundancesIn, op, label, 'abundances');
    const endmembers = required(endmembersIn, op, label, 'endmembers');
    const dendmembers = required(dendmembersIn, op, label, 'dendmembers');
    const table: Shape = [1, 1, abundances.shape[3], dy.shape[3]];
    expectShape(abundances, [dy.shape[0], dy.shape[1], dy.shape[2], table[2]], op, label, 'abundances');
    expectShape(endmembers, table, op, label, 'endmembers');
    expectShape(dendmembers, table, op, label, 'dendmembers');
    return [f32(abundances.shape), dendmembers];
  },
  cost: (operands, results) => ({
    flops: 4 * elements(operands[1]!.shape) * (operands[0]!.shape[3] + 1),
    bytes: traffic(operands, results),
  }),
  accumulates: [[3, 1]],
  workspace: true,
};

/** Returns the mixed spectra; abundances come second. */
export function softmaxMixing(
  builder: GraphBuilder,
  logits: Value,
  endmembers: Value,
  label: string,
): { mixed: Value; abundances: Value } {
  const [abundances, mixed] = builder.apply(softmaxMixingForward, [logits, endmembers], {}, label);
  return { mixed: mixed!, abundances: abundances! };
}
