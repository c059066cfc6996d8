/**
 * The obvious float64 implementation of every graph operator (test/support/reference, one file for each of
 * src/graph/ops), and an interpreter of graphs over it. Slow on purpose: loops as in the formulas of src/graph/ops, nothing
 * shared with native/. Its gradients are checked by finite differences in test/compiler/autodiff.test.ts, and the native
 * kernels against it in test/ops.
 */
import { elements, type Graph } from '../../src/graph/ir.js';
import { importFolder } from './import_folder.js';
import { type Kernel, type Kernels, zeros } from './reference_arrays.js';

const MODULES = await importFolder<{ kernels: Kernels }>(new URL('reference/', import.meta.url));

/** By instruction. */
export const KERNELS: Readonly<Record<string, Kernel>> = Object.assign({}, ...MODULES.map(({ kernels }) => kernels));

export type Feeds = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Runs a graph in float64. `feeds` gives inputs, parameters and states by name (a state that is not given is zero).
 * Returns every output by name.
 */
export function evaluateGraph(graph: Graph, feeds: Feeds): Map<string, Float64Array> {
  const values = new Map<number, Float64Array>();
  for (const v of graph.values) {
    if (v.role === 'node') continue;
    const given = v.data ?? feeds.get(v.name);
    if (given !== undefined && given.length !== elements(v.shape)) {
      throw new Error(`${v.name}: ${given.length} numbers for shape [${v.shape.join(', ')}]`);
    }
    if (given !== undefined) values.set(v.id, Float64Array.from(given));
    else if (v.role === 'state') values.set(v.id, zeros(v.shape));
  }
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => {
      if (id === null) return null;
      const data = values.get(id);
      if (data === undefined)
        throw new Error(`'${node.label}' reads '${graph.values[id]!.name}', which has no numbers`);
      return { shape: graph.values[id]!.shape, data };
    });
    const shapes = node.outputs.map((id) => graph.values[id]!.shape);
    const results = kernelOf(node.op.name)(operands, node.attributes, shapes);
    node.outputs.forEach((id, i) => {
      values.set(id, results[i]!);
    });
  }
  return new Map([...graph.outputs].map(([name, id]) => [name, values.get(id)!]));
}

export function kernelOf(instruction: string): Kernel {
  const kernel = KERNELS[instruction];
  if (kernel === undefined) throw new Error(`no file of test/support/reference has a kernel '${instruction}'`);
  return kernel;
}
