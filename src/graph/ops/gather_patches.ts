/**
 * A batch out of patches that the device holds: y[i] = source[places[i][column]], turned by places[i][2] (0..7, as
 * data/assemble.ts defines turns). source f32 [N,h,w,c]; places f64 [1,1,n,3] holds for each patch of the batch its place
 * among the inputs (column 0), its place among the targets (column 1), and its turn; y [n,h,w,c]. Not differentiated: it
 * stands before the network.
 */
import { type GraphBuilder, type OpDefinition, ShapeError, type Value } from '../ir.js';
import { expectShape, f32, number, required, traffic } from './common.js';

/** Numbers of a patch in `places`. */
export const PLACE_COLUMNS = 3;

export const gatherPatchesOp: OpDefinition = {
  name: 'gather_patches',
  inputs: ['source', 'places'],
  outputs: ['y'],
  infer([sourceIn, placesIn], { column }, label) {
    const op = 'gather_patches';
    const source = required(sourceIn, op, label, 'source');
    const places = required(placesIn, op, label, 'places');
    const [, h, w, c] = source.shape;
    expectShape(places, [1, 1, places.shape[2], PLACE_COLUMNS], op, label, 'places');
    if (column !== 0 && column !== 1) throw new ShapeError(op, label, `column is ${column}, expected 0 or 1`);
    return [f32([places.shape[2], h, w, c])];
  },
  // what it reads of the source is as much as it writes
  cost: ([, places], results) => ({ flops: 0, bytes: traffic([places!], results) + traffic([], results) }),
  plainInputs: [0, 1],
  params: { column: number() },
};

/** `side`: whose place counts. */
export function gatherPatches(
  builder: GraphBuilder,
  source: Value,
  places: Value,
  side: 'input' | 'target',
  label: string,
): Value {
  return builder.apply(gatherPatchesOp, [source, places], { column: side === 'input' ? 0 : 1 }, label)[0]!;
}
