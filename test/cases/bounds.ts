/** Bounds of neighbourhoods at borders and beyond them, and clamping under cells of any size, in any order. */
import type { GraphBuilder, Shape, Value } from '../../src/graph/ir.js';
import { type Bounds, cellTable, clamp, countClamped, neighbourhoodBounds } from '../../src/graph/ops/bounds.js';
import type { OpCase, OpCases } from './case.js';

const around = (x: Shape, radius: number, margin: number, floor: number, bench = false): OpCase => ({
  name: `neighbourhood [${x.join(',')}] radius ${radius} margin ${margin} floor ${floor}`,
  build(b: GraphBuilder) {
    const floors = Float32Array.from({ length: x[3] }, (_, k) => floor + 0.125 * (k % 3));
    const { low, high } = neighbourhoodBounds(b, b.input('x', x), floors, radius, margin, 'bounds');
    b.output('low', low);
    b.output('high', high);
  },
  bench,
});

/** Bounds that are inputs of their own; those of every fifth number are one. */
function given(b: GraphBuilder, coarse: Shape, rows: readonly number[], columns: readonly number[]): Bounds {
  return {
    low: b.input('low', coarse),
    high: b.input('high', coarse),
    rows: cellTable(b, rows, 'rows'),
    columns: cellTable(b, columns, 'columns'),
  };
}

const BETWEEN = { low: { cycle: [-0.5, -1, 0.1, -2, 0.3] }, high: { cycle: [0.5, 0.25, 0.75, 1, 0.3] } } as const;

function clamped(
  coarse: Shape,
  rows: readonly number[],
  columns: readonly number[],
  make: (b: GraphBuilder, x: Value, bounds: Bounds) => Value,
  name: string,
  differentiate: boolean,
  bench = false,
): OpCase {
  const fine: Shape = [coarse[0], rows.length, columns.length, coarse[3]];
  return {
    name: `${name} [${fine.join(',')}] in ${coarse[1]} x ${coarse[2]} cells`,
    build: (b) => b.output('y', make(b, b.input('x', fine), given(b, coarse, rows, columns))),
    fill: BETWEEN,
    ...(differentiate ? { differentiate: 'y' } : {}),
    bench,
  };
}

const cells = (size: number) => Array.from({ length: Math.floor(7.5 * size) }, (_, o) => Math.floor((o + 0.5) / 7.5));

const SHAPES: readonly (readonly [Shape, readonly number[], readonly number[]])[] = [
  [[1, 1, 1, 1], [0], [0]],
  [
    [1, 1, 2, 3],
    [0, 0],
    [1, 0, 1],
  ],
  [
    [2, 3, 2, 5],
    [0, 0, 1, 2, 2],
    [0, 1, 1],
  ],
  [[3, 2, 3, 17], cells(2), cells(3)],
];

export const boundsCases: OpCases = {
  op: 'bounds',
  tolerance: { absolute: 1e-6, relative: 1e-6 },
  reason: 'float32: a difference, a product and a sum of numbers near 1; clamping moves numbers as they are',
  cases: [
    around([1, 1, 1, 1], 2, 1, 0),
    around([2, 3, 4, 5], 1, 0.5, -4),
    around([1, 5, 3, 17], 2, 1, -0.5),
    around([1, 7, 2, 33], 0, 2, 0.25),
    around([1, 34, 34, 340], 2, 1, 0, true),
    ...SHAPES.map(([coarse, rows, columns]) =>
      // the input's gradient alone: bounds are constants of a step
      clamped(coarse, rows, columns, (b, x, bounds) => clamp(b, x, bounds, 'y'), 'clamp', false),
    ),
    ...SHAPES.map(([coarse, rows, columns]) =>
      clamped(
        coarse,
        rows,
        columns,
        (b, x, bounds) => countClamped(b, clamp(b, x, bounds, 'c'), bounds, 'y'),
        'count',
        false,
      ),
    ),
    clamped([1, 34, 34, 340], cells(34), cells(34), (b, x, bounds) => clamp(b, x, bounds, 'y'), 'clamp', false, true),
  ],
};
