/** Every table the networks use, at sizes where edges, folded taps and odd channels matter. */
import type { GraphBuilder, Shape } from '../../src/graph/ir.js';
import { resample } from '../../src/graph/ops/resample.js';
import { areaTaps, bicubicTaps, psfTaps, type Taps } from '../../src/resample/taps.js';
import type { OpCase, OpCases } from './case.js';

function up(x: Shape, rows: Taps, columns: Taps, name: string, residual = false, bench = false): OpCase {
  const size = [x[0], rows.outSize, columns.outSize, x[3]] as const;
  return {
    name: `${name} [${x.join(',')}] -> ${rows.outSize} x ${columns.outSize}${residual ? ' residual' : ''}`,
    build(b: GraphBuilder) {
      const input = b.input('x', x);
      b.output('y', resample(b, input, rows, columns, residual ? b.input('residual', size) : null, 'y'));
    },
    differentiate: 'y',
    bench,
  };
}

const exact = (size: number) => bicubicTaps(size, Math.floor(7.5 * size), 1 / 7.5);

export const resampleCases: OpCases = {
  op: 'resample',
  tolerance: { absolute: 1e-5, relative: 1e-5 },
  reason: 'float32 sums of at most 30 x 30 products with weights that add up to 1 (transposed: to 7.5 x 7.5)',
  cases: [
    up([1, 1, 1, 1], bicubicTaps(1, 1), bicubicTaps(1, 1), 'one pixel'),
    up([1, 1, 2, 3], bicubicTaps(1, 7), exact(2), 'bicubic of few pixels'),
    up([2, 4, 6, 5], exact(4), exact(6), 'bicubic'),
    up([1, 5, 3, 17], exact(5), exact(3), 'bicubic, floor', true),
    up([2, 16, 24, 20], bicubicTaps(16, 15), bicubicTaps(24, 22), 'bicubic down', true),
    up([1, 30, 45, 7], psfTaps(30, 4, 7.5), psfTaps(45, 6, 7.5), 'psf', true),
    up([1, 37, 22, 3], psfTaps(37, 5, 7.5), psfTaps(22, 3, 7.5), 'psf, last pixel cut'),
    up([3, 15, 10, 33], areaTaps(15, 2, 7.5), areaTaps(10, 4, 2.5), 'area'),
    up([1, 34, 34, 340], exact(34), exact(34), 'bicubic', false, true),
    up([1, 272, 272, 340], bicubicTaps(272, 255), bicubicTaps(272, 255), 'resize', true, true),
    up([1, 255, 255, 340], psfTaps(255, 34, 7.5), psfTaps(255, 34, 7.5), 'psf', true, true),
  ],
};
