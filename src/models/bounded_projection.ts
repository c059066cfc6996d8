/**
 * The last step of a spatial network: back-projection (Irani and Peleg 1991) that stays within what the coarse image allows.
 * Plain back-projection rings: beside a bright edge it makes values below 0 and far above the image (docs/decisions/0008).
 *
 *     y_1 = clamp(y_0 + U a_1),   a_1 = S (x - D y_0)
 *     y_k = clamp(y_0 + U a_k),   a_k = a_(k-1) + s_k S (x - D y_(k-1))          k = 2 .. rounds
 *
 * with U bicubic, D what the coarse sensor sees, S the inverse of D U on the coarse grid (one table of each axis, cut off where
 * it has died away), so that the first round closes exactly but for what is clamped, and the bounds of `low` and `high` from the
 * coarse pixels around (src/graph/ops/bounds.ts). A clamped pixel takes no share of a correction; that leaves gains between
 * LEAST_GAIN and 1 to solve for, and the steps s_k are Chebyshev's for that interval.
 *
 * A loss needs the first round only: later ones move few values, and cost a pass over the fine grid each way.
 */
import type { Value } from '../graph/ir.js';
import { type Bounds, cellTable, clamp, countClamped, neighbourhoodBounds } from '../graph/ops/bounds.js';
import { resample } from '../graph/ops/resample.js';
import { bandedInverse, bicubicTaps, composeTaps, psfTaps, scaleTaps, type Taps } from '../resample/taps.js';
import type { ParameterScope } from './network.js';
import type { BoundedProjection, SpatialModelSpec } from './spec.js';

/** Coarse pixels of the neighbourhood on each side, and how far beyond its range a fine value may go, in ranges. */
export const BOUNDS = { reach: 2, margin: 1 } as const;

/** Coarse pixels on each side that the inverse of D U reads. */
const INVERSE_REACH = 6;
const LEAST_GAIN = 0.1;

/** Chebyshev's steps for gains in [LEAST_GAIN, 1], those of the middle first, so that no round leads far astray. */
export function projectionSteps(rounds: number): number[] {
  const count = rounds - 1;
  const left = Array.from({ length: count }, (_, k) => {
    const node = Math.cos((Math.PI * (2 * k + 1)) / (2 * count));
    return 1 / ((1 + LEAST_GAIN) / 2 + ((1 - LEAST_GAIN) / 2) * node);
  }).sort((a, b) => a - b);
  const steps = [1];
  while (left.length > 0) steps.push(...left.splice(left.length >> 1, 1));
  return steps;
}

/** How far the back-projections of a network see, coarse pixels: sensor 1.5, bicubic 2, the inverse between them. */
export function projectionReach({ backProjections, projection }: SpatialModelSpec): number {
  return projection === undefined || backProjections === 0
    ? 5 * backProjections
    : (5 + INVERSE_REACH) * backProjections;
}

/** Tables of one axis. */
function tablesOf(fine: number, coarse: number, factor: number): { up: Taps; down: Taps; inverse: Taps } {
  const up = bicubicTaps(coarse, fine, 1 / factor);
  const down = psfTaps(fine, coarse, factor);
  return { up, down, inverse: bandedInverse(composeTaps(down, up), INVERSE_REACH) };
}

function boundsOf(scope: ParameterScope, y: Value, x: Value, factor: number, projection: BoundedProjection): Bounds {
  const { builder } = scope;
  const { reach, margin, floor } = projection;
  const floors = Float32Array.from({ length: x.shape[3] }, (_, b) => floor[floor.length === 1 ? 0 : b]!);
  const { low, high } = neighbourhoodBounds(builder, x, floors, reach, margin, 'bounds');
  const table = (fine: number, coarse: number, axis: string) =>
    cellTable(
      builder,
      Array.from({ length: fine }, (_, o) => Math.min(coarse - 1, Math.floor((o + 0.5) / factor))),
      `bounds.${axis}`,
    );
  return {
    low,
    high,
    rows: table(y.shape[1], x.shape[1], 'rows'),
    columns: table(y.shape[2], x.shape[2], 'columns'),
  };
}

/** y [n,H,W,c], moved so that it agrees with x [n,h,w,c] and lies within its bounds. */
export function boundedProject(
  scope: ParameterScope,
  y: Value,
  x: Value,
  ratio: { readonly up: number; readonly down: number },
  rounds: number,
  projection: BoundedProjection,
): Value {
  if (rounds === 0) return y;
  const { builder } = scope;
  const factor = ratio.up / ratio.down;
  const rows = tablesOf(y.shape[1], x.shape[1], factor);
  const columns = tablesOf(y.shape[2], x.shape[2], factor);
  const bounds = boundsOf(scope, y, x, factor, projection);
  const seen = scaleTaps(rows.down, -1);
  let [corrections, fine]: [Value | null, Value] = [null, y];
  projectionSteps(scope.use === 'learn' ? 1 : rounds).forEach((step, k) => {
    const label = `back_projection.${k}`;
    const difference = resample(builder, fine, seen, columns.down, x, label);
    const inverse = step === 1 ? rows.inverse : scaleTaps(rows.inverse, step);
    corrections = resample(builder, difference, inverse, columns.inverse, corrections, `${label}.solved`);
    const moved = resample(builder, corrections, rows.up, columns.up, y, `${label}.up`);
    fine = clamp(builder, moved, bounds, `${label}.clamp`);
  });
  if (scope.use === 'predict') scope.clamped = countClamped(builder, fine, bounds, 'clamped');
  return fine;
}
