/** Sessions of several ranks, joined by TCP within this process: the same numbers as one session with the whole batch. */
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { createSession } from '../../src/engine/session.js';
import { type Batch, COMBINED_LOSS, type Session, type SessionOptions } from '../../src/engine/types.js';
import type { Communicator } from '../../src/ranks/communicator.js';
import { RankGroup } from '../../src/ranks/group.js';
import { newNonce } from '../../src/ranks/rendezvous.js';
import { hostTcp, joinTcp } from '../../src/ranks/tcp.js';

const OPTIONS: SessionOptions = {
  model: {
    ...{ kind: 'spectral_sr', inBands: 3, outBands: 9, hidden: 5, blocks: 1, axis: 'row', regression: 'quadratic' },
  },
  ...{ loss: COMBINED_LOSS, height: 4, width: 5, batchSize: 6, ema: true, pixelMask: true, device: { kind: 'cpu' } },
};
const PIXELS = 20;

/** Ranks of this process. */
async function together(size: number): Promise<Communicator[]> {
  const nonce = newNonce();
  let tell = (_port: number) => {};
  const port = new Promise<number>((resolve) => {
    tell = resolve;
  });
  const host = hostTcp(size, { bind: '127.0.0.1', port: 0, nonce, timeout: 10_000 }, (bound) => tell(bound));
  const meeting = { host: 'here', addresses: ['127.0.0.1'], port: await port, nonce };
  const others = Array.from({ length: size - 1 }, (_, i) => joinTcp(i + 1, size, meeting, 10_000));
  return Promise.all([host, ...others]);
}

function makeBatch(size: number, seed: number): Batch {
  const random = new Random(seed);
  const some = (length: number, next: () => number) => Float32Array.from({ length }, next);
  const mask = some(size * PIXELS, () => (random.uniform() < 0.8 ? 1 : 0));
  return {
    size,
    input: some(size * PIXELS * 3, () => random.uniform()),
    target: some(size * PIXELS * 9, () => random.uniform()),
    mask,
    validPixels: mask.reduce((sum, m) => sum + m, 0),
  };
}

/** The patches of one rank. */
function partOf(batch: Batch, ranks: RankGroup): Batch {
  const { index, size } = ranks.part(OPTIONS.batchSize);
  const [from, to] = [Math.min(index * size, batch.size), Math.min((index + 1) * size, batch.size)];
  const cut = (values: Float32Array) =>
    values.subarray((from * values.length) / batch.size, (to * values.length) / batch.size);
  const mask = cut(batch.mask!);
  const validPixels = mask.reduce((sum, m) => sum + m, 0);
  return { size: to - from, input: cut(batch.input), target: cut(batch.target), mask, validPixels };
}

const scalars = (step: number) => ({ learningRate: 1e-2, step, maxNorm: 0.5, emaDecay: 0.9 });

let open: Session[] = [];
let asked: boolean[] = [];
afterEach(() => {
  for (const session of open) session.dispose();
  open = [];
});

async function sessionOf(options: SessionOptions): Promise<Session> {
  const session = await createSession(options);
  open.push(session);
  session.initialize(5);
  return session;
}

async function rankSessions(size: number, ordered = true) {
  asked = new Array(size).fill(false);
  const groups = (await together(size)).map((communicator, rank) => new RankGroup(communicator, () => asked[rank]!));
  const sessions: Session[] = [];
  for (const ranks of groups) {
    ranks.ordered = ordered;
    sessions.push(await sessionOf({ ...OPTIONS, batchSize: ranks.part(OPTIONS.batchSize).size, ranks }));
  }
  return { groups, sessions };
}

const finish = (groups: RankGroup[]) => Promise.all(groups.map(({ communicator }) => communicator.finish()));
const flat = (values: Map<string, Float32Array>) => [...values.values()].flatMap((array) => [...array]);

