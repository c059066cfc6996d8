/** When checkpoints are written, in which order, and what becomes of errors. Numbers are checked by the resume tests. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { COMBINED_LOSS, type Snapshot } from '../../src/engine/types.js';
import { modelParameters } from '../../src/models/index.js';
import { Averages } from '../../src/train/averages.js';
import { type Captured, CheckpointWriter } from '../../src/train/checkpoint_writer.js';
import { splitOf } from '../support/checkpoints.js';
import { temporaryFolder } from '../support/temporary.js';

const work = temporaryFolder();

const normalization = { offset: [0], scale: [1], clip: false };
const contract: Captured['contract'] = {
  model: { kind: 'ridge', inBands: 3, outBands: 5 },
  bands: { wavelength: null, fwhm: null, units: null },
  ...{ sensor: null, responseHash: null, seed: 1, version: '0.1.0', data: [{ name: 'a.h5', patches: 3 }] },
  normalization: { method: 'none', input: normalization, target: normalization, units: '' },
  split: splitOf([0], [1], [2]),
  loss: COMBINED_LOSS,
  optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, batchSize: 1, emaDecay: 0 },
  state: {
    progress: { epoch: 2, batch: 0, step: 1, best: 0.5, averages: new Averages().state() },
    schedule: { kind: 'constant', learningRate: 1e-4, best: null, badEpochs: 0 },
    earlyStopping: { best: null, badEpochs: 0 },
  },
};

/** A checkpoint whose every number is `value`; `numbers` resolves when `ready` does. */
function captured(value: number, ready: Promise<void> = Promise.resolve()): Captured {
  const infos = modelParameters(contract.model);
  const filled = (all: boolean) =>
    new Map(
      infos
        .filter((info) => all || !info.frozen)
        .map((info) => [info.name, new Float32Array(info.shape.reduce((a, b) => a * b, 1)).fill(value)]),
    );
  const snapshot: Snapshot = { parameters: filled(true), m: filled(false), v: filled(false) };
  return { contract, numbers: () => ready.then(() => snapshot) };
}

async function valueIn(path: string): Promise<number> {
  const { tensors } = await loadCheckpoint(path);
  return [...tensors.parameters.values()][0]![0]!;
}

it('writes what was kept first, the newest of each path, and rests ten times as long as it took', async () => {
  let clock = 0;
  const folder = join(work, 'order');
  mkdirSync(folder);
  const [best, last] = [join(folder, 'best.safetensors'), join(folder, 'last.safetensors')];
  const writer = new CheckpointWriter(() => clock);
  expect(writer.due).toBe(true);
  writer.keep(best, captured(1));
  writer.keep(best, captured(2));
  let arrive = () => {};
  const ready = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  writer.write(last, captured(3, ready));
  expect(writer.due).toBe(false);
  await new Promise((resolve) => setImmediate(resolve)); // it has begun
  clock = 7;
  arrive();
  await writer.flush();
  expect([await valueIn(best), await valueIn(last)]).toEqual([2, 3]);
  expect(statSync(best).mtimeMs).toBeLessThanOrEqual(statSync(last).mtimeMs);
  // it took 7 ms by that clock and ended at 7
  for (const [time, due] of [
    [7, false],
    [76, false],
    [77, true],
  ] as const) {
    clock = time;
    expect(writer.due, `at ${time} ms`).toBe(due);
  }
  writer.keep(best, captured(4));
  expect(await valueIn(best)).toBe(2); // not yet
  await writer.flush();
  expect([await valueIn(best), await valueIn(last)]).toEqual([4, 3]);
});

it('writes nothing after a failure, and tells it at every later call', async () => {
  const folder = join(work, 'failing');
  mkdirSync(folder);
  const writer = new CheckpointWriter();
  writer.keep(join(folder, 'nowhere/best.safetensors'), captured(1));
  writer.write(join(folder, 'last.safetensors'), captured(1));
  await expect(writer.flush()).rejects.toThrow(/nowhere/);
  expect(() => writer.keep(join(folder, 'best.safetensors'), captured(2))).toThrow(/nowhere/);
  await expect(writer.flush()).rejects.toThrow(/nowhere/);
  expect(existsSync(join(folder, 'last.safetensors'))).toBe(false); // newer than the best it belongs to
  expect(readdirSync(folder)).toEqual([]);
});

it('tells that numbers could not be read', async () => {
  const writer = new CheckpointWriter();
  writer.write(join(work, 'lost.safetensors'), {
    contract,
    numbers: () => Promise.reject(new Error('the GPU was lost')),
  });
  await expect(writer.flush()).rejects.toThrow('the GPU was lost');
  expect(existsSync(join(work, 'lost.safetensors'))).toBe(false);
});
