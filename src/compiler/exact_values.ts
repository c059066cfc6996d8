/**
 * Which values a device keeps in f32 although its images have 16 bits: predictions, and the sums they are made of.
 *
 *     prediction = closed-form start (frozen regression; bicubic, back-projections) + what the network learnt
 *
 * The start is good to more digits than 16 bits hold, so it is computed in f32 from the f32 input, and the learnt part,
 * rounded once where an operator with trained weights stores it, is added in f32. Hence the walk goes back from each
 * prediction through the operators that sum it and stops at trained weights. Gradients go the same way back: from that
 * of the prediction through the same operators to the first trained one, which rounds what it takes. A prediction
 * that a trained operator makes itself has nothing to lose: it stays 16 bits, and so does its gradient.
 */
import type { Graph, GraphNode, ValueId } from '../graph/ir.js';

/**
 * Operators that sum, forward or backward, and their operands of images. With a weight (operand 1) that must be frozen;
 * what lies between the sum and the result (an activation, a mask) makes it another operator.
 */
const SUMS: Readonly<Record<string, readonly number[]>> = {
  add: [0, 1],
  conv2d_backward_data: [0, 2],
  conv2d_forward: [0, 3],
  quadratic_features_backward: [0, 1],
  quadratic_features_forward: [0],
  reshape: [0],
  resample: [0, 3],
};

/** Operators that only read a prediction (operand 0); the first also gives its gradient. */
const READERS: ReadonlySet<string> = new Set(['spectral_loss', 'spectral_metrics']);

/** Images that a node sums to its first result; none where it does something else. */
function summands(graph: Graph, { op, inputs, attributes }: GraphNode): readonly ValueId[] {
  const frozen = (i: number) => inputs[i] == null || graph.values[inputs[i]]!.trainable === false;
  const { name } = op;
  if (name === 'conv2d_forward' && !(frozen(1) && frozen(2) && attributes.activation === 'none')) return [];
  if (name === 'conv2d_backward_data' && !(frozen(1) && inputs[3] == null)) return [];
  return (SUMS[name] ?? []).map((i) => inputs[i]).filter((id) => id != null);
}

/** Predictions (Graph.exact) that are sums, and the sums that they are made of. */
export function exactSums(graph: Graph): Set<ValueId> {
  const exact = new Set(graph.exact);
  const found = new Set<ValueId>();
  for (const node of [...graph.nodes].reverse()) {
    const from = node.outputs.some((id) => exact.has(id)) ? summands(graph, node) : [];
    if (from.length === 0) continue;
    found.add(node.outputs[0]!);
    for (const id of from) exact.add(id);
  }
  return found;
}

/** The same, and the gradients of such sums. */
export function exactValues(graph: Graph): ReadonlySet<ValueId> {
  const sums = exactSums(graph);
  const gradients = new Set<ValueId>();
  for (const node of graph.nodes) {
    const [result, dpred] = node.outputs as [ValueId, ValueId?];
    if (READERS.has(node.op.name)) {
      if (dpred !== undefined && sums.has(node.inputs[0]!)) gradients.add(dpred);
    } else if (summands(graph, node).some((id) => gradients.has(id))) gradients.add(result);
  }
  return new Set([...sums, ...gradients]);
}

/** Whether a node computes in f32: it makes an exact value, or only reads one. */
export function isExact({ op, inputs, outputs }: GraphNode, exact: ReadonlySet<ValueId>): boolean {
  return outputs.some((id) => exact.has(id)) || (READERS.has(op.name) && exact.has(inputs[0]!));
}
