/** softmax_mixing: K endmembers of c bands. */
import type { Shape } from '../../src/graph/ir.js';
import { softmaxMixing } from '../../src/graph/ops/softmax_mixing.js';
import type { Fill, OpCase, OpCases } from './case.js';

const mixCase = (logits: Shape, bands: number, bench = false, fill: Record<string, Fill> = {}): OpCase => ({
  name: `[${logits.join(',')}] -> ${bands}${fill.logits ? ' extreme logits' : ''}`,
  build(b) {
    const l = b.input('logits', logits);
    const { mixed, abundances } = softmaxMixing(b, l, b.parameter('endmembers', [1, 1, logits[3], bands]), 'y');
    b.output('y', mixed);
    b.output('abundances', abundances);
  },
  fill,
  differentiate: 'y',
  bench,
});

export const softmaxMixingCases: OpCases = {
  op: 'softmax_mixing',
  // a difference of two sums
  storedSpacings: 1,
  tolerance: { absolute: 2e-5, relative: 1e-4 },
  reason: 'float32 sums of up to 340 products, a difference of two such sums in dlogits',
  cases: [
    mixCase([1, 1, 1, 1], 1),
    mixCase([1, 1, 1, 16], 340),
    mixCase([3, 5, 7, 5], 20),
    mixCase([3, 1, 13, 2], 1),
    mixCase([2, 11, 3, 17], 37),
    mixCase([1, 2, 3, 4], 5, false, { logits: { value: 200 } }),
    mixCase([1, 256, 256, 16], 340, true),
  ],
};
