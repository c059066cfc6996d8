/**
 * A network over a whole scene, cut into segments that can each be computed tile by tile. A cut lies
 *
 *     after every global mean        it needs all tiles before any can go on
 *     after a resample to far fewer pixels   its result is small to keep and would be dear to compute again in every halo
 *
 * What later segments need from before a cut is kept (a map, written by tiles and read with halo) where it is small
 * beside the output, and computed again from what is kept where it is not. Every node is placed as late as it can be, so
 * that little is alive at a cut.
 */

import { exactSums } from '../compiler/exact_values.js';
import { elements, type Graph, type GraphNode, type ValueId } from '../graph/ir.js';
import { type Layout, layoutsOf } from './footprint.js';

export interface Segment {
  readonly index: number;
  /** In the graph's order. */
  readonly nodes: readonly GraphNode[];
  /** What its tiles read: the graph's inputs, means and maps of earlier segments. */
  readonly reads: readonly ValueId[];
  /** Means over the scene to be taken of `source`; known as `mean` afterwards. */
  readonly means: readonly { readonly source: ValueId; readonly mean: ValueId }[];
  /** Values that later segments read. */
  readonly maps: readonly ValueId[];
  /** Results of the graph, in the last segment. */
  readonly results: readonly ValueId[];
}

export interface SegmentedGraph {
  readonly graph: Graph;
  readonly layouts: ReadonlyMap<ValueId, Layout>;
  /** What is kept exact in the whole graph, and so in every segment of it. */
  readonly exact: ReadonlySet<ValueId>;
  readonly segments: readonly Segment[];
}

/** A map is kept when it holds at most this share of the output's numbers. */
const KEPT_SHARE = 1 / 8;

const isMean = ({ op }: GraphNode): boolean => op.footprint?.kind === 'mean';

/** Where to cut: see the top of the file. */
function cutsOf(graph: Graph, small: (id: ValueId) => boolean): ReadonlySet<GraphNode> {
  const pixels = (id: ValueId) => graph.values[id]!.shape[1] * graph.values[id]!.shape[2];
  const coarsens = ({ op, inputs, outputs }: GraphNode) =>
    op.footprint?.kind === 'tables' && pixels(outputs[0]!) < pixels(inputs[0]!) && small(outputs[0]!);
  return new Set(graph.nodes.filter((node) => isMean(node) || coarsens(node)));
}

/** @param graph forward only, pruned, not fused, one sample */
export function segmentGraph(graph: Graph): SegmentedGraph {
  const layouts = layoutsOf(graph);
  const outputNumbers = [...graph.outputs.values()].reduce((sum, id) => sum + elements(graph.values[id]!.shape), 0);
  const small = (id: ValueId) => layouts.has(id) && elements(graph.values[id]!.shape) <= outputNumbers * KEPT_SHARE;
  const cuts = cutsOf(graph, small);
  const { producer, levels, count } = placeNodes(graph, cuts);

  // from the last to the first: what a segment reads, an earlier one must make
  const means = Array.from({ length: count }, () => new Map<ValueId, ValueId>());
  const maps = Array.from({ length: count }, () => new Set<ValueId>());
  const segments: Segment[] = [];
  for (let k = count - 1; k >= 0; k--) {
    const results = k === count - 1 ? [...graph.outputs.values()] : [];
    const reads = new Set<ValueId>();
    const inside = new Set<GraphNode>();
    const visit = (id: ValueId): void => {
      const node = producer.get(id);
      if (node === undefined) {
        if (graph.values[id]!.role === 'input') reads.add(id);
        return;
      }
      const level = levels.get(node)!;
      if (isMean(node)) means[level]!.set(id, node.inputs[0]!);
      else if (level < k && small(id)) maps[level]!.add(id);
      else {
        if (inside.has(node)) return;
        inside.add(node);
        for (const input of node.inputs) if (input !== null) visit(input);
        return;
      }
      reads.add(id);
    };
    for (const id of [...results, ...maps[k]!, ...means[k]!.values()]) visit(id);
    segments.unshift({
      index: k,
      nodes: graph.nodes.filter((node) => inside.has(node)),
      reads: [...reads].sort((a, b) => a - b),
      means: [...means[k]!].map(([mean, source]) => ({ mean, source })),
      maps: [...maps[k]!].sort((a, b) => a - b),
      results,
    });
  }
  return { graph, layouts, exact: exactSums(graph), segments };
}

/** The segment of every node: the number of cuts before it, as late as its readers allow. */
function placeNodes(graph: Graph, cuts: ReadonlySet<GraphNode>) {
  const producer = new Map<ValueId, GraphNode>();
  const earliest = new Map<ValueId, number>();
  for (const node of graph.nodes) {
    const level = Math.max(0, ...node.inputs.map((id) => (id === null ? 0 : (earliest.get(id) ?? 0))));
    for (const id of node.outputs) {
      producer.set(id, node);
      earliest.set(id, level + (cuts.has(node) ? 1 : 0));
    }
  }
  const count = 1 + Math.max(...[...graph.outputs.values()].map((id) => earliest.get(id) ?? 0));
  const latest = new Map<ValueId, number>([...graph.outputs.values()].map((id) => [id, count - 1]));
  const levels = new Map<GraphNode, number>();
  for (const node of [...graph.nodes].reverse()) {
    const wanted = Math.min(...node.outputs.map((id) => latest.get(id) ?? Number.POSITIVE_INFINITY));
    const level = wanted - (cuts.has(node) ? 1 : 0);
    levels.set(node, level);
    for (const id of node.inputs) if (id !== null) latest.set(id, Math.min(latest.get(id) ?? level, level));
  }
  return { producer, levels, count };
}
