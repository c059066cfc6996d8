/** Patches held on the device: the same bits as patches that come with every batch, turned by the loader's own rule. */
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { sourcePixels } from '../../src/data/assemble.js';
import { createSession } from '../../src/engine/session.js';
import {
  type Batch,
  COMBINED_LOSS,
  type HeldBatch,
  type Session,
  type SessionOptions,
} from '../../src/engine/types.js';
import { outputSize } from '../../src/models/index.js';
import { type OpenSession, SESSIONS } from '../support/devices.js';

const STAGE1: SessionOptions = {
  model: {
    ...{ kind: 'spectral_sr', inBands: 3, outBands: 9, hidden: 5, blocks: 1, axis: 'row', regression: 'quadratic' },
  },
  ...{ loss: COMBINED_LOSS, height: 5, width: 5, batchSize: 4, ema: true, pixelMask: true },
};
const STAGE2: SessionOptions = {
  model: {
    ...{ kind: 'spatial_lightweight', inBands: 4, outBands: 4, up: 15, down: 2, backProjections: 1 },
    ...{ features: 3, blocks: 1 },
  },
  ...{ loss: { l1: 1, l2: 0, sam: 0.05, gradient: 0 }, height: 4, width: 6, batchSize: 3 },
};
const SCALARS = { learningRate: 1e-2, step: 1, maxNorm: 1, emaDecay: 0.9 };

interface Patches {
  readonly inputs: Float32Array[];
  readonly targets: Float32Array[];
  readonly masks: Float32Array[];
}

function makePatches(options: SessionOptions, inputs: number, targets: number): Patches {
  const random = new Random(8);
  const fine = outputSize(options.model, options.height, options.width);
  const [coarse, pixels] = [options.height * options.width, fine.height * fine.width];
  const some = (count: number, length: number, number: () => number) =>
    Array.from({ length: count }, () => Float32Array.from({ length }, number));
  return {
    inputs: some(inputs, coarse * options.model.inBands, () => random.uniform()),
    targets: some(targets, pixels * options.model.outBands, () => random.uniform()),
    masks: some(targets, pixels, () => (random.uniform() < 0.8 ? 1 : 0)),
  };
}

async function hold(session: Session, { inputs, targets, masks }: Patches): Promise<void> {
  expect(session.hold({ inputs: inputs.length, targets: targets.length })).toBe(true);
  for (const [place, values] of inputs.entries()) await session.keep('input', place, values);
  for (const [place, values] of targets.entries()) await session.keep('target', place, values);
  if (session.options.pixelMask)
    for (const [place, values] of masks.entries()) await session.keep('mask', place, values);
}

/** A batch in both forms: places on the device, and the numbers themselves, turned as the loader turns them. */
function makeBatches(options: SessionOptions, patches: Patches, rows: readonly (readonly [number, number, number])[]) {
  const fine = outputSize(options.model, options.height, options.width);
  const together = (side: Float32Array[], column: 0 | 1, height: number, width: number) => {
    const bands = side[0]!.length / (height * width);
    const whole = { y: 0, x: 0, height, width, storedWidth: width };
    return Float32Array.from(
      rows.flatMap((row) =>
        [...sourcePixels(row[2], whole)].flatMap((pixel) => [
          ...side[row[column]]!.subarray(pixel * bands, (pixel + 1) * bands),
        ]),
      ),
    );
  };
  const target = together(patches.targets, 1, fine.height, fine.width);
  const mask = together(patches.masks, 1, fine.height, fine.width);
  const validPixels = options.pixelMask ? mask.reduce((sum, m) => sum + m, 0) : mask.length;
  const input = together(patches.inputs, 0, options.height, options.width);
  const size = rows.length;
  const batch: Batch = { size, input, target, ...(options.pixelMask ? { mask } : {}), validPixels };
  const held: HeldBatch = { size, places: Float64Array.from(rows.flat()), validPixels };
  return { batch, held };
}

