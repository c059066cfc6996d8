/**
 * Where everything that outlives a run lies: trained parameters in one flat buffer, frozen ones in a second, gradients
 * and moments flat in the order of the first, so that the optimizer is one pass over vectors.
 */

import type { Place } from '../compiler/lower.js';
import { ALIGNMENT, alignUp } from '../compiler/plan.js';
import { byteLength, type Graph } from '../graph/ir.js';
import type { ParameterInfo } from '../models/network.js';

/** Buffers of every program, in this order. */
export const BUFFER = {
  arena: 0,
  parameters: 1,
  frozen: 2,
  gradients: 3,
  m: 4,
  v: 5,
  ema: 6,
  scalars: 7,
  constants: 8,
} as const;
export const BUFFER_COUNT = 9;

export interface StoredParameter extends ParameterInfo {
  readonly count: number;
  /** Byte offset in the buffer of trained or of frozen parameters. */
  readonly offset: number;
}

export class ParameterStorage {
  readonly parameters: readonly StoredParameter[];
  /** Bytes of the trained and of the frozen parameters, each starting on a cache line. */
  readonly trainedBytes: number;
  readonly frozenBytes: number;
  readonly #byName: ReadonlyMap<string, StoredParameter>;

  constructor(infos: readonly ParameterInfo[]) {
    let trained = 0;
    let frozen = 0;
    this.parameters = infos.map((info) => {
      const count = info.shape.reduce((product, size) => product * size, 1);
      const offset = info.frozen ? frozen : trained;
      if (info.frozen) frozen += alignUp(count * 4);
      else trained += alignUp(count * 4);
      return { ...info, count, offset };
    });
    this.trainedBytes = trained;
    this.frozenBytes = frozen;
    this.#byName = new Map(this.parameters.map((p) => [p.name, p]));
  }

  get(name: string): StoredParameter | undefined {
    return this.#byName.get(name);
  }

  /** Length of the flat vectors of trained parameters, padding included. */
  get trainedLength(): number {
    return this.trainedBytes / 4;
  }

  /** Places of a graph's parameters, gradient sums (`grad.<name>`), optimizer vectors and constants. */
  placer(graph: Graph): (id: number) => Place | undefined {
    const { offsets } = constantLayout(graph);
    return (id) => {
      const { role, name } = graph.values[id]!;
      if (role === 'constant') return { buffer: BUFFER.constants, offset: offsets.get(id)! };
      if (role === 'parameter') {
        const p = this.#byName.get(name)!;
        return { buffer: p.frozen ? BUFFER.frozen : BUFFER.parameters, offset: p.offset };
      }
      if (role !== 'state') return undefined;
      const flat = FLAT[name];
      if (flat !== undefined) return { buffer: flat, offset: 0 };
      return { buffer: BUFFER.gradients, offset: this.#byName.get(name.slice('grad.'.length))!.offset };
    };
  }
}

/** Where a graph's constants lie in its program's own buffer of constants. */
export function constantLayout(graph: Graph): { bytes: number; offsets: ReadonlyMap<number, number> } {
  const offsets = new Map<number, number>();
  let bytes = 0;
  for (const value of graph.values) {
    if (value.role !== 'constant') continue;
    offsets.set(value.id, bytes);
    bytes += alignUp(byteLength(value));
  }
  return { bytes, offsets };
}

/** States of the optimizer's graph. */
const FLAT: Readonly<Record<string, number>> = {
  g: BUFFER.gradients,
  param: BUFFER.parameters,
  m: BUFFER.m,
  v: BUFFER.v,
  ema: BUFFER.ema,
  scalars: BUFFER.scalars,
};

/** A buffer is never empty: a model without trained parameters still has addresses. */
export const atLeastOneLine = (bytes: number): number => Math.max(bytes, ALIGNMENT);
