/** grad_norm and adam on flat vectors. */
import { type OptimizerState, optimizerStep } from '../../src/graph/ops/optimizer.js';
import type { OpCase, OpCases } from './case.js';

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

function adamCase(length: number, ema: boolean, scalars: number, bench = false): OpCase {
  return {
    name: `${length} parameters${ema ? ' with average' : ''}, scalars all ${scalars}`,
    build(b) {
      const vector = [1, 1, 1, length] as const;
      const state: OptimizerState = {
        g: b.input('g', vector),
        scalars: b.state('scalars', [1, 1, 1, 8]),
        param: b.state('param', vector),
        m: b.state('m', vector),
        v: b.state('v', vector),
        ema: ema ? b.state('ema', vector) : null,
      };
      const { norm, updated } = optimizerStep(b, state, ADAM);
      b.output('norm', norm);
      updated.forEach((value, i) => {
        b.output(['param', 'm', 'v', 'ema'][i]!, value);
      });
    },
    // one number serves as learning rate, bias corrections, decay and max norm: the formula is linear enough to tell them apart
    fill: { scalars: { value: scalars }, v: 'uniform' },
    bench,
  };
}

export const adamCases: OpCases = {
  op: 'adam',
  tolerance: { absolute: 1e-6, relative: 1e-5 },
  reason: 'float32 arithmetic of a dozen roundings; the norm is summed in double',
  cases: [
    adamCase(1, true, 0.5),
    adamCase(7, false, 0.25),
    adamCase(1009, true, 0.125),
    adamCase(4099, true, 0.75),
    adamCase(4_276_297, true, 0.5, true),
  ],
};
