/** A case's graph with its gradients: what test/ops compares and bench/ops.ts times. */
import { differentiateFrom } from '../../src/compiler/autodiff.js';
import type { Graph } from '../../src/graph/ir.js';
import { buildCase, type OpCase } from './case.js';

/** The graph of a case together with its gradients, where it has some. */
export function differentiatedCase(c: OpCase): Graph {
  const graph = buildCase(c);
  if (c.differentiate === undefined) return graph;
  const inputs = graph.values.filter((v) => v.role === 'input').map((v) => v.name);
  return differentiateFrom(graph, c.differentiate, inputs);
}
