/** What training on the GPU promises: the same bits again, nothing moved by a bad batch, overflow skipped and counted. */
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceSession } from '../../src/engine/device_session.js';
import type { Precision } from '../../src/engine/precision.js';
import type { SessionOptions, StepResult } from '../../src/engine/types.js';
import { describeGpu, precisions } from './support/gpu.js';
import { batchOf, openSession, SCALARS, STAGE1, STAGE2, stateOf } from './support/networks.js';

const sessions: DeviceSession[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.dispose();
});

async function open(options: SessionOptions, precision: Precision): Promise<DeviceSession> {
  const { session } = await openSession(options, precision);
  sessions.push(session);
  session.initialize(5);
  return session;
}

/** Steps `from` to `to`, each with a batch of its own, the last of three smaller. */
async function train(session: DeviceSession, from: number, to: number): Promise<StepResult[]> {
  const results = [];
  for (let step = from; step <= to; step++) {
    const batch = batchOf(session.options, step % 3 === 0 ? 1 : session.options.batchSize, step);
    results.push(await session.step(batch, { ...SCALARS, step }));
  }
  return results;
}

/** What a checkpoint carries from one session to the next. */
function moveOver(from: DeviceSession, to: DeviceSession): void {
  for (const what of ['parameters', 'm', 'v', ...(from.options.ema === true ? (['ema'] as const) : [])] as const)
    to.write(what, from.read(what));
  const scale = from.lossScale();
  if (scale !== undefined) to.setLossScale(scale);
}

describeGpu('training on the GPU', () => {
  describe.each(precisions)('in %s', (precision) => {
    describe.each([
      ['stage 1', STAGE1],
      ['stage 2', STAGE2],
    ])('%s', (_stage, options) => {
      it('gives the same bits again, interrupted or not', async () => {
        const whole = await open(options, precision);
        const [first, rest] = [await train(whole, 1, 4), await train(whole, 5, 9)];
        expect(first.concat(rest).every(({ finite, skipped }) => finite && skipped !== true)).toBe(true);

        const interrupted = await open(options, precision);
        expect(await train(interrupted, 1, 4)).toEqual(first);
        const resumed = await open(options, precision);
        moveOver(interrupted, resumed);
        expect(await train(resumed, 5, 9)).toEqual(rest);
        expect(stateOf(resumed) === stateOf(whole), 'parameters, moments, averages, loss scale').toBe(true);
      });

      it('gives snapshots of what it was while it trains on', async () => {
        const session = await open(options, precision);
        await train(session, 1, 2);
        const kept = (['parameters', 'm', 'v', 'ema'] as const).filter(
          (what) => what !== 'ema' || options.ema === true,
        );
        for (let at = 3; at <= 9; at += 3) {
          const now = Object.fromEntries(kept.map((what) => [what, session.read(what)]));
          const numbers = await session.snapshot();
          const steps = train(session, at, at + 2);
          expect(await numbers()).toEqual(now);
          await steps;
        }
      });

      it('lowers the loss of a batch, its steps replayed from a recording', async () => {
        const session = await open(options, precision);
        const batch = batchOf(options);
        const totals: number[] = [];
        for (let step = 1; step <= 15; step++)
          totals.push((await session.step(batch, { ...SCALARS, learningRate: 1e-2, step })).total);
        expect(totals.at(-1)).toBeLessThan(0.98 * totals[0]!);
        expect([...session.unrecorded()]).toEqual([]);
      });

      it('changes nothing when a batch holds NaN', async () => {
        const session = await open(options, precision);
        await train(session, 1, 3); // so that the bad step is a replayed one
        if (precision === 'fp16') session.setLossScale({ scale: 1, goodSteps: 0, overflows: 0 });
        const before = stateOf(session);
        const batch = batchOf(options);
        batch.input[batch.input.length - 1] = Number.NaN;
        const bad = await session.step(batch, { ...SCALARS, step: 4 });
        expect(bad.finite).toBe(false);
        expect(bad.firstBad).toMatchObject({ patch: options.batchSize - 1 });
        const overflows = precision === 'fp16' ? 1 : 0; // the count is all that moves
        expect(stateOf(session).replace('"overflows":1', '"overflows":0') === before).toBe(true);
        expect(session.lossScale()?.overflows ?? 0).toBe(overflows);
        expect((await session.step(batchOf(options), { ...SCALARS, step: 4 })).finite).toBe(true);
        expect(stateOf(session) === before).toBe(false);
      });
    });
  });

  it('in fp16 skips steps that overflow, halving the scale each time, until they fit', async () => {
    // L1's slope of 1000 / elements, times 2^24, is beyond 65504 until the scale is small enough
    const options = { ...STAGE1, loss: { l1: 1000, l2: 0, sam: 0, gradient: 0 } };
    const session = await open(options, 'fp16');
    session.setLossScale({ scale: 2 ** 24, goodSteps: 1999, overflows: 0 });
    const before = stateOf(session).replace(/\{.*$/, '');
    const batch = batchOf(options);
    let skipped = 0;
    for (;;) {
      const result = await session.step(batch, SCALARS);
      expect(result.finite).toBe(true);
      if (result.skipped !== true) break;
      skipped++;
      expect(stateOf(session).replace(/\{.*$/, '') === before, `step skipped at scale ${2 ** (25 - skipped)}`).toBe(
        true,
      );
      expect(session.lossScale()).toEqual({ scale: 2 ** (24 - skipped), goodSteps: 0, overflows: skipped });
      expect(skipped).toBeLessThan(24);
    }
    // 1000 / (4 * 8 * 9 * 21) * scale <= 65504 from scale 2^18 down; sums over bands and pixels need some more
    expect(skipped).toBeGreaterThanOrEqual(6);
    expect(session.lossScale()).toEqual({ scale: 2 ** (24 - skipped), goodSteps: 1, overflows: skipped });
    expect(stateOf(session).replace(/\{.*$/, '') === before).toBe(false);
  });
});
