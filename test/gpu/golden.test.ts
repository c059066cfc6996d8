/**
 * Whole training steps of the golden networks on the GPU: in fp32 within the tolerances of `bandlift verify` of PyTorch's
 * numbers; in the other precisions beside the CPU, which test/engine/golden.test.ts holds within them.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Precision } from '../../src/engine/precision.js';
import { goldenPath } from '../support/golden.js';
import { chooseProvider, describeGpu, emulated, precisions, providers } from './support/gpu.js';
import { norm, type Recorded, recordGolden, relativeError } from './support/recorded.js';
import { SPACING } from './support/rounding.js';

const NETS = ['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight'];

/** The stand-in for cuDNN is slow, in 16 bits above all; the native tests compare it case by case. */
function affordable(net: string, provider: string, precision: Precision): boolean {
  if (!emulated || provider === 'own' || precision === 'fp32') return true;
  return net === 'spectral_sr' || (net === 'spectral_unmixing' && precision === 'bf16');
}

function wholeGradient({ gradients }: Recorded): Float64Array {
  return Float64Array.from([...gradients].filter(([name]) => name !== 'input').flatMap(([, values]) => [...values]));
}

/** `u` is the relative error of one rounding. */
function expectNear(actual: Recorded, expected: Recorded, u: number): void {
  // each layer rounds its operands; errors of successive layers are independent, so that a dozen layers give about 3 u
  expect(relativeError(actual.output, expected.output), 'output').toBeLessThan(4 * u);
  // a mean over thousands of numbers whose errors go both ways
  for (const term of ['total', 'l1', 'l2', 'sam', 'gradient'] as const)
    expect(Math.abs(actual.loss[term] / expected.loss[term] - 1), `loss ${term}`).toBeLessThan(u);
  // L1's slope is a sign: of outputs within their error of the target, a share of about u, it turns over, which changes
  // the gradient by 2 sqrt(u) of its length; a parameter with a small gradient has more than its part of that
  const whole = wholeGradient(expected);
  expect(relativeError(wholeGradient(actual), whole), 'gradient').toBeLessThan(2 * Math.sqrt(u));
  const nothing = 1e-5 * norm(whole); // behind a ReLU that lets nothing through a gradient is 0, or nearly
  for (const [name, values] of expected.gradients)
    expect(relativeError(actual.gradients.get(name)!, values, nothing), `gradient ${name}`).toBeLessThan(
      8 * Math.sqrt(u),
    );
  expect(actual.losses).toHaveLength(10);
  expected.losses.forEach((loss, i) => {
    expect(Math.abs(actual.losses[i]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(u);
  });
  expect(actual.losses.at(-1)).toBeLessThan(actual.losses[0]!);
  expect(actual.skipped).toBe(0);
}

describeGpu('golden numbers on the GPU', () => {
  for (const net of NETS) {
    describe(net, () => {
      const path = goldenPath(`${net}.safetensors`);
      let cpu: Recorded;
      beforeAll(async () => {
        cpu = await recordGolden(path, { kind: 'cpu' });
      });
      describe.each(providers)('convolutions by %s', (provider) => {
        it.each(precisions.filter((precision) => affordable(net, provider, precision)))('%s', async (precision) => {
          chooseProvider(provider);
          const gpu = await recordGolden(path, { kind: 'cuda', precision });
          const computes = provider === 'cudnn' ? 'cuDNN 9\\.[\\d.]+' : 'no cuDNN: BANDLIFT_CONV=own';
          expect(gpu.verified.device).toMatch(new RegExp(`^cuda:\\d+: .*, ${precision}, ${computes}$`));
          if (precision === 'fp32') expect(gpu.verified.rows.filter((row) => !row.ok)).toEqual([]);
          else expectNear(gpu, cpu, SPACING[precision] / 2);
        });
      });
    });
  }
});
