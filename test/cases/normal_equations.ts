/** Sums of least squares: f features, c bands. */
import type { Shape } from '../../src/graph/ir.js';
import { normalEquations } from '../../src/graph/ops/normal_equations.js';
import type { OpCase, OpCases } from './case.js';

function normalCase(features: Shape, bands: number, mask: boolean, bench = false): OpCase {
  return {
    name: `[${features.join(',')}] -> ${bands}${mask ? ' pixel mask' : ''}`,
    build(b) {
      const [n, h, w, f] = features;
      const { gram, cross } = normalEquations(
        b,
        {
          features: b.input('features', features),
          y: b.input('y', [n, h, w, bands]),
          pixelMask: mask ? b.input('pixel_mask', [n, h, w, 1]) : null,
          gram: b.state('gram', [1, 1, f + 1, f + 1], 'f64'),
          cross: b.state('cross', [1, 1, f + 1, bands], 'f64'),
        },
        'normal',
      );
      b.output('gram', gram);
      b.output('cross', cross);
    },
    fill: { pixel_mask: 'mask', gram: 'ones', cross: 'ones' },
    bench,
  };
}

export const normalEquationsCases: OpCases = {
  op: 'normal_equations',
  tolerance: { absolute: 1e-9, relative: 1e-9 },
  reason: 'products and sums in double from float32 operands',
  cases: [
    normalCase([1, 1, 1, 1], 1, false),
    normalCase([1, 1, 1, 35], 340, false),
    normalCase([3, 5, 7, 7], 20, false),
    normalCase([2, 11, 3, 13], 37, true),
    normalCase([1, 1, 3, 2], 5, true),
    normalCase([1, 256, 256, 35], 340, false, true),
  ],
};
