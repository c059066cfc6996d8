/**
 * The memory plan: where every value of a graph lies in one arena, before anything is allocated.
 *
 * 1. Values that are the same bytes form one block: views, accumulated sums, and outputs written over an input that
 *    nothing reads afterwards (where the operator allows it).
 * 2. A block lives from the node that first writes it (program inputs: from the start) to the last that reads it
 *    (program outputs: to the end). Scratch memory lives during its node.
 * 3. Blocks that live at the same time get disjoint bytes: largest first, each at the lowest offset that is free.
 */
import { byteLength, type Graph, type GraphNode, type ValueId } from '../graph/ir.js';
import { type Layout, lowerNode, type Place } from './lower.js';
import type { Instruction } from './program_types.js';

/** Cache line, and the widest vector register. */
export const ALIGNMENT = 64;
export const alignUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Buffer index of the arena. */
export const ARENA = 0;

export interface PlanOptions {
  /** Values that live outside the arena (parameters, states, constants) by id: their buffer and offset. */
  readonly placed: (id: ValueId) => Place | undefined;
  /** Scratch bytes of an instruction; NativeDevice.workspaceBytes. */
  readonly workspaceBytes: (instruction: Instruction) => number;
}

export interface Block {
  readonly values: ValueId[];
  bytes: number;
  /** First and last node (inclusive) during which the block must keep its contents. */
  start: number;
  end: number;
  offset: number;
}

export interface Plan extends Layout {
  /** Size of the arena: the peak, exactly. */
  readonly arenaBytes: number;
  /** What lies in the arena, for inspection and tests. */
  readonly blocks: readonly Block[];
}

export function planMemory(graph: Graph, options: PlanOptions): Plan {
  const assignment = new Assignment(graph, options);
  const blocks = assignment.blocks();
  const scratch = new Map<number, Block>();
  const anywhere: Place = { buffer: ARENA, offset: 0 };
  graph.nodes.forEach((node, i) => {
    if (node.op.workspace !== true) return;
    const instruction = lowerNode(graph, node, (id) => options.placed(id) ?? anywhere, null)!;
    const bytes = Math.ceil(options.workspaceBytes(instruction) / 4) * 4;
    if (bytes > 0) scratch.set(i, { values: [], bytes, start: i, end: i, offset: 0 });
  });
  const all = [...blocks, ...scratch.values()];
  const arenaBytes = assignOffsets(all);
  const offsets = new Map(blocks.flatMap((block) => block.values.map((id) => [id, block] as const)));
  return {
    arenaBytes,
    blocks: all,
    place: (id) => {
      const placed = assignment.placed(id);
      if (placed !== undefined) return placed;
      const block = offsets.get(id);
      if (block === undefined) throw new Error(`plan: value '${graph.values[id]?.name}' has no place`);
      return { buffer: ARENA, offset: block.offset };
    },
    workspace: (node) => {
      const block = scratch.get(node);
      return block === undefined ? null : { buffer: ARENA, offset: block.offset, bytes: block.bytes };
    },
  };
}

/** Steps 1 and 2: which values share bytes, and how long those live. */
class Assignment {
  readonly #graph: Graph;
  readonly #lastUse = new Map<ValueId, number>();
  readonly #placed = new Map<ValueId, Place>();
  readonly #block = new Map<ValueId, Block>();

