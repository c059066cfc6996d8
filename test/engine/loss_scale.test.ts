/** Dynamic loss scaling: its arithmetic, and what a session does with it. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { DeviceSession } from '../../src/engine/device_session.js';
import { INITIAL_LOSS_SCALE, nextLossScale } from '../../src/engine/loss_scale.js';
import type { Batch, SessionOptions } from '../../src/engine/types.js';
import { COMBINED_LOSS } from '../../src/engine/types.js';
import { ReferenceDevice } from '../support/reference_device.js';

const OPTIONS: SessionOptions = {
  model: {
    kind: 'spectral_sr',
    inBands: 3,
    outBands: 9,
    hidden: 5,
    blocks: 1,
    axis: 'row',
    regression: 'none',
  },
  loss: COMBINED_LOSS,
  height: 4,
  width: 5,
  batchSize: 2,
};
const SCALARS = { learningRate: 1e-2, step: 1, maxNorm: 1, emaDecay: 0 };

function batchOf(target = 0): Batch {
  const random = new Random(3);
  const numbers = (n: number) => Float32Array.from({ length: n }, () => random.uniform());
  const batch = { size: 2, input: numbers(2 * 20 * 3), target: numbers(2 * 20 * 9), validPixels: 40 };
  if (target !== 0) batch.target[100] = target;
  return batch;
}

function open(precision: 'fp32' | 'fp16'): DeviceSession {
  const session = new DeviceSession(new ReferenceDevice({ rowBytes: 16, scratch: 256 }), 'reference', {
    ...OPTIONS,
    device: { kind: 'auto', precision },
  });
  session.initialize(7);
  return session;
}

describe('the scale', () => {
  it('halves on overflow, never below 1, and counts', () => {
    expect(nextLossScale(INITIAL_LOSS_SCALE, true)).toEqual({ scale: 32768, goodSteps: 0, overflows: 1 });
    expect(nextLossScale({ scale: 1, goodSteps: 5, overflows: 9 }, true)).toEqual({
      scale: 1,
      goodSteps: 0,
      overflows: 10,
    });
  });

  it('doubles after 2,000 good steps, up to 2^24', () => {
    let state = { ...INITIAL_LOSS_SCALE, overflows: 2 };
    for (let i = 0; i < 1999; i++) state = nextLossScale(state, false);
    expect(state).toEqual({ scale: 65536, goodSteps: 1999, overflows: 2 });
    expect(nextLossScale(state, false)).toEqual({ scale: 131072, goodSteps: 0, overflows: 2 });
    expect(nextLossScale({ scale: 2 ** 24, goodSteps: 1999, overflows: 0 }, false).scale).toBe(2 ** 24);
  });
});

describe('a session in fp16', () => {
  it('takes the same step as without scaling: the scale is divided out', async () => {
    const [plain, scaled] = [open('fp32'), open('fp16')];
    const a = await plain.step(batchOf(), SCALARS);
    const b = await scaled.step(batchOf(), SCALARS);
    // a power of two changes no digit of a float64
    expect(b).toEqual({ ...a, skipped: false });
    expect(scaled.read('parameters')).toEqual(plain.read('parameters'));
    expect((await scaled.gradients(batchOf())).gradients).toEqual((await plain.gradients(batchOf())).gradients);
    expect(plain.lossScale()).toBeUndefined();
    expect(scaled.lossScale()).toEqual({ scale: 65536, goodSteps: 1, overflows: 0 });
  });

  it('skips a step that is not finite, halves the scale and goes on', async () => {
    const session = open('fp16');
    const before = session.read('parameters');
    const result = await session.step(batchOf(Number.POSITIVE_INFINITY), SCALARS);
    expect(result).toMatchObject({ finite: true, skipped: true });
    expect(session.read('parameters')).toEqual(before);
    expect(session.lossScale()).toEqual({ scale: 32768, goodSteps: 0, overflows: 1 });
    expect(await session.step(batchOf(), SCALARS)).toMatchObject({ finite: true, skipped: false });
    expect(session.read('parameters')).not.toEqual(before);
  });

  it('says that a step is not finite when there is nothing left to halve', async () => {
    const session = open('fp16');
    session.setLossScale({ scale: 1, goodSteps: 0, overflows: 16 });
    const result = await session.step(batchOf(Number.NaN), SCALARS);
    expect(result).toMatchObject({ finite: false, skipped: false });
  });
});
