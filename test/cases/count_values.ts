/** Counts of bits: of normal numbers, sign and exponent are 383 in [1, 2), 382 in [1/2, 1), 128 in (-2, -1]. */
import type { Shape } from '../../src/graph/ir.js';
import { countValues } from '../../src/graph/ops/count_values.js';
import type { OpCase, OpCases } from './case.js';

interface Pass {
  readonly settled: number;
  readonly bits: number;
  readonly slots: number;
  readonly perBand: boolean;
  readonly prefixes: readonly number[];
}

const LEADING = { settled: 0, slots: 1, perBand: false, prefixes: [0] };

function countCase(shape: Shape, pass: Pass, masks = false, bench = false): OpCase {
  const { settled, bits, slots, perBand } = pass;
  return {
    name: `[${shape.join(',')}] ${settled}+${bits} bits, ${slots} slots${perBand ? ' per band' : ''}${masks ? ' masks' : ''}`,
    build(b) {
      const [n, h, w, c] = shape;
      const populations = perBand ? c : 1;
      const counts = countValues(
        b,
        {
          values: b.input('values', shape),
          pixelMask: masks ? b.input('pixel_mask', [n, h, w, 1]) : null,
          bandMask: masks ? b.input('band_mask', [1, 1, 1, c]) : null,
          prefixes: b.input('prefixes', [1, 1, populations, slots], 'f64'),
          counts: b.state('counts', [1, populations, slots, 2 ** bits], 'f64'),
        },
        { settled, bits },
        'count',
      );
      b.output('counts', counts);
    },
    fill: { prefixes: { cycle: pass.prefixes }, counts: 'ones', pixel_mask: 'mask', band_mask: 'mask' },
    bench,
  };
}

export const countValuesCases: OpCases = {
  op: 'count_values',
  tolerance: { absolute: 0, relative: 0 },
  reason: 'whole numbers',
  cases: [
    countCase([1, 1, 1, 1], { ...LEADING, bits: 16 }),
    countCase([1, 1, 1, 340], { ...LEADING, bits: 1 }),
    countCase([3, 5, 7, 7], { ...LEADING, bits: 9 }),
    countCase([3, 11, 5, 17], { ...LEADING, bits: 10, perBand: true }, true),
    countCase([2, 7, 3, 37], { settled: 9, bits: 5, slots: 3, perBand: false, prefixes: [383, 128, 382] }, true),
    // a slot that repeats the first counts nothing
    countCase([2, 7, 9, 5], { settled: 9, bits: 7, slots: 4, perBand: true, prefixes: [383, 128, 383, 382] }),
    countCase([1, 23, 31, 3], { settled: 1, bits: 12, slots: 2, perBand: true, prefixes: [0, 1] }, true),
    countCase([1, 1, 3, 1], { settled: 31, bits: 1, slots: 2, perBand: false, prefixes: [2 ** 31 - 1, 1] }),
    countCase([1, 256, 256, 340], { ...LEADING, bits: 16 }, false, true),
    countCase([1, 256, 256, 340], { settled: 9, bits: 10, slots: 2, perBand: true, prefixes: [383, 128] }, true, true),
  ],
};
