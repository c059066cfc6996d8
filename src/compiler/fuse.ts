/**
 * Puts small operators into the large ones beside them, so that a tensor is not read and written once more:
 *
 *     forward   add after conv, gate, resample -> its residual operand;   activation after conv -> the conv's activation
 *     backward  add after conv_backward_data -> its add operand;       mean's gradient added to the gate's -> dmean
 *               ReLU's backward after either -> their mask operand
 *
 * A graph in, a graph out, same results (test/compiler/fuse.test.ts). Only single-use results are folded, and the fused
 * node takes the place of the later of the two, so all its operands exist there. What a network learnt is not folded into
 * the sum that is its prediction (exact_values.ts): the two have different types where images have 16 bits.
 */
import type { Graph, GraphNode, ValueId } from '../graph/ir.js';
import { exactSums } from './exact_values.js';

/** What may be folded where. Returns the fused node, or undefined where the pattern does not fit. */
type Pattern = (node: GraphNode, graph: Uses) => { fused: GraphNode; absorbed: GraphNode[] } | undefined;

const PATTERNS: readonly Pattern[] = [foldAdd, foldActivation, foldMeanGradient, foldMask];

export function fuse(graph: Graph): Graph {
  let nodes = graph.nodes;
  for (;;) {
    const next = fuseOnce({ ...graph, nodes });
    if (next === undefined) return { ...graph, nodes };
    nodes = next;
  }
}

/** Applies every pattern at the first node where one fits. */
function fuseOnce(graph: Graph): GraphNode[] | undefined {
  const uses = new Uses(graph);
  for (const pattern of PATTERNS) {
    for (const node of graph.nodes) {
      const found = pattern(node, uses);
      if (found === undefined) continue;
      return graph.nodes.flatMap((n) => (n === node ? [found.fused] : found.absorbed.includes(n) ? [] : [n]));
    }
  }
  return undefined;
}

class Uses {
  readonly graph: Graph;
  readonly #producer = new Map<ValueId, GraphNode>();
  readonly #count = new Map<ValueId, number>();
  readonly #position = new Map<GraphNode, number>();
  readonly #exact: ReadonlySet<ValueId>;

  constructor(graph: Graph) {
    this.graph = graph;
    this.#exact = exactSums(graph);
    graph.nodes.forEach((node, i) => {
      this.#position.set(node, i);
      for (const id of node.outputs) this.#producer.set(id, node);
      for (const id of node.inputs) if (id !== null) this.#count.set(id, (this.#count.get(id) ?? 0) + 1);
    });
    for (const id of graph.outputs.values()) this.#count.set(id, (this.#count.get(id) ?? 0) + 1);
  }

  /** The node that makes `id`, if it is one of `names` and nothing else reads its result. */
  soleProducer(id: ValueId | null | undefined, names: readonly string[]): GraphNode | undefined {
    if (id === null || id === undefined || this.#count.get(id) !== 1) return undefined;
    const node = this.#producer.get(id);
    return node !== undefined && names.includes(node.op.name) ? node : undefined;
  }

  /** Whether `sum` is kept exact, but not what `producer` adds to it: a device may keep that in 16 bits. */
  roundsBefore(sum: GraphNode, producer: GraphNode): boolean {
    return this.#exact.has(sum.outputs[0]!) && !this.#exact.has(producer.outputs[0]!);
  }

  position(node: GraphNode): number {
    return this.#position.get(node)!;
  }
}

/** `node` with operand `index` filled in and the outputs of `result`. */
function extend(node: GraphNode, index: number, operand: ValueId, result: GraphNode): GraphNode {
  const inputs = node.inputs.map((id, i) => (i === index ? operand : id));
  return { ...node, inputs, outputs: result.outputs };
}

/** Operand that takes an addition, where it is still free and nothing is applied after the sum. */
function additionOperand(node: GraphNode): number | undefined {
  switch (node.op.name) {
    case 'conv2d_forward':
      return node.inputs[3] === null && node.attributes.activation === 'none' && (node.attributes.shuffle ?? 1) === 1
        ? 3
        : undefined;
    case 'resample':
      return node.inputs[3] === null ? 3 : undefined;
    case 'gate_forward':
      return node.inputs[2] === null ? 2 : undefined;
    case 'conv2d_backward_data':
      return node.inputs[2] === null && node.inputs[3] === null ? 2 : undefined;
    default:
      return undefined;
  }
}

const ADDABLE = ['conv2d_forward', 'gate_forward', 'resample', 'conv2d_backward_data'];

function foldAdd(node: GraphNode, uses: Uses) {
  if (node.op.name !== 'add' || node.op.passesAccumulator === true) return undefined;
  const [a, b] = node.inputs as [ValueId, ValueId];
  if (a === b) return undefined;
  // The later producer absorbs the sum: the earlier result exists then.
  const candidates = [uses.soleProducer(a, ADDABLE), uses.soleProducer(b, ADDABLE)]
    .filter((c) => c !== undefined && additionOperand(c) !== undefined && !uses.roundsBefore(node, c))
    .sort((p, q) => uses.position(q!) - uses.position(p!));
  const producer = candidates[0];
  if (producer === undefined) return undefined;
  const other = producer.outputs[0] === a ? b : a;
  return { fused: extend(producer, additionOperand(producer)!, other, node), absorbed: [producer] };
}

function foldActivation(node: GraphNode, uses: Uses) {
  if (node.op.name !== 'activation_forward') return undefined;
  const conv = uses.soleProducer(node.inputs[0], ['conv2d_forward']);
  if (conv === undefined || conv.attributes.activation !== 'none') return undefined;
  const attributes = { ...conv.attributes, activation: node.attributes.kind! };
  return { fused: { ...conv, attributes, outputs: node.outputs }, absorbed: [conv] };
}

/** dy * gate + (dmean spread over the pixels): both results added, in either order. */
function foldMeanGradient(node: GraphNode, uses: Uses) {
  if (node.op.name !== 'add') return undefined;
  for (const [gateId, meanId] of [
    [node.inputs[0], node.inputs[1]],
    [node.inputs[1], node.inputs[0]],
  ]) {
    const gate = uses.soleProducer(gateId, ['gate_backward_input']);
    const mean = uses.soleProducer(meanId, ['global_mean_backward']);
    if (gate === undefined || mean === undefined || gate.inputs[2] !== null || gate.inputs[3] !== null) continue;
    return { fused: extend(gate, 2, mean.inputs[0]!, node), absorbed: [gate, mean] };
  }
  return undefined;
}

function foldMask(node: GraphNode, uses: Uses) {
  if (node.op.name !== 'activation_backward' || node.attributes.kind !== 'relu') return undefined;
  const producer = uses.soleProducer(node.inputs[1], ['conv2d_backward_data', 'gate_backward_input']);
  if (producer === undefined || producer.inputs[3] !== null) return undefined;
  return { fused: extend(producer, 3, node.inputs[0]!, node), absorbed: [producer] };
}
