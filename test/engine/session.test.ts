/** What a session promises beyond right numbers: micro-batches, masks, frozen parameters, averages, errors, abort. */
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import type { Instruction } from '../../src/compiler/program_types.js';
import { DeviceSession } from '../../src/engine/device_session.js';
import { createSession } from '../../src/engine/session.js';
import type { Batch, Session, SessionOptions } from '../../src/engine/types.js';
import { COMBINED_LOSS } from '../../src/engine/types.js';
import type { SpectralSrSpec } from '../../src/models/spec.js';
import { expectClose } from '../support/allclose.js';
import { type OpenSession, SESSIONS } from '../support/devices.js';
import { ReferenceDevice } from '../support/reference_device.js';

const SR: SpectralSrSpec = {
  kind: 'spectral_sr',
  inBands: 3,
  outBands: 9,
  hidden: 5,
  blocks: 2,
  axis: 'row',
  regression: 'quadratic',
};
const SCALARS = { learningRate: 1e-2, step: 1, maxNorm: 0, emaDecay: 0.9 };

const OPTIONS: SessionOptions = { model: SR, loss: COMBINED_LOSS, height: 5, width: 6, batchSize: 5, ema: true };

function makeBatch(options: SessionOptions, size: number, seed = 1, masked = false): Batch {
  const random = new Random(seed);
  const pixels = size * options.height * options.width;
  const numbers = (bands: number) => Float32Array.from({ length: pixels * bands }, () => random.uniform());
  const batch = {
    size,
    input: numbers(options.model.inBands),
    target: numbers(options.model.outBands),
    validPixels: pixels,
  };
  if (!masked) return batch;
  const mask = Float32Array.from({ length: pixels }, (_, i) => (i % 7 === 3 ? 0 : 1));
  return { ...batch, mask, validPixels: mask.reduce((sum, m) => sum + m, 0) };
}

/** Numbers for the regression too, so that its path counts. */
function start(session: Session, seed = 4): void {
  session.initialize(seed);
  const random = new Random(seed);
  const frozen = session.parameters.filter((p) => p.frozen);
  const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  session.write(
    'parameters',
    new Map(frozen.map((p) => [p.name, Float32Array.from({ length: count(p.shape) }, () => 0.1 * random.normal())])),
  );
}

