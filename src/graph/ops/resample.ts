/**
 * Separable linear resampling with given tables (src/resample/taps.ts makes them: bicubic, point spread function, area):
 *
 *     y[n,Y,X,c] = residual[n,Y,X,c] + sum_{i,j} R[Y,i] C[X,j] x[n, r[Y]+i, s[X]+j, c]
 *
 * x [n,h,w,c]; rows [1,1,H,1+t]: the first number of row Y is r[Y], then its t weights R[Y]; columns [1,1,W,1+u] likewise;
 * residual [n,H,W,c] may be absent. -> y [n,H,W,c].
 * The gradient is the same operator with the transposed tables; nothing is kept for it. The tables are constants.
 */

import { BandliftError } from '../../base/errors.js';
import { type Taps, transposeTaps } from '../../resample/taps.js';
import { type GraphBuilder, type OpDefinition, type Shape, ShapeError, type Value, type ValueType } from '../ir.js';
import { expectShape, f32, required, traffic } from './common.js';

const outSize = (table: ValueType): number => table.shape[2];
const tapCount = (table: ValueType): number => table.shape[3] - 1;

export const resampleOp: OpDefinition = {
  name: 'resample',
  inputs: ['x', 'rows', 'columns', 'residual'],
  outputs: ['y'],
  infer([xIn, rowsIn, columnsIn, residual], _attributes, label) {
    const x = required(xIn, 'resample', label, 'x');
    const tables = [
      ['rows', required(rowsIn, 'resample', label, 'rows'), x.shape[1]],
      ['columns', required(columnsIn, 'resample', label, 'columns'), x.shape[2]],
    ] as const;
    for (const [name, table, size] of tables) {
      expectShape(table, [1, 1, table.shape[2], table.shape[3]], 'resample', label, name);
      if (tapCount(table) < 1 || tapCount(table) > size)
        throw new ShapeError('resample', label, `${name} have ${tapCount(table)} weights for ${size} pixels`);
    }
    const y: Shape = [x.shape[0], outSize(tables[0][1]), outSize(tables[1][1]), x.shape[3]];
    expectShape(residual, y, 'resample', label, 'residual');
    return [f32(y)];
  },
  cost: (operands, results) => {
    const [x, rows, columns] = operands as [ValueType, ValueType, ValueType];
    const vertical = results[0]!.shape[1] * x.shape[2] * tapCount(rows);
    const horizontal = results[0]!.shape[1] * results[0]!.shape[2] * tapCount(columns);
    return { flops: 2 * x.shape[0] * x.shape[3] * (vertical + horizontal), bytes: traffic(operands, results) };
  },
  gradient(g) {
    const dy = g.outputGradient(0);
    const { label } = g.node;
    if (g.node.inputs[3] !== null && g.needs(3)) g.contribute(3, dy);
    if (!g.needs(0)) return;
    const x = g.input(0);
    const rows = transposeTaps(tableTaps(g.input(1), x.shape[1]));
    const columns = transposeTaps(tableTaps(g.input(2), x.shape[2]));
    g.contribute(0, resample(g.builder, dy, rows, columns, null, `${label}.dx`));
  },
  footprint: { kind: 'tables', through: [0], rows: 1, columns: 2 },
  inPlace: [[3, 0]],
  workspace: true,
  plainInputs: [1, 2],
  // either side may have a single pixel
  alike: [0, 3],
  summands: () => [0, 3],
  takes: { addition: { operand: 3, isFree: ({ inputs }) => inputs[3] === null } },
};

/** The table as the instruction reads it. */
function tableValue(builder: GraphBuilder, taps: Taps, name: string): Value {
  const width = taps.taps + 1;
  const data = new Float32Array(taps.outSize * width);
  for (let o = 0; o < taps.outSize; o++) {
    data[o * width] = taps.start[o]!;
    for (let i = 0; i < taps.taps; i++) data[o * width + 1 + i] = taps.weight[o * taps.taps + i]!;
  }
  return builder.constant(name, [1, 1, taps.outSize, width], data);
}

function tableTaps(table: Value, inSize: number): Taps {
  const { data, shape, name } = table;
  if (data === undefined) throw new BandliftError(`resample: table '${name}' is no constant`);
  const [, , outSize, width] = shape;
  const taps = width - 1;
  const weight = new Float64Array(outSize * taps);
  for (let o = 0; o < outSize; o++) for (let i = 0; i < taps; i++) weight[o * taps + i] = data[o * width + 1 + i]!;
  return { inSize, outSize, taps, start: Int32Array.from({ length: outSize }, (_, o) => data[o * width]!), weight };
}

/** x [n,h,w,c] -> [n, rows.outSize, columns.outSize, c] (+ residual). */
export function resample(
  builder: GraphBuilder,
  x: Value,
  rows: Taps,
  columns: Taps,
  residual: Value | null,
  label: string,
): Value {
  if (rows.inSize !== x.shape[1] || columns.inSize !== x.shape[2])
    throw new ShapeError(
      'resample',
      label,
      `tables for ${rows.inSize} x ${columns.inSize} pixels, x has ${x.shape[1]} x ${x.shape[2]}`,
    );
  const tables = [tableValue(builder, rows, `${label}.rows`), tableValue(builder, columns, `${label}.columns`)];
  return builder.apply(resampleOp, [x, ...tables, residual], {}, label)[0]!;
}