describe('sessions of ranks', () => {
  it('take the steps of one session that computes the same micro-batches, bit for bit', async () => {
    const { groups, sessions } = await rankSessions(6);
    const { plan } = await sessionOf({ ...OPTIONS, batchSize: 1 });
    const split = await sessionOf({ ...OPTIONS, maxMemory: plan.totalBytes });
    expect(split.plan.microBatch).toBe(1);
    // 4 of 6 patches: ranks 4 and 5 have none
    for (const [step, size] of [6, 4, 6].entries()) {
      const batch = makeBatch(size, 20 + step);
      const one = await split.step(batch, scalars(step + 1));
      const many = await Promise.all(sessions.map((s, i) => s.step(partOf(batch, groups[i]!), scalars(step + 1))));
      for (const result of many) {
        const { validPixels, ...rest } = result;
        expect(validPixels).toBe(batch.validPixels);
        expect(rest).toEqual(one);
      }
      const evaluated = await Promise.all(sessions.map((s, i) => s.evaluate(partOf(batch, groups[i]!), true)));
      const { total } = await split.evaluate(batch, true);
      for (const result of evaluated) expect(result.total).toBe(total);
    }
    const first = flat(sessions[0]!.read('parameters'));
    for (const session of sessions) {
      expect(flat(session.read('parameters'))).toEqual(first);
      expect(flat(session.read('ema'))).toEqual(flat(sessions[0]!.read('ema')));
    }
    expect(first).toEqual(flat(split.read('parameters')));
    await finish(groups);
  });

  it('take the step of the whole batch up to the order of additions', async () => {
    const { groups, sessions } = await rankSessions(2, false);
    const alone = await sessionOf(OPTIONS);
    const batch = makeBatch(5, 9); // 3 and 2
    const one = await alone.step(batch, scalars(1));
    const many = await Promise.all(sessions.map((s, i) => s.step(partOf(batch, groups[i]!), scalars(1))));
    // sums of float32 numbers of like size: some units in the last place
    for (const result of many)
      for (const term of ['total', 'l1', 'sam', 'gradient', 'gradNorm'] as const)
        expect(Math.abs(result[term] / one[term] - 1), term).toBeLessThan(2e-6);
    await finish(groups);
  });

  it('agree on what is not finite, and say where in the whole batch', async () => {
    const { groups, sessions } = await rankSessions(3);
    const batch = makeBatch(6, 3);
    // patch 3 (rank 1's second), row 2, column 1; an input of the regression path reaches its own pixel
    batch.input[(3 * PIXELS + 2 * 5 + 1) * 3] = Number.NaN;
    batch.mask!.fill(1);
    const full = { ...batch, validPixels: 6 * PIXELS };
    const alone = await sessionOf(OPTIONS);
    const expected = (await alone.step(full, scalars(1))).firstBad;
    const before = flat(sessions[0]!.read('parameters'));
    const results = await Promise.all(sessions.map((s, i) => s.step(partOf(full, groups[i]!), scalars(1))));
    for (const result of results) {
      expect(result.finite).toBe(false);
      expect(result.firstBad).toEqual(expected);
    }
    expect(expected!.patch).toBe(3);
    for (const session of sessions) expect(flat(session.read('parameters'))).toEqual(before);
    await finish(groups);
  });

  it('all know at the same step that one was asked to stop', async () => {
    const { groups, sessions } = await rankSessions(3);
    const step = (n: number) =>
      Promise.all(sessions.map((s, i) => s.step(partOf(makeBatch(6, n), groups[i]!), scalars(n))));
    await step(1);
    expect(groups.map(({ stop }) => stop)).toEqual([false, false, false]);
    asked[2] = true;
    expect(groups.map(({ stop }) => stop)).toEqual([false, false, false]);
    await step(2);
    expect(groups.map(({ stop }) => stop)).toEqual([true, true, true]);
    await finish(groups);
  });
});

describe('TCP', () => {
  it('adds from left to right, in pieces, and gathers and broadcasts', async () => {
    const ranks = await together(4);
    // in float32 ((1e8 + 1) - 1e8) + 1 is 1; in pairs it would be 0
    const values = [1e8, 1, -1e8, 1].map((value) => new Float32Array(200_001).fill(value));
    await Promise.all(ranks.map((one, i) => one.sum(values[i]!)));
    for (const array of values) expect(array.every((value) => value === 1)).toBe(true);
    const all = ranks.map(() => new Float64Array(8));
    await Promise.all(ranks.map((one, i) => one.allGather(Float64Array.of(i, 0.1 * i), all[i]!)));
    for (const array of all) expect([...array]).toEqual([0, 0, 1, 0.1, 2, 0.2, 3, 0.1 * 3]);
    const words = ranks.map(({ rank }) => Uint8Array.from(rank === 0 ? [7, 8, 9] : [0, 0, 0]));
    await Promise.all(ranks.map((one, i) => one.broadcast(words[i]!)));
    for (const word of words) expect([...word]).toEqual([7, 8, 9]);
    await Promise.all(ranks.map((one) => one.broadcast(new Float32Array(0))));
    await Promise.all(ranks.map((one) => one.finish()));
  });

  it('sends strangers away, and says which rank has not come', async () => {
    const nonce = newNonce();
    const timeout = 1500;
    const host = hostTcp(3, { bind: '127.0.0.1', port: 0, nonce, timeout }, (port) => {
      const meeting = { host: 'here', addresses: ['127.0.0.1'], port };
      void joinTcp(1, 3, { ...meeting, nonce: newNonce() }, timeout);
      void joinTcp(2, 3, { ...meeting, nonce }, timeout);
    });
    await expect(host).rejects.toThrow('rank 1 has not come within 1.5 s');
  });
});