describe.each(Object.entries(SESSIONS))('a session on the %s', (_name, openIt: OpenSession) => {
  const sessions: Session[] = [];
  const open = async (options: SessionOptions) => {
    const session = await openIt(options);
    sessions.push(session);
    return session;
  };
  afterEach(() => {
    for (const session of sessions.splice(0)) session.dispose();
  });

  it('splits a batch that does not fit, with the same result', async () => {
    const options = { ...OPTIONS, pixelMask: true };
    const whole = await open(options);
    const one = await open({ ...options, batchSize: 1 });
    expect(whole.plan.microBatch).toBe(5);
    // room for two patches and a half: parts of 2, 2 and 1
    const perPatch = (whole.plan.arenaBytes - one.plan.arenaBytes) / 4;
    const split = await open({ ...options, maxMemory: Math.ceil(one.plan.totalBytes + 1.5 * perPatch) });
    expect(split.plan.microBatch).toBe(2);
    expect(split.plan.totalBytes).toBeLessThan(whole.plan.totalBytes);
    const batch = makeBatch(options, 5, 2, true);
    const results = [];
    for (const session of [whole, split]) {
      start(session);
      for (let step = 1; step <= 3; step++) results.push(await session.step(batch, { ...SCALARS, step }));
      results.push(await session.evaluate(batch));
    }
    // 1e-6: float32 gradients added in another order
    for (let i = 0; i < 4; i++) expect(Math.abs(results[i]!.total / results[i + 4]!.total - 1)).toBeLessThan(1e-6);
    const [a, b] = [whole.read('parameters'), split.read('parameters')];
    const tolerance = { absolute: 1e-6, relative: 1e-5 };
    for (const [name, numbers] of a) expectClose(b.get(name)!, numbers, tolerance, name);
    expectClose(await split.predict(batch.input, 5), await whole.predict(batch.input, 5), tolerance, 'prediction');
  });

  it('the untrained network with a regression path equals the regression', async () => {
    const network = await open(OPTIONS);
    start(network);
    const ridge = await open({ ...OPTIONS, ema: false, model: { kind: 'quadratic_ridge', inBands: 3, outBands: 9 } });
    ridge.write(
      'parameters',
      new Map([...network.read('parameters')].filter(([name]) => name.startsWith('regression'))),
    );
    const { input } = makeBatch(OPTIONS, 2);
    expectClose(
      await network.predict(input, 2),
      await ridge.predict(input, 2),
      { absolute: 1e-6, relative: 1e-6 },
      'output',
    );
  });

  it('takes a snapshot that later steps do not change', async () => {
    const session = await open(OPTIONS);
    start(session);
    const batch = makeBatch(OPTIONS, 3);
    await session.step(batch, SCALARS);
    const kept = ['parameters', 'm', 'v', 'ema'] as const;
    const now = Object.fromEntries(kept.map((what) => [what, session.read(what)]));
    const numbers = await session.snapshot();
    await session.step(batch, { ...SCALARS, step: 2 });
    expect(session.read('m')).not.toEqual(now.m);
    expect(await numbers()).toEqual(now);
    // asked for at once, each sees what came before it
    const [before, , after] = await Promise.all([
      session.snapshot(),
      session.step(batch, { ...SCALARS, step: 3 }),
      session.snapshot(),
    ]);
    expect((await after()).parameters).toEqual(session.read('parameters'));
    expect((await before()).parameters).not.toEqual(session.read('parameters'));
    const untrained = await open({ ...OPTIONS, mode: 'infer' });
    await expect(untrained.snapshot()).rejects.toThrow(/for prediction only/);
  });

  it('trains what is trainable, leaves the frozen, and lowers the loss', async () => {
    const session = await open(OPTIONS);
    start(session);
    const before = session.read('parameters');
    const batch = makeBatch(OPTIONS, 3);
    const first = await session.step(batch, SCALARS);
    let last = first;
    for (let step = 2; step <= 20; step++) last = await session.step(batch, { ...SCALARS, step });
    expect(last.total).toBeLessThan(0.95 * first.total);
    const after = session.read('parameters');
    for (const { name, frozen } of session.parameters) {
      const changed = after.get(name)!.some((value, i) => value !== before.get(name)![i]);
      expect(changed, name).toBe(!frozen);
    }
  });

  it('keeps the moving average', async () => {
    const session = await open(OPTIONS);
    start(session);
    const batch = makeBatch(OPTIONS, 2);
    const before = session.read('parameters').get('final_conv.bias')!;
    await session.step(batch, { ...SCALARS, emaDecay: 0.75 });
    const after = session.read('parameters').get('final_conv.bias')!;
    const expected = before.map((value, i) => 0.75 * value + 0.25 * after[i]!);
    expectClose(session.read('ema').get('final_conv.bias')!, expected, { absolute: 1e-8, relative: 1e-6 }, 'average');
    const [plain, averaged] = [await session.evaluate(batch), await session.evaluate(batch, true)];
    expect(plain.total).not.toBe(averaged.total);
    session.write('parameters', session.read('ema'));
    // 8 digits: the reference keeps more than the float32 that read and write carry
    expect((await session.evaluate(batch)).total).toBeCloseTo(averaged.total, 8);
  });

  it('clips the gradient to the norm asked for', async () => {
    const session = await open(OPTIONS);
    start(session);
    const batch = makeBatch(OPTIONS, 2);
    const { gradients } = await session.gradients(batch);
    let squares = 0;
    for (const g of gradients.values()) for (const value of g) squares += value * value;
    const result = await session.step(batch, { ...SCALARS, maxNorm: 1e-3 });
    expect(Math.abs(result.gradNorm / Math.sqrt(squares) - 1)).toBeLessThan(1e-6);
    // after the first step m = (1 - beta1) g
    const m = session.read('m');
    for (const [name, g] of gradients) {
      const clipped = g.map((value) => (0.1 * value * 1e-3) / (Math.sqrt(squares) + 1e-6));
      expectClose(m.get(name)!, clipped, { absolute: 1e-9, relative: 1e-5 }, name);
    }
  });

  it('moves nothing when the loss is not finite, and says where the prediction broke', async () => {
    const session = await open(OPTIONS);
    start(session);
    const batch = makeBatch(OPTIONS, 3);
    const before = session.read('parameters');
    // the regression's path is per pixel, the others spread: 3 convolutions of 3 x 3 and 2 blocks of 2 along the row
    batch.input[((1 * 5 + 4) * 6 + 5) * 3] = Number.NaN;
    const result = await session.step(batch, SCALARS);
    expect(result.finite).toBe(false);
    expect(result.firstBad).toMatchObject({ patch: 1 });
    expect(session.read('parameters')).toEqual(before);
    expect((await session.evaluate(batch)).finite).toBe(false);
  });

  it('says what would fit when nothing does', async () => {
    const options = { ...OPTIONS, height: 64, width: 64, maxMemory: 300_000 };
    const error = await open(options).catch((e) => e);
    expect(error).toMatchObject({ exitCode: 5 });
    expect(error.message).toMatch(
      /64 x 64 pixels does not fit.*found 293 KiB, expected at least .*patches of up to (\d+) x \1 pixels fit/,
    );
    const size = Number(/up to (\d+) x/.exec(error.message)![1]);
    await open({ ...options, height: size, width: size });
    await expect(open({ ...options, height: size + 1, width: size + 1 })).rejects.toMatchObject({ exitCode: 5 });
  });

  it('refuses batches of other sizes and unknown parameters', async () => {
    const session = await open(OPTIONS);
    const batch = makeBatch(OPTIONS, 2);
    await expect(session.evaluate({ ...batch, target: batch.target.subarray(1) })).rejects.toThrow(
      'target: batch of 2 patches of 5 x 6 pixels; found 539 values, expected 540',
    );
    await expect(session.evaluate({ ...batch, mask: new Float32Array(60) })).rejects.toThrow('mask');
    await expect(session.step(makeBatch(OPTIONS, 6), SCALARS)).rejects.toThrow('found 6, expected 1 to 5');
    expect(() => session.write('parameters', new Map([['nope', new Float32Array(1)]]))).toThrow(
      'nope: spectral_sr has no such',
    );
    expect(() => session.write('m', new Map([['final_conv.bias', new Float32Array(1)]]))).toThrow(
      'found 1, expected 9',
    );
  });

  it('made for inference keeps no moments and does not train', async () => {
    const train = await open({ ...OPTIONS, ema: false });
    const infer = await open({ ...OPTIONS, ema: false, mode: 'infer' });
    expect(infer.plan.optimizerBytes).toBe(0);
    expect(infer.plan.arenaBytes).toBeLessThan(train.plan.arenaBytes);
    start(train);
    infer.write('parameters', train.read('parameters'));
    const batch = makeBatch(OPTIONS, 5);
    expect(await infer.predict(batch.input, 5)).toEqual(await train.predict(batch.input, 5));
    await expect(infer.step(batch, SCALARS)).rejects.toThrow('prediction only');
    expect(() => infer.read('m')).toThrow('keeps no m');
  });

  it('aborts between parts of a step and works afterwards', async () => {
    const whole = await open({ ...OPTIONS, batchSize: 5 });
    const session = await open({ ...OPTIONS, batchSize: 5, maxMemory: whole.plan.totalBytes - 1 });
    expect(session.plan.microBatch).toBeLessThan(5);
    start(session);
    const batch = makeBatch(OPTIONS, 5);
    const before = session.read('parameters');
    const running = session.step(batch, SCALARS);
    await Promise.resolve();
    session.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(session.read('parameters')).toEqual(before);
    expect((await session.step(batch, SCALARS)).finite).toBe(true);
  });
});