describe.each(Object.entries(SESSIONS))('patches held on the %s', (_name, openIt: OpenSession) => {
  const sessions: Session[] = [];
  const open = async (options: SessionOptions) => {
    const session = await openIt(options);
    sessions.push(session);
    return session;
  };
  afterEach(() => {
    for (const session of sessions.splice(0)) session.dispose();
  });

  it.each([
    ['square patches in every turn, masked', STAGE1, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['coarse and fine grid, not square', STAGE2, [0, 2, 4, 6]],
  ] as const)('train to the same bits: %s', async (_what, options, turns) => {
    const patches = makePatches(options, 7, 5);
    const [streamed, held] = [await open(options), await open(options)];
    await hold(held, patches);
    for (const session of [streamed, held]) session.initialize(3);
    for (let step = 1; step <= turns.length; step++) {
      // batches of every size; the input's place is not the target's
      const rows = Array.from({ length: 1 + (step % options.batchSize) }, (_, i) => {
        const target = (step * 3 + i) % 5;
        return [target + (step % 2 === 0 ? 2 : 0), target, turns[(step + i) % turns.length]!] as const;
      });
      const both = makeBatches(options, patches, rows);
      const scalars = { ...SCALARS, step };
      expect(await held.step(both.held, scalars)).toEqual(await streamed.step(both.batch, scalars));
      expect(await held.evaluate(both.held, options.ema)).toEqual(await streamed.evaluate(both.batch, options.ema));
    }
    for (const what of options.ema ? (['parameters', 'm', 'v', 'ema'] as const) : (['parameters', 'm', 'v'] as const))
      expect(held.read(what)).toEqual(streamed.read(what));
  });

  it('split into parts, where a batch does not fit, to the same bits too', async () => {
    const whole = await open({ ...STAGE1, batchSize: 1 });
    const larger = await open(STAGE1);
    const perPatch = (larger.plan.arenaBytes - whole.plan.arenaBytes) / 3;
    // room for two patches and a half at once, and for the data: holding them must not make the parts smaller
    const options = { ...STAGE1, maxMemory: Math.ceil(whole.plan.totalBytes + 1.5 * perPatch) };
    const patches = makePatches(options, 2, 2);
    const [streamed, held] = [await open(options), await open(options)];
    expect(held.plan.microBatch).toBe(2);
    await hold(held, patches);
    for (const session of [streamed, held]) session.initialize(3);
    const both = makeBatches(options, patches, [
      [0, 0, 1],
      [1, 1, 6],
      [1, 1, 3],
    ]);
    expect(await held.step(both.held, SCALARS)).toEqual(await streamed.step(both.batch, SCALARS));
    expect(held.read('parameters')).toEqual(streamed.read('parameters'));
  });

  it('says where numbers would lie outside, and which batches name no held patch', async () => {
    const session = await open(STAGE1);
    const places = Float64Array.of(0, 0, 0);
    await expect(session.step({ size: 1, places, validPixels: 1 }, SCALARS)).rejects.toThrow('holds no patches');
    await expect(session.keep('input', 0, new Float32Array(75))).rejects.toThrow('holds no patches');
    const patches = makePatches(STAGE1, 3, 2);
    await hold(session, patches);
    expect(() => session.hold({ inputs: 1, targets: 1 })).toThrow('holds patches already');
    await expect(session.keep('input', 3, patches.inputs[0]!)).rejects.toThrow(
      /^input: no place for 1; found 3, expected 0 to 2/,
    );
    await expect(session.keep('target', 2, patches.targets[0]!)).rejects.toThrow(
      /^target: no place for 1; found 2, expected 0 to 1/,
    );
    await expect(session.keep('input', 0, new Float32Array(74))).rejects.toThrow(
      /wrong number of values; found 74, expected 75 for each patch/,
    );
    const wrong: [HeldBatch, RegExp][] = [
      [{ size: 5, places: new Float64Array(15), validPixels: 1 }, /size.*found 5.*1 to 4/],
      [{ size: 2, places, validPixels: 1 }, /places.*found 3.*6 numbers/],
      [{ size: 1, places: Float64Array.of(3, 0, 0), validPixels: 1 }, /input.*found 3.*0 to 2/],
      [{ size: 1, places: Float64Array.of(0, 2, 0), validPixels: 1 }, /target.*found 2.*0 to 1/],
      [{ size: 1, places: Float64Array.of(0, 0.5, 0), validPixels: 1 }, /target.*found 0.5/],
      [{ size: 1, places: Float64Array.of(0, 0, 8), validPixels: 1 }, /turn.*found 8.*0 to 7/],
      [{ size: 1, places, validPixels: 26 }, /validPixels.*found 26.*0 to 25/],
    ];
    for (const [batch, message] of wrong) await expect(session.evaluate(batch)).rejects.toThrow(message);
    const oblong = await open(STAGE2);
    await expect(oblong.keep('mask', 0, new Float32Array(1))).rejects.toThrow('holds no patches');
    expect(oblong.hold({ inputs: 1, targets: 1 })).toBe(true);
    await expect(oblong.keep('mask', 0, new Float32Array(1))).rejects.toThrow('no mask');
    const turned = { size: 1, places: Float64Array.of(0, 0, 1), validPixels: 1 };
    await expect(oblong.evaluate(turned)).rejects.toThrow(/turn.*found 1/);
  });
});

it('patches that do not fit beside the plan are refused, and the session goes on', async () => {
  const free = await createSession({ ...STAGE1, device: { kind: 'cpu' } });
  // 3 patches: 25 pixels of 3 + 9 bands and a mask, and 4 x 3 places
  const bytes = 3 * 25 * (3 + 9 + 1) * 4 + 4 * 3 * 8;
  const { totalBytes } = free.plan;
  free.dispose();
  // they may take four fifths of what the plan leaves
  for (const [room, fits] of [
    [Math.floor(bytes / 0.8) - 1, false],
    [Math.ceil(bytes / 0.8) + 1, true],
  ] as const) {
    const session = await createSession({ ...STAGE1, device: { kind: 'cpu' }, maxMemory: totalBytes + room });
    expect(session.plan.microBatch).toBe(4);
    expect(session.hold({ inputs: 3, targets: 3 })).toBe(fits);
    session.initialize(1);
    const { batch } = makeBatches(STAGE1, makePatches(STAGE1, 1, 1), [[0, 0, 0]]);
    expect((await session.step(batch, SCALARS)).finite).toBe(true);
    session.dispose();
  }
});
