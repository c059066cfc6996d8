/** The cache of stage 1's predictions: a file is complete or not there, whoever stops or starts beside it. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { processSpace } from '../../src/base/process_lock.mjs';
import { startBandlift, temporaryFolder } from '../support/cli.js';
import { hashOf, tinyConfig, train } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const data = join(work, 'patches');
const stage1 = join(work, 'stage1/checkpoints/best.safetensors');
const [SIDE, BANDS, PATCHES, SCENES] = [4, 5, 4, 3];
const PATCH_BYTES = SIDE * SIDE * BANDS * 4;
let run = 0;
const config = (cache: string) =>
  tinyStage2({
    data_dir: data,
    output_dir: join(work, `run-${++run}`),
    stage1,
    cache_dir: join(work, cache),
    epochs: 1,
  });

/** The files of a cache of one folder. */
const filesOf = (cache: string) => {
  const [folder, ...others] = readdirSync(join(work, cache)).filter((name) => name !== 'content_hashes.json');
  expect(others).toEqual([]);
  return readdirSync(join(work, cache, folder!))
    .filter((name) => name !== 'description.json')
    .map((name) => join(work, cache, folder!, name));
};

beforeAll(async () => {
  mkdirSync(data);
  await writeTwoGrids(data, { side: SIDE, bands: BANDS, patches: PATCHES, scenes: SCENES });
  await train(tinyConfig({ data_dir: data, output_dir: join(work, 'stage1'), regression: 'linear' }));
});

describe("the cache of stage 1's predictions", () => {
  it('goes on after what an interrupted run left, a patch cut off computed again', async () => {
    await trainSpatial(config('whole'));
    const files = filesOf('whole');
    const before = files.map(hashOf);
    // as if killed in the second file: two patches and a half
    const partial = `${files[1]!}.${processSpace()}.partial`;
    copyFileSync(files[1]!, partial);
    truncateSync(partial, 2.5 * PATCH_BYTES);
    // of another machine, or of before a restart: nobody knows what had reached the disk
    copyFileSync(files[1]!, `${files[1]!}.00000000.partial`);
    truncateSync(files[1]!, 0);
    const { lines } = await trainSpatial(config('whole'));
    expect(lines.join('\n')).toMatch(/2 patches to compute \(10 kept\)/);
    expect(filesOf('whole')).toEqual(files);
    expect(files.map(hashOf)).toEqual(before);
  });

  it('stops between patches when asked to, and keeps what is done', async () => {
    let asked = 0;
    const stopped = trainSpatial(config('stopped'), () => ++asked === 6);
    await expect(stopped).rejects.toMatchObject({ exitCode: 130 });
    const names = filesOf('stopped').map((file) => file.slice(file.indexOf('scene')));
    expect(names).toEqual(['scene_0.h5.f32', `scene_1.h5.f32.${processSpace()}.partial`]);
    expect(existsSync(join(work, `run-${run}`))).toBe(false); // no run that could be resumed
    const { lines } = await trainSpatial(config('stopped'));
    expect(lines.join('\n')).toMatch(/6 patches to compute \(6 kept\)/);
  });

  it('does not take a damaged file for a complete one', async () => {
    await trainSpatial(config('damaged'));
    const [first] = filesOf('damaged');
    const before = hashOf(first!);
    writeFileSync(first!, Buffer.concat([readFileSync(first!), new Uint8Array(PATCH_BYTES)]));
    await trainSpatial(config('damaged'));
    expect(hashOf(first!)).toBe(before);
  });

  it('is made once by two runs that start together', async () => {
    const args = (out: string) => [
      ...['train', 'stage2', '--data-dir', data, '--stage1', stage1, '--cache-dir', join(work, 'together')],
      ...['--output-dir', join(work, out), '--model', 'spatial_lightweight', '--features', '4', '--blocks', '1'],
      ...['--epochs', '1', '--image-every', '0', '--batch-size', '2'],
    ];
    const runs = ['together-1', 'together-2'].map((out) => startBandlift(args(out), work));
    for (const { exited, stderr } of runs) expect({ ...(await exited), error: stderr() }).toMatchObject({ code: 0 });
    const files = filesOf('together');
    expect(files.map((file) => file.slice(file.indexOf('scene')))).toEqual(
      [0, 1, 2].map((scene) => `scene_${scene}.h5.f32`),
    );
    expect(files.map((file) => statSync(file).size)).toEqual(new Array(SCENES).fill(PATCHES * PATCH_BYTES));
    const results = ['together-1', 'together-2'].map((out) =>
      JSON.parse(readFileSync(join(work, out, 'test_metrics.json'), 'utf8')),
    );
    expect(results[1]).toEqual(results[0]);
  });
});
