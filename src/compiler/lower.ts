/**
 * Graph + memory plan -> the flat program of program_types.ts. One node becomes one instruction, a view none.
 * Operands stand as in the instruction's line in native/ops: inputs, then outputs, then scratch memory where the method has some (null when
 * it needs 0 bytes); absent operands are null; a buffer that is added to appears once, as the output.
 */
import { type Graph, type GraphNode, parameterNumbers, type Value, type ValueId, valuePitch } from '../graph/ir.js';
import type { Instruction, ProgramDescription, TensorRef } from './program_types.js';

/** Where bytes lie: index into the buffers given to compile, and the offset in it. */
export interface Place {
  readonly buffer: number;
  readonly offset: number;
}

export function tensorRef(value: Value, place: Place): TensorRef {
  return { ...place, dtype: value.dtype, shape: value.shape, pitch: valuePitch(value) };
}

/** The instruction of one node, or undefined for a view. `workspace` is its scratch memory. */
export function lowerNode(
  graph: Graph,
  node: GraphNode,
  place: (id: ValueId) => Place,
  workspace: (Place & { readonly bytes: number }) | null,
): Instruction | undefined {
  const { op } = node;
  if (op.view === true) return undefined;
  const ref = (id: ValueId | null): TensorRef | null => (id === null ? null : tensorRef(graph.values[id]!, place(id)));
  const accumulators = new Set(op.passesAccumulator === true ? [] : (op.accumulates ?? []).map(([input]) => input));
  const tensors = node.inputs.filter((_, i) => !accumulators.has(i)).map(ref);
  for (let i = 0; i < op.outputs.length; i++) tensors.push(ref(node.outputs[i] ?? null));
  if (op.workspace === true) {
    const size = workspace === null ? 0 : workspace.bytes / 4;
    tensors.push(
      workspace === null || size === 0
        ? null
        : { buffer: workspace.buffer, offset: workspace.offset, dtype: 'f32', shape: [1, 1, 1, size], pitch: size },
    );
  }
  return { op: op.name, tensors, params: parameterNumbers(node), label: node.label };
}

export interface Layout {
  place(id: ValueId): Place;
  /** Scratch memory of the i-th node. */
  workspace(node: number): (Place & { readonly bytes: number }) | null;
}

/** Inputs are named by the graph's input values, in `inputs`' order; outputs likewise by the graph's output names. */
export function lower(
  graph: Graph,
  layout: Layout,
  names: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
): ProgramDescription {
  const instructions = graph.nodes
    .map((node, i) => lowerNode(graph, node, layout.place, layout.workspace(i)))
    .filter((instruction) => instruction !== undefined);
  const byName = new Map(graph.values.filter((v) => v.role === 'input').map((v) => [v.name, v]));
  const find = (name: string, value: Value | undefined) => {
    if (value === undefined) throw new Error(`lower: the graph has no input or output '${name}'`);
    return { name, tensor: tensorRef(value, layout.place(value.id)) };
  };
  return {
    instructions,
    inputs: names.inputs.map((name) => find(name, byName.get(name))),
    outputs: names.outputs.map((name) => find(name, graph.values[graph.outputs.get(name) ?? -1])),
  };
}
