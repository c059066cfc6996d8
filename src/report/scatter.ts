/** Predicted against true values as a picture of their density, with the line on which they would be equal. */
import type { EvaluationResult, ScatterSample } from '../evaluate/result.js';
import { INK } from './chart.js';
import { missing, valueTitle } from './format.js';

/** Cells along each side: more points, finer cells, so that a cell near the line holds several. */
const cellsFor = (points: number): number => Math.round(Math.min(80, Math.max(24, Math.sqrt(points) / 1.2)));
const SIDE = 175;
/** Share of the values at each end that may fall outside the picture, so that one outlier does not shrink the rest. */
const OUTSIDE = 0.001;
export const DENSITY_COLOR = '#27509b';

export interface Density {
  /** Both axes. */
  readonly from: number;
  readonly to: number;
  readonly points: number;
  readonly outside: number;
  readonly side: number;
  /** Cells with points: column along the truth, row along the prediction. */
  readonly cells: readonly { readonly column: number; readonly row: number; readonly count: number }[];
}

/** Counts points in square cells. Pairs with a value that is not a number are left out. */
export function density(sample: ScatterSample, side?: number): Density | undefined {
  const pairs = sample.truth
    .map((t, i) => [t, sample.predicted[i]!] as const)
    .filter(([t, p]) => !missing(t) && !missing(p) && Number.isFinite(t) && Number.isFinite(p));
  if (pairs.length === 0) return undefined;
  const sorted = Float64Array.from(pairs.flat()).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  const [low, high] = [Math.min(0, at(OUTSIDE)), at(1 - OUTSIDE)];
  const [from, to] = high > low ? [low, high] : [low, low + 1];
  const cells = side ?? cellsFor(pairs.length);
  const index = (value: number) => Math.min(cells - 1, Math.floor(((value - from) / (to - from)) * cells));
  const counts = new Map<number, number>();
  let outside = 0;
  for (const [t, p] of pairs) {
    if (t < from || t > to || p < from || p > to) outside++;
    else {
      const cell = index(p) * cells + index(t);
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
  }
  return {
    from,
    to,
    points: pairs.length,
    outside,
    side: cells,
    cells: [...counts].map(([cell, count]) => ({ column: cell % cells, row: Math.floor(cell / cells), count })),
  };
}

/** Cells of density in one colour, more opaque the more points, and the line of equality. */
export function scatterSpec(result: EvaluationResult, d: Density): object {
  const size = (d.to - d.from) / d.side;
  const scale = { domain: [d.from, d.to], nice: false, zero: false };
  const values = d.cells.map(({ column, row, count }) => ({
    x: d.from + column * size,
    x2: d.from + (column + 1) * size,
    y: d.from + row * size,
    y2: d.from + (row + 1) * size,
    count: Math.log(1 + count),
  }));
  const end = [
    { x: d.from, y: d.from },
    { x: d.to, y: d.to },
  ];
  return {
    width: SIDE,
    height: SIDE,
    layer: [
      {
        data: { values },
        mark: { type: 'rect', color: DENSITY_COLOR, clip: true },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            title: valueTitle(result.data.units, 'true'),
            scale,
            axis: { grid: true, tickCount: 4 },
          },
          x2: { field: 'x2' },
          y: {
            field: 'y',
            type: 'quantitative',
            title: valueTitle(result.data.units, 'predicted'),
            scale,
            axis: { tickCount: 4 },
          },
          y2: { field: 'y2' },
          opacity: { field: 'count', type: 'quantitative', scale: { zero: true, range: [0.2, 1] }, legend: null },
        },
      },
      {
        data: { values: end },
        mark: { type: 'line', color: INK.soft, strokeWidth: 1, strokeDash: [4, 3] },
        encoding: { x: { field: 'x', type: 'quantitative' }, y: { field: 'y', type: 'quantitative' } },
      },
    ],
  };
}
