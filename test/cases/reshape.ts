/** Views: the raster and wavelength axes. */
import { add } from '../../src/graph/ops/add.js';
import { reshape } from '../../src/graph/ops/reshape.js';
import { ODD_SHAPES, type OpCases } from './case.js';

export const reshapeCases: OpCases = {
  op: 'reshape',
  tolerance: { absolute: 0, relative: 0 },
  reason: 'the same numbers',
  cases: ODD_SHAPES.map(([n, h, w, c]) => ({
    name: `[${[n, h, w, c].join(',')}] raster and back, doubled`,
    build(b) {
      const x = b.input('x', [n, h, w, c]);
      const raster = reshape(b, x, [n, 1, h * w, c], 'raster');
      b.output('y', reshape(b, add(b, raster, raster, 'twice'), [n, h * w, c, 1], 'y'));
    },
    differentiate: 'y',
  })),
};
