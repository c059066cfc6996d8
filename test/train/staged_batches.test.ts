/** Batches uploaded a step ahead: when what happens, the same bits as without, and errors at their turn. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { LoadedBatch, LoaderOptions } from '../../src/data/types.js';
import { createSession } from '../../src/engine/session.js';
import { type Session, type SessionOptions, SPATIAL_LOSS } from '../../src/engine/types.js';
import type { BatchSource } from '../../src/train/batch_source.js';
import { stageBatches } from '../../src/train/staged_batches.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const data = join(temporaryFolder(), 'patches');
beforeAll(async () => {
  mkdirSync(data);
  await writeTwoGrids(data);
});

/** `count` batches of one patch holding its number; `log` hears of every release. */
async function* numbered(count: number, log: string[], failAt = -1): AsyncGenerator<LoadedBatch> {
  for (let i = 0; i < count; i++) {
    if (i === failAt) throw new Error(`batch ${i} cannot be read`);
    log.push(`read ${i}`);
    const one = Float32Array.of(i);
    yield { size: 1, patches: [i], input: one, target: one, validPixels: 1, release: () => void log.push(`free ${i}`) };
  }
}

/** A session that only notes what it is told. */
const noting = (log: string[]): Session =>
  ({
    options: { batchSize: 1 } as SessionOptions,
    hold: ({ inputs, targets }: { inputs: number; targets: number }) => inputs === 2 && targets === 2,
    keep: async (part: string, place: number, values: Float32Array) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.push(`${part} ${values[0]} to ${place}`);
    },
  }) as unknown as Session;

it('uploads the next batch into the other half while a step runs', async () => {
  const log: string[] = [];
  const source = stageBatches(noting(log))!({ batches: () => numbered(3, log) });
  for await (const batch of source.batches({ patches: [], batchSize: 1 })) {
    if (!('places' in batch)) throw new Error('a batch with its numbers');
    log.push(`step ${batch.patches[0]} of ${[...batch.places]}`);
    // the step lasts until the next batch is there: it would last for ever if that waited for the step
    const next = batch.patches[0]! + 1;
    while (next < 3 && !log.includes(`free ${next}`)) await new Promise((resolve) => setImmediate(resolve));
    log.push(`done ${batch.patches[0]}`);
  }
  const uploaded = (i: number, place: number) => [`input ${i} to ${place}`, `target ${i} to ${place}`, `free ${i}`];
  expect(log).toEqual([
    ...['read 0', ...uploaded(0, 0)],
    ...['read 1', 'step 0 of 0,0,0', ...uploaded(1, 1), 'done 0'],
    ...['read 2', 'step 1 of 1,1,0', ...uploaded(2, 0), 'done 1'],
    ...['step 2 of 0,0,0', 'done 2'],
  ]);
});

it('reports what cannot be read when its turn comes, and ends early without losing a batch', async () => {
  const log: string[] = [];
  const stage = stageBatches(noting(log))!;
  const seen: number[] = [];
  await expect(async () => {
    for await (const batch of stage({ batches: () => numbered(3, log, 1) }).batches({ patches: [], batchSize: 1 }))
      seen.push(batch.patches[0]!);
  }).rejects.toThrow('batch 1 cannot be read');
  expect(seen).toEqual([0]);
  log.length = 0;
  for await (const _ of stage({ batches: () => numbered(9, log) }).batches({ patches: [], batchSize: 1 })) break;
  expect(log.filter((line) => line.startsWith('free'))).toEqual(['free 0', 'free 1']);
});

it('trains to the same bits as batches that come with their numbers', async () => {
  const set = await openPatchSet([data], { sides: { input: 'aviris_lr', target: 'aviris' } });
  const reader = await openReader(set);
  const options: SessionOptions = {
    model: {
      ...{ kind: 'spatial_lightweight', inBands: 5, outBands: 5, up: 15, down: 2, backProjections: 1 },
      ...{ features: 4, blocks: 1 },
    },
    ...{ loss: SPATIAL_LOSS, height: set.inputHeight, width: set.inputWidth, batchSize: 3, pixelMask: true },
    device: { kind: 'cpu' },
  };
  const run = async (session: Session, source: BatchSource) => {
    session.initialize(2);
    const results = [];
    let step = 0;
    for (let epoch = 1; epoch <= 2; epoch++) {
      const loader: LoaderOptions = { patches: [0, 3, 4, 7, 8, 9, 11], batchSize: 3, mask: true };
      const shuffled = { ...loader, shuffle: { seed: 1, epoch }, augment: true };
      for await (const batch of source.batches(shuffled)) {
        results.push(await session.step(batch, { learningRate: 1e-3, step: ++step, maxNorm: 0, emaDecay: 0 }));
        batch.release();
      }
      for await (const batch of source.batches(loader)) results.push(await session.evaluate(batch));
    }
    return { results, parameters: session.read('parameters') };
  };
  const [streaming, staging] = [await createSession(options), await createSession(options)];
  try {
    const streamed = await run(streaming, reader);
    expect(streamed.results).toHaveLength(12);
    expect(await run(staging, stageBatches(staging)!(reader))).toEqual(streamed);
  } finally {
    for (const session of [streaming, staging]) session.dispose();
    await reader.close();
  }
});

it('leaves it where two batches do not fit beside the plan', () => {
  const session = { options: { batchSize: 3 }, hold: () => false } as unknown as Session;
  expect(stageBatches(session)).toBeUndefined();
});
