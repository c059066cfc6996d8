/**
 * NaN must not vanish in a ReLU that a library computes with its convolution: losses and predictions would look healthy.
 * Results of 64 MiB and more are what cuDNN is given with its epilogue (native/cuda/cudnn/provider.h: fuse_from_bytes).
 */
import { describe, expect, it } from 'vitest';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { GraphBuilder } from '../../src/graph/ir.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import { describeGpu, emulated, openGpu, precisions, providers } from './support/gpu.js';

const BAD_PIXEL = 12345;

describeGpu('NaN on the GPU', () => {
  describe.each(precisions)('in %s', (precision) => {
    // the emulation computes small results alone
    const [side, co] = emulated ? [128, 8] : [512, precision === 'fp32' || precision === 'tf32' ? 72 : 144];
    it.each(providers)('passes bias, residual and ReLU of a convolution by %s', async (provider) => {
      const b = new GraphBuilder();
      const x = b.input('x', [1, side, side, 8]);
      const [w, bias] = [b.parameter('w', [co, 8, 1, 1]), b.parameter('b', [1, 1, 1, co])];
      const residual = b.input('residual', [1, side, side, co]);
      b.output('y', conv2d(b, x, w, { bias, residual, activation: 'relu', shuffle: 1 }, 'y'));
      const { device } = await openGpu(precision, provider);
      const runner = new GraphRunner(device, b.build(), precision);
      try {
        runner.set('w', new Float32Array(8 * co).fill(0.5));
        runner.set('b', new Float32Array(co).fill(-1));
        const input = new Float32Array(side * side * 8).fill(1);
        input[8 * BAD_PIXEL + 3] = Number.NaN;
        const y = (
          await runner.run(
            new Map([
              ['x', input],
              ['residual', new Float32Array(side * side * co).fill(2)],
            ]),
          )
        ).get('y')!;
        // 8 * 0.5 - 1 + 2, exact in every type
        const wrong = y.findIndex((v, i) => (Math.floor(i / co) === BAD_PIXEL ? !Number.isNaN(v) : v !== 5));
        expect(wrong, `pixel ${Math.floor(wrong / co)} holds ${y[wrong]}`).toBe(-1);
      } finally {
        runner.dispose();
        device.dispose();
      }
    });
  });
});
