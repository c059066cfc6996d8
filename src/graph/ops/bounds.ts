/**
 * Bounds from the neighbourhood of a coarse image, and clamping a finer image between them.
 *
 *     neighbourhood_bounds   m, M: least and greatest x over the (2 radius + 1)^2 pixels around that lie in the image
 *                            low = max(m - margin (M - m), min(floor, m + 2^-20 |floor|)),   high = M + margin (M - m)
 *     clamp                  y = min(max(x, low[cell]), high[cell])              dx = dy where low < y < high, else 0
 *     count_clamped          channels of y that lie on a bound, where low < high
 *
 * neighbourhood_bounds: x [n,h,w,c], floor [1,1,1,c] -> low, high [n,h,w,c]. clamp: x [n,H,W,c], low and high [n,h,w,c], rows
 * [1,1,H,2] and columns [1,1,W,2]: the coarse row and column over each fine one, then 1 (tables of resample with one tap).
 * The bounds are constants of a step: no gradient flows through them. That of a clamped value is 0 (a subgradient).
 */
import { BandliftError } from '../../base/errors.js';
import {
  type Footprint,
  type GraphBuilder,
  type OpDefinition,
  type Shape,
  ShapeError,
  type Value,
  type ValueType,
} from '../ir.js';
import { expectShape, f32, number, required, streamingCost, traffic } from './common.js';

// ---- bounds ----

export const neighbourhoodBoundsOp: OpDefinition = {
  name: 'neighbourhood_bounds',
  inputs: ['x', 'floor'],
  outputs: ['low', 'high'],
  infer([xIn, floor], { radius, margin }, label) {
    const x = required(xIn, 'neighbourhood_bounds', label, 'x');
    const row: Shape = [1, 1, 1, x.shape[3]];
    expectShape(required(floor, 'neighbourhood_bounds', label, 'floor'), row, 'neighbourhood_bounds', label, 'floor');
    if (!(Number.isSafeInteger(radius) && (radius as number) >= 0 && (margin as number) >= 0))
      throw new ShapeError('neighbourhood_bounds', label, `radius ${radius} and margin ${margin} must not be below 0`);
    return [x, x];
  },
  cost: (operands, results, { radius }) => ({
    flops: 2 * (2 * (radius as number) + 1) ** 2 * streamingCost(1)(operands, results).flops,
    bytes: traffic(operands, results),
  }),
  footprint: { kind: 'window', reach: ({ radius }) => [radius as number, radius as number] },
  params: { radius: number(), margin: number() },
  plainInputs: [1],
  alike: [0],
  summands: () => [0],
};

/** x [n,h,w,c] -> what the pixels around each of x's allow, never below `floor` [c] where nothing around is. */
export function neighbourhoodBounds(
  builder: GraphBuilder,
  x: Value,
  floor: Float32Array,
  radius: number,
  margin: number,
  label: string,
): { low: Value; high: Value } {
  const row = builder.constant(`${label}.floor`, [1, 1, 1, x.shape[3]], floor);
  const [low, high] = builder.apply(neighbourhoodBoundsOp, [x, row], { radius, margin }, label);
  return { low: low!, high: high! };
}

// ---- clamp ----

/** The bounds lie on a grid of their own. */
const CELLS: Footprint = { kind: 'tables', through: [1, 2], rows: 3, columns: 4 };

type Operand = ValueType | null | undefined;

/** Checks what all three operators share; returns the fine image. */
function checkClamp(op: string, [fineIn, lowIn, high, rows, columns]: readonly Operand[], label: string): ValueType {
  const fine = required(fineIn, op, label, 'the fine image');
  const low = required(lowIn, op, label, 'low');
  const [n, h, w, c] = fine.shape;
  expectShape(low, [n, low.shape[1], low.shape[2], c], op, label, 'low');
  expectShape(required(high, op, label, 'high'), low.shape, op, label, 'high');
  expectShape(required(rows, op, label, 'rows'), [1, 1, h, 2], op, label, 'rows');
  expectShape(required(columns, op, label, 'columns'), [1, 1, w, 2], op, label, 'columns');
  return fine;
}

export const clampForward: OpDefinition = {
  name: 'clamp_forward',
  inputs: ['x', 'low', 'high', 'rows', 'columns'],
  outputs: ['y'],
  infer: (operands, _attributes, label) => [checkClamp('clamp', operands, label)],
  cost: streamingCost(2),
  gradient(g) {
    if (!g.needs(0)) return;
    const bounds = [1, 2, 3, 4].map((i) => g.input(i));
    const dx = g.builder.apply(
      clampBackward,
      [g.output(0), ...bounds, g.outputGradient(0)],
      {},
      `${g.node.label}.dx`,
    )[0]!;
    g.contribute(0, dx);
  },
  footprint: CELLS,
  inPlace: [[0, 0]],
  plainInputs: [3, 4],
  alike: [0, 1, 2],
  summands: () => [0, 1, 2],
};

export const clampBackward: OpDefinition = {
  name: 'clamp_backward',
  inputs: ['y', 'low', 'high', 'rows', 'columns', 'dy'],
  outputs: ['dx'],
  infer(operands, _attributes, label) {
    const y = checkClamp('clamp_backward', operands, label);
    expectShape(required(operands[5], 'clamp_backward', label, 'dy'), y.shape, 'clamp_backward', label, 'dy');
    return [y];
  },
  cost: streamingCost(2),
  inPlace: [[5, 0]],
  plainInputs: [3, 4],
  alike: [0, 1, 2, 5],
};

export const countClampedOp: OpDefinition = {
  name: 'count_clamped',
  inputs: ['y', 'low', 'high', 'rows', 'columns'],
  outputs: ['counts'],
  infer(operands, _attributes, label) {
    const [n, h, w] = checkClamp('count_clamped', operands, label).shape;
    return [f32([n, h, w, 1])];
  },
  cost: streamingCost(2),
  footprint: CELLS,
  plainInputs: [3, 4],
  readsPrediction: true,
};

/** What a fine image is clamped to: bounds on a coarse grid, and which coarse row and column lie over each fine one. */
export interface Bounds {
  readonly low: Value;
  readonly high: Value;
  readonly rows: Value;
  readonly columns: Value;
}

/** The table of one axis: `cells[o]` lies over output o. */
export function cellTable(builder: GraphBuilder, cells: ArrayLike<number>, name: string): Value {
  const data = new Float32Array(2 * cells.length);
  for (let o = 0; o < cells.length; o++) {
    if (!(cells[o]! >= 0)) throw new BandliftError(`clamp: output ${o} lies in cell ${cells[o]}`);
    data.set([cells[o]!, 1], 2 * o);
  }
  return builder.constant(name, [1, 1, cells.length, 2], data);
}

const operandsOf = (x: Value, { low, high, rows, columns }: Bounds): Value[] => [x, low, high, rows, columns];

/** x [n,H,W,c], no value beyond its bounds. */
export function clamp(builder: GraphBuilder, x: Value, bounds: Bounds, label: string): Value {
  return builder.apply(clampForward, operandsOf(x, bounds), {}, label)[0]!;
}

/** Of a clamped image, how many channels of each pixel lie on a bound: [n,H,W,1]. */
export function countClamped(builder: GraphBuilder, y: Value, bounds: Bounds, label: string): Value {
  return builder.apply(countClampedOp, operandsOf(y, bounds), {}, label)[0]!;
}
