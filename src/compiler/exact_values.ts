/**
 * Which values a device keeps in f32 although its images have 16 bits: predictions, and the sums they are made of. Nor are
 * operands of the convolutions among them rounded where others are (tf32).
 *
 *     prediction = closed-form start (frozen regression; bicubic, back-projections) + what the network learnt
 *
 * The start is good to more digits than 16 bits hold, so it is computed in f32 from the f32 input, and the learnt part,
 * rounded once where an operator with trained weights stores it, is added in f32. Hence the walk goes back from each
 * prediction through the operators that sum it and stops at trained weights. A prediction that a trained operator makes
 * itself has nothing to lose and stays 16 bits.
 *
 * Of the gradients only that of an exact prediction is f32, because the loss makes it beside the prediction. It is rounded
 * to 16 bits where the first operator takes it: a trained one would do so in the end, and until then a gradient on the
 * fine grid would be read and written at twice the size.
 */
import type { Graph, GraphNode, ValueId } from '../graph/ir.js';

/** Images that a node sums to its result; none where it does something else. */
function summands(graph: Graph, { op, inputs, attributes }: GraphNode): readonly ValueId[] {
  const frozen = (i: number) => inputs[i] == null || graph.values[inputs[i]]!.trainable === false;
  return (op.summands?.(attributes, frozen) ?? []).map((i) => inputs[i]).filter((id) => id != null);
}

/** Predictions (Graph.exact) that are sums, and the sums that they are made of. */
export function exactSums(graph: Graph): Set<ValueId> {
  const wanted = new Set(graph.exact);
  const exact = new Set<ValueId>();
  for (const node of [...graph.nodes].reverse()) {
    const from = node.outputs.some((id) => wanted.has(id)) ? summands(graph, node) : [];
    if (from.length === 0) continue;
    for (const id of node.outputs) exact.add(id);
    for (const id of from) wanted.add(id);
  }
  return exact;
}

/** The nodes that compute in f32: those that make exact sums, and those that read a prediction which is one. */
export function exactNodes(graph: Graph): ReadonlySet<GraphNode> {
  const exact = exactSums(graph);
  const isExact = ({ op, inputs, outputs }: GraphNode) =>
    exact.has(op.readsPrediction === true ? inputs[0]! : outputs[0]!);
  return new Set(graph.nodes.filter(isExact));
}