  constructor(graph: Graph, options: PlanOptions) {
    this.#graph = graph;
    graph.nodes.forEach((node, i) => {
      for (const id of node.outputs) this.#lastUse.set(id, i);
      for (const id of node.inputs) if (id !== null) this.#lastUse.set(id, i);
    });
    for (const id of graph.outputs.values()) this.#lastUse.set(id, graph.nodes.length);
    for (const value of graph.values) {
      const place = options.placed(value.id);
      if (place !== undefined) this.#placed.set(value.id, place);
      else if (value.role === 'input' && this.#lastUse.has(value.id)) this.#open(value.id, -1);
      else if (value.role !== 'node' && this.#lastUse.has(value.id)) {
        throw new Error(`plan: ${value.role} '${value.name}' has no place`);
      }
    }
    graph.nodes.forEach((node, i) => {
      node.outputs.forEach((id, output) => {
        this.#output(node, i, id, output);
      });
    });
  }

  placed(id: ValueId): Place | undefined {
    return this.#placed.get(id);
  }

  blocks(): Block[] {
    return [...new Set(this.#block.values())];
  }

  #open(id: ValueId, start: number): void {
    const bytes = byteLength(this.#graph.values[id]!);
    this.#block.set(id, { values: [id], bytes, start, end: this.#lastUse.get(id)!, offset: 0 });
  }

  #join(id: ValueId, source: ValueId): void {
    const place = this.#placed.get(source);
    if (place !== undefined) {
      this.#placed.set(id, place);
      return;
    }
    const block = this.#block.get(source)!;
    block.values.push(id);
    block.end = Math.max(block.end, this.#lastUse.get(id)!);
    this.#block.set(id, block);
  }

  #output(node: GraphNode, i: number, id: ValueId, output: number): void {
    if (this.#placed.has(id)) return;
    const forced = node.op.accumulates?.find(([, o]) => o === output);
    const source = forced === undefined ? undefined : node.inputs[forced[0]];
    if (source !== undefined && source !== null) {
      this.#checkOverwrite(node, i, source);
      this.#join(id, source);
      return;
    }
    if (node.op.view === true) {
      this.#join(id, node.inputs[0]!);
      return;
    }
    const inPlace = node.op.inPlace?.find(([input, o]) => o === output && this.#mayOverwrite(node, i, input, id));
    if (inPlace !== undefined) this.#join(id, node.inputs[inPlace[0]]!);
    else this.#open(id, i);
  }

  /** An accumulated input is gone afterwards: nothing may read it later, not even this node under another operand. */
  #checkOverwrite(node: GraphNode, i: number, source: ValueId): void {
    const last = this.#block.get(source)?.end ?? this.#lastUse.get(source)!;
    const reads = node.inputs.filter((id) => id !== null && this.#sameBytes(id, source)).length;
    const allowed = node.op.passesAccumulator === true && node.inputs.every((id) => id === source) ? 2 : 1;
    if (last > i || reads > allowed) {
      throw new Error(`plan: '${node.label}' overwrites '${this.#graph.values[source]!.name}', which is read again`);
    }
  }

  #sameBytes(a: ValueId, b: ValueId): boolean {
    if (a === b) return true;
    const block = this.#block.get(a);
    return block !== undefined && block === this.#block.get(b);
  }

  /** Whether output `id` of node i may be written over its operand `input`. */
  #mayOverwrite(node: GraphNode, i: number, input: number, id: ValueId): boolean {
    const source = node.inputs[input];
    if (source === null || source === undefined) return false;
    const block = this.#block.get(source);
    if (block === undefined || block.end !== i || block.bytes !== byteLength(this.#graph.values[id]!)) return false;
    if (this.#graph.values[source]!.dtype !== this.#graph.values[id]!.dtype) return false;
    return node.inputs.every((other, k) => k === input || other === null || this.#block.get(other) !== block);
  }
}

/** Step 3. Returns the arena's size. */
function assignOffsets(blocks: readonly Block[]): number {
  const order = [...blocks].sort((a, b) => b.bytes - a.bytes || a.start - b.start || a.end - b.end);
  const done: Block[] = [];
  let size = 0;
  for (const block of order) {
    const rivals = done
      .filter((other) => other.start <= block.end && block.start <= other.end)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + block.bytes <= rival.offset) break;
      offset = Math.max(offset, alignUp(rival.offset + rival.bytes));
    }
    block.offset = offset;
    done.push(block);
    size = Math.max(size, alignUp(offset + block.bytes));
  }
  return size;
}
