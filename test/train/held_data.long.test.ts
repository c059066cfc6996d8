/**
 * `--data-on-device`: a run whose patches lie on the device ends with the same bits as one that reads them anew. On the CPU
 * it has to be asked for; test/gpu runs it where it is the default.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { metricsOf, smallSample, tinyConfig, train } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const grids = join(work, 'patches');
const stage1 = join(work, 'stage1/checkpoints/best.safetensors');
let sample: string;

beforeAll(async () => {
  mkdirSync(grids);
  await writeTwoGrids(grids);
  sample = smallSample(work);
  await train(tinyConfig({ data_dir: grids, output_dir: join(work, 'stage1'), regression: 'linear' }));
});

/** All tensors of a run's last and best checkpoint, and its metrics but for the speed. */
async function outcome(run: string) {
  const tensors = [];
  for (const name of ['last', 'best'])
    for (const [group, values] of Object.entries(
      (await loadCheckpoint(join(work, run, `checkpoints/${name}.safetensors`))).tensors,
    ))
      for (const [key, value] of values) tensors.push([name, group, key, Buffer.from(value.buffer).toString('hex')]);
  const metrics = metricsOf(join(work, run)).map(({ 'train/patches_per_second': _, ...rest }) => rest);
  return { tensors, metrics, test: readFileSync(join(work, run, 'test_metrics.json'), 'utf8') };
}

it('stage 1: the same bits, with flips, turns and a last batch that is smaller', async () => {
  const settings = { data_dir: sample, epochs: 3, batch_size: 4, ema_decay: 0.9 };
  const streamed = await train(tinyConfig({ ...settings, output_dir: join(work, 'streamed') }));
  const held = await train(tinyConfig({ ...settings, output_dir: join(work, 'held'), data_on_device: 'on' }));
  expect(await outcome('held')).toEqual(await outcome('streamed'));
  expect(streamed.lines.filter((line) => /on the device|read anew/.test(line))).toEqual([]);
  // 12 x 12 pixels of 7 + 340 bands in float32
  const [line] = held.lines.filter((text) => text.startsWith('data: ') && text.includes('held on the device'));
  const [, patches, size] = /^data: (\d+) patches held on the device, (\S+) MiB$/.exec(line!)!;
  expect(Number(size)).toBeCloseTo((Number(patches) * 12 * 12 * (7 + 340) * 4) / 2 ** 20, 0);
});

it('stage 1: interrupted within an epoch and resumed without the data on the device, and with it', async () => {
  const settings = { data_dir: sample, epochs: 3 };
  await train(tinyConfig({ ...settings, output_dir: join(work, 'whole') }));
  for (const [first, second] of [
    ['on', 'off'],
    ['off', 'on'],
  ] as const) {
    const run = `resumed-${second}`;
    let steps = 0;
    const stopped = tinyConfig({ ...settings, output_dir: join(work, run), data_on_device: first });
    expect((await train(stopped, () => ++steps === 8)).interrupted).toBe(true);
    const resumed = tinyConfig({ ...settings, output_dir: join(work, run), data_on_device: second });
    await train(resumed, () => false, true);
    expect(await outcome(run)).toEqual(await outcome('whole'));
  }
});

it.each(['stage1', 'simulated', 'mix'] as const)('stage 2 with masks, input %s: the same bits', async (input) => {
  const config = (run: string, data_on_device: 'on' | 'off') =>
    tinyStage2({
      ...{ data_dir: grids, stage1, input, epochs: 3, output_dir: join(work, run), data_on_device },
      cache_dir: join(work, 'cache'),
    });
  await trainSpatial(config(`${input}-streamed`, 'off'));
  await trainSpatial(config(`${input}-held`, 'on'));
  expect(await outcome(`${input}-held`)).toEqual(await outcome(`${input}-streamed`));
});

it('what does not fit is an error where it was asked for, and leaves no folder behind', async () => {
  const settings = { data_dir: sample, batch_size: 1, epochs: 1 };
  await train(tinyConfig({ ...settings, output_dir: join(work, 'free') }));
  const { plan } = JSON.parse(readFileSync(join(work, 'free/environment.json'), 'utf8'));
  // room for the plan and for some, not for all of the patches (3 MB)
  const run = join(work, 'small');
  const config = tinyConfig({ ...settings, output_dir: run, max_memory: plan.totalBytes + 1e6 });
  await expect(train({ ...config, data_on_device: 'on' })).rejects.toMatchObject({
    exitCode: 5,
    message: expect.stringMatching(
      /^--data-on-device: \d+ patches do not fit on the device; found .* MiB, expected at most/,
    ),
  });
  expect(existsSync(run)).toBe(false);
  // without the option the same run works in the same memory
  expect((await train(config)).interrupted).toBe(false);
});
