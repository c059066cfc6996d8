/** Memory of the GPU: given back, constant over many steps, split when it is short, and said when it is missing. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { NativeDevice } from '../../bindings/addon.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { createSession } from '../../src/engine/session.js';
import { fillCase } from '../cases/case.js';
import { differentiatedCase } from '../cases/differentiated.js';
import { allCases } from '../cases/index.js';
import { expectClose } from '../support/allclose.js';
import { describeGpu, emulated, openGpu, precisions, sanitized } from './support/gpu.js';
import { batchOf, openSession, SCALARS, STAGE1, STAGE2 } from './support/networks.js';

const MIB = 2 ** 20;
const STEPS = emulated || sanitized ? 150 : 2000;

/** Resident bytes of this process after a full garbage collection. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().rss;
}

/** Bytes that are free on the GPU, as a device opened now sees them. */
async function freeBytes(): Promise<number> {
  const { device } = await openGpu('fp32');
  const { memoryBytes } = device.info();
  device.dispose();
  return memoryBytes;
}

/** A driver keeps a little of what was used (its own tables, cuDNN's plans); the emulation keeps nothing. */
const KEPT_BY_DRIVER = emulated ? 0 : 64 * MIB;

describeGpu('memory of the GPU', () => {
  it(`stays as it is over ${STEPS} steps`, async () => {
    const { session, device } = await openSession(STAGE1, precisions.includes('bf16') ? 'bf16' : 'fp16');
    session.initialize(1);
    const [whole, part] = [batchOf(STAGE1), batchOf(STAGE1, 3)];
    const steps = async (from: number, to: number) => {
      for (let step = from; step <= to; step++) {
        expect((await session.step(step % 5 === 0 ? part : whole, { ...SCALARS, step })).finite).toBe(true);
        if (step % 10 === 0) await session.evaluate(whole, true);
        if (step % 10 === 5) await session.predict(part.input, 3);
      }
    };
    try {
      await steps(1, 30); // every program is compiled and recorded, caches are filled
      const [bytes, resident] = [device.memory(), residentBytes()];
      await steps(31, STEPS);
      expect(device.memory()).toEqual(bytes);
      // 8 MiB: pages of V8's heap come and go; a leak of one batch (25 kB) a step would be 3 MiB emulated, 50 MiB else
      expect(residentBytes() - resident).toBeLessThan(emulated ? 3 * MIB : 8 * MIB);
    } finally {
      session.dispose();
    }
  });

  it('comes back when sessions, programs and buffers are disposed', async () => {
    const use = async (device: NativeDevice) => {
      const before = device.memory();
      expect(before).toMatchObject({ buffers: 0, bytes: 0 });
      for (const table of allCases) {
        const c = table.cases[0]!;
        const graph = differentiatedCase(c);
        const runner = new GraphRunner(device, graph);
        expect(device.memory().buffers).toBe(2);
        for (let run = 0; run < 3; run++) await runner.run(fillCase(c, graph));
        runner.dispose();
        expect(device.memory()).toMatchObject({ buffers: 0, bytes: 0 });
      }
    };
    const around = async () => {
      const { device } = await openGpu('fp32');
      await use(device);
      device.dispose();
      const { session } = await openSession(STAGE2, 'fp32');
      session.initialize(1);
      for (let step = 1; step <= 3; step++) await session.step(batchOf(STAGE2), { ...SCALARS, step });
      session.dispose();
    };
    await around();
    const free = await freeBytes();
    await around();
    expect(Math.abs((await freeBytes()) - free)).toBeLessThanOrEqual(KEPT_BY_DRIVER);
  });

  it('short of it, a batch is computed in parts with the whole gradient', async () => {
    const options = { ...STAGE1, ema: false };
    const whole = await openSession(options, 'fp32');
    const one = await openSession({ ...options, batchSize: 1 }, 'fp32');
    const perPatch = (whole.session.plan.arenaBytes - one.session.plan.arenaBytes) / 3;
    const split = await openSession({ ...options, maxMemory: one.session.plan.totalBytes + 1.5 * perPatch }, 'fp32');
    try {
      expect(whole.session.plan.microBatch).toBe(4);
      expect(split.session.plan.microBatch).toBe(2);
      expect(split.device.memory().bytes).toBeLessThan(whole.device.memory().bytes);
      const batch = batchOf(options);
      for (const { session } of [whole, split]) session.initialize(3);
      const scalars = { ...SCALARS, maxNorm: 0 };
      const [a, b] = [await whole.session.step(batch, scalars), await split.session.step(batch, scalars)];
      // float32 gradients added in another order
      expect(Math.abs(b.gradNorm / a.gradNorm - 1)).toBeLessThan(1e-5);
      expect(Math.abs(b.total / a.total - 1)).toBeLessThan(1e-6);
      const { gradients } = await whole.session.gradients(batch);
      expect(gradients.size).toBeGreaterThan(0);
      // after the first step m = (1 - beta1) g
      const m = split.session.read('m');
      whole.session.initialize(3);
      const { gradients: expected } = await whole.session.gradients(batch);
      for (const [name, g] of expected)
        expectClose(
          m.get(name)!,
          g.map((v) => 0.1 * v),
          { absolute: 1e-7, relative: 1e-4 },
          name,
        );
    } finally {
      for (const { session } of [whole, one, split]) session.dispose();
    }
  });

  it('missing, is said with numbers, and the device works on', async () => {
    const { device } = await openGpu('fp32');
    try {
      const wanted = 4 * device.info().memoryBytes;
      let error: (Error & { code?: string }) | undefined;
      try {
        device.allocate(wanted);
      } catch (caught) {
        error = caught as Error;
      }
      expect(error?.code).toBe('ERR_OUT_OF_MEMORY');
      expect(error?.message).toMatch(/free/);
      expect(error?.message).toMatch(/\d/);
      expect(device.memory()).toMatchObject({ buffers: 0, bytes: 0 });
      const buffer = device.allocate(64);
      buffer.write(Float32Array.of(1, 2, 3));
      const back = new Float32Array(3);
      buffer.read(back);
      expect([...back]).toEqual([1, 2, 3]);
      buffer.dispose();
    } finally {
      device.dispose();
    }
    const refused = createSession({ ...STAGE1, height: 512, width: 512, maxMemory: 2 * MIB, device: { kind: 'cuda' } });
    await expect(refused).rejects.toMatchObject({ exitCode: 5 });
    await expect(refused).rejects.toThrow(/512 x 512 pixels does not fit.*patches of up to \d+ x \d+ pixels fit/);
  });
});
