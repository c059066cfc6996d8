/** Any place, any turn: square patches take all eight, others those that keep their shape. */
import type { Shape } from '../../src/graph/ir.js';
import { gatherPatches } from '../../src/graph/ops/gather_patches.js';
import { type OpCase, type OpCases, PATCH } from './case.js';

/** `places` patches of the held ones. Turns and places are drawn below the same number: 8, or for places fewer. */
function gathered([held, h, w, c]: Shape, batch: number, side: 'input' | 'target', bench = false): OpCase {
  return {
    name: `${batch} of [${held},${h},${w},${c}] ${side}`,
    build: (b) => {
      const source = b.input('source', [held, h, w, c]);
      b.output('y', gatherPatches(b, source, b.input('places', [1, 1, batch, 3], 'f64'), side, 'y'));
    },
    fill: { places: { columnsBelow: [held, held, h === w ? 8 : 1] } },
    bench,
  };
}

export const gatherPatchesCases: OpCases = {
  op: 'gather_patches',
  tolerance: { absolute: 0, relative: 0 },
  reason: 'numbers are moved as they are',
  cases: [
    gathered([1, 1, 1, 1], 1, 'input'),
    gathered([5, 3, 3, 7], 9, 'input'),
    gathered([4, 6, 6, 340], 3, 'target'),
    gathered([3, 5, 5, 1], 8, 'target'),
    gathered([4, 2, 7, 12], 5, 'input'),
    gathered([2, 16, 16, 33], 12, 'target'),
    gathered([8, PATCH[1], PATCH[2], PATCH[3]], 4, 'target', true),
  ],
};
