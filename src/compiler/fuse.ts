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
import type { Fold, Graph, GraphNode, ValueId } from '../graph/ir.js';
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

  /** The node that makes `id`, if nothing else reads its result. */
  soleProducer(id: ValueId | null | undefined): GraphNode | undefined {
    return id === null || id === undefined || this.#count.get(id) !== 1 ? undefined : this.#producer.get(id);
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

const foldOf = ({ op, attributes }: GraphNode): Fold | undefined => op.foldsAs?.(attributes);

function foldAdd(node: GraphNode, uses: Uses) {
  if (foldOf(node) !== 'addition') return undefined;
  const [a, b] = node.inputs as [ValueId, ValueId];
  if (a === b) return undefined;
  // The later producer absorbs the sum: the earlier result exists then.
  const candidates = [uses.soleProducer(a), uses.soleProducer(b)]
    .filter((c) => c?.op.takes?.addition?.isFree(c) === true && !uses.roundsBefore(node, c))
    .sort((p, q) => uses.position(q!) - uses.position(p!));
  const producer = candidates[0];
  if (producer === undefined) return undefined;
  const other = producer.outputs[0] === a ? b : a;
  return { fused: extend(producer, producer.op.takes!.addition!.operand, other, node), absorbed: [producer] };
}

function foldActivation(node: GraphNode, uses: Uses) {
  if (foldOf(node) !== 'activation') return undefined;
  const producer = uses.soleProducer(node.inputs[0]);
  if (producer?.op.takes?.activation !== true || producer.attributes.activation !== 'none') return undefined;
  const attributes = { ...producer.attributes, activation: node.attributes.kind! };
  return { fused: { ...producer, attributes, outputs: node.outputs }, absorbed: [producer] };
}

/** dy * gate + (dmean spread over the pixels): both results added, in either order. */
function foldMeanGradient(node: GraphNode, uses: Uses) {
  if (foldOf(node) !== 'addition') return undefined;
  for (const [gateId, meanId] of [
    [node.inputs[0], node.inputs[1]],
    [node.inputs[1], node.inputs[0]],
  ]) {
    const [gate, mean] = [uses.soleProducer(gateId), uses.soleProducer(meanId)];
    const { spread, mask } = gate?.op.takes ?? {};
    if (gate === undefined || mean === undefined || spread === undefined || foldOf(mean) !== 'spread') continue;
    if (gate.inputs[spread] !== null || (mask !== undefined && gate.inputs[mask] !== null)) continue;
    return { fused: extend(gate, spread, mean.inputs[0]!, node), absorbed: [gate, mean] };
  }
  return undefined;
}

function foldMask(node: GraphNode, uses: Uses) {
  if (foldOf(node) !== 'mask') return undefined;
  const producer = uses.soleProducer(node.inputs[1]);
  const mask = producer?.op.takes?.mask;
  if (producer === undefined || mask === undefined || producer.inputs[mask] !== null) return undefined;
  return { fused: extend(producer, mask, node.inputs[0]!, node), absorbed: [producer] };
}