describe('threads', () => {
  it('do not change a bit of the result', async () => {
    // large enough for several tasks in every kernel
    const options: SessionOptions = {
      ...OPTIONS,
      model: { ...SR, outBands: 40, hidden: 33 },
      height: 37,
      width: 41,
      batchSize: 2,
    };
    const batch = makeBatch(options, 2);
    const runs = [];
    for (const threads of [1, 2, 3]) {
      const session = await createSession({ ...options, device: { kind: 'cpu', threads } });
      session.initialize(8);
      const losses = [];
      for (let step = 1; step <= 3; step++) losses.push(await session.step(batch, { ...SCALARS, step }));
      runs.push({ losses, parameters: session.read('parameters'), ema: session.read('ema') });
      session.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });
});

it('fewer samples that need more memory than was planned for get it, to the same bits', async () => {
  // a device whose convolutions want more scratch memory for one sample than for several
  class Contrary extends ReferenceDevice {
    override workspaceBytes(instruction?: Instruction): number {
      return instruction?.op.startsWith('conv2d') && instruction.tensors[0]!.shape[0] === 1 ? 200_000 : 64;
    }
  }
  const devices = [new Contrary(), new ReferenceDevice({ scratch: 64 })];
  const [contrary, plain] = devices.map((device) => new DeviceSession(device, 'reference', OPTIONS));
  expect(contrary!.plan).toEqual(plain!.plan);
  for (const session of [contrary!, plain!]) start(session);
  for (const [step, size] of [5, 1, 5, 1].entries()) {
    const batch = makeBatch(OPTIONS, size, step);
    const scalars = { ...SCALARS, step: step + 1 };
    expect(await contrary!.step(batch, scalars)).toEqual(await plain!.step(batch, scalars));
  }
  expect(devices[0]!.allocated).toBeGreaterThan(devices[1]!.allocated);
  for (const session of [contrary!, plain!]) session.dispose();
});
