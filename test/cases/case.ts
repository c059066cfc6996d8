/** What a case table is made of; test/ops runs every case against the reference, bench/ops.ts times those with `bench`. */

import { Random } from '../../src/base/random.js';
import type { Graph, GraphBuilder, Shape } from '../../src/graph/ir.js';
import { GraphBuilder as Builder, elements } from '../../src/graph/ir.js';
import type { Tolerance } from '../support/allclose.js';

/** How the numbers of an input are made. */
export type Fill =
  | 'normal'
  | 'uniform'
  | 'mask'
  | 'ones'
  | 'zeros'
  | { readonly value: number }
  | { readonly cycle: readonly number[] }
  /** Whole numbers: those of column k lie in [0, columnsBelow[k]). */
  | { readonly columnsBelow: readonly number[] };

export interface OpCase {
  readonly name: string;
  /** Declares the operands and outputs of a graph with this one operator. */
  readonly build: (b: GraphBuilder) => void;
  /** By operand name; 'normal' where nothing is said. Parameters are scaled by 1/sqrt(fan-in) like a network's. */
  readonly fill?: Readonly<Record<string, Fill>>;
  /** Output to differentiate (vector-Jacobian product); absent: forward only. */
  readonly differentiate?: string;
  /** A realistic size, for the benchmark; too slow for the float64 reference. */
  readonly bench?: boolean;
}

export interface OpCases {
  readonly op: string;
  readonly tolerance: Tolerance;
  /** Why the tolerance is what it is. */
  readonly reason: string;
  /**
   * What a result may be off by besides, where a device stores images in 16 bits: in spacings of that type at the largest
   * result. Wanted where sums or slopes are made of stored numbers that may themselves come out as their neighbours.
   */
  readonly storedSpacings?: number;
  readonly cases: readonly OpCase[];
}

export function buildCase(c: OpCase): Graph {
  const builder = new Builder();
  c.build(builder);
  return builder.build();
}

/** Numbers for every input, parameter and state of a graph, from a fixed seed; f64 inputs stay f64. */
export function fillCase(c: OpCase, graph: Graph): Map<string, Float32Array | Float64Array> {
  const random = new Random(11);
  const numbers = new Map<string, Float32Array | Float64Array>();
  for (const value of graph.values) {
    if (value.role === 'node' || value.role === 'constant') continue;
    const array =
      value.dtype === 'f64' ? new Float64Array(elements(value.shape)) : new Float32Array(elements(value.shape));
    const kind = c.fill?.[value.name] ?? 'normal';
    const scale = value.role === 'parameter' ? 1 / Math.sqrt(fanIn(value.shape)) : 1;
    for (let i = 0; i < array.length; i++) array[i] = sample(kind, random, i) * scale;
    numbers.set(value.name, array);
  }
  return numbers;
}

const fanIn = ([, ci, kh, kw]: Shape): number => ci * kh * kw;

function sample(kind: Fill, random: Random, i: number): number {
  if (typeof kind === 'object') {
    if ('value' in kind) return kind.value;
    if ('cycle' in kind) return kind.cycle[i % kind.cycle.length]!;
    return random.integer(kind.columnsBelow[i % kind.columnsBelow.length]!);
  }
  switch (kind) {
    case 'normal':
      return random.normal();
    case 'uniform':
      return random.uniform();
    case 'mask':
      return random.uniform() < 0.7 ? 1 : 0;
    case 'ones':
      return 1;
    case 'zeros':
      return 0;
  }
}

/** Odd sizes that every operator must survive: one pixel, one band, primes, a batch of three. */
export const ODD_SHAPES: readonly Shape[] = [
  [1, 1, 1, 1],
  [1, 1, 1, 340],
  [1, 5, 7, 1],
  [3, 1, 13, 7],
  [3, 11, 5, 17],
  [2, 7, 3, 37],
];

/** One training patch of the documented size. */
export const PATCH: Shape = [1, 256, 256, 340];
