/**
 * The float64 reference of a graph as a device keeps it: after every operator, values are rounded to their storage type,
 * so that what is left between it and a kernel is float32 arithmetic, and now and then the last bit of a stored number.
 */
import { elements, type Graph } from '../../../src/graph/ir.js';
import { type Feeds, kernelOf } from '../../support/reference.js';
import type { Array4 } from '../../support/reference_arrays.js';
import { stored } from './rounding.js';

/** Every output by name. `graph` has storage types (GraphRunner.graph). */
export function evaluateStored(graph: Graph, feeds: Feeds): Map<string, Float64Array> {
  const values = new Map<number, Float64Array>();
  for (const { id, role, name, data, shape } of graph.values) {
    if (role === 'node') continue;
    const given = data ?? feeds.get(name);
    if (given !== undefined || role === 'state')
      values.set(id, given === undefined ? new Float64Array(elements(shape)) : Float64Array.from(given));
  }
  for (const { op, inputs, outputs, attributes, label } of graph.nodes) {
    const operands = inputs.map((id): Array4 | null => {
      if (id === null) return null;
      const data = values.get(id);
      if (data === undefined) throw new Error(`'${label}' reads '${graph.values[id]!.name}', which has no numbers`);
      return { shape: graph.values[id]!.shape, data };
    });
    const shapes = outputs.map((id) => graph.values[id]!.shape);
    const results = kernelOf(op.name)(operands, attributes, shapes);
    outputs.forEach((id, i) => {
      const { dtype } = graph.values[id]!;
      const plain = dtype === 'f32' || dtype === 'f64';
      values.set(id, plain ? results[i]! : results[i]!.map((x) => stored(Math.fround(x), dtype)));
    });
  }
  return new Map([...graph.outputs].map(([name, id]) => [name, values.get(id)!]));
}
