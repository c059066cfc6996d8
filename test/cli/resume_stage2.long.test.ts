/** Stage 2 killed anywhere, while stage 1's predictions are computed or later, ends with the bits of a run never killed. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { bandlift, startBandlift, TINY, temporaryFolder } from '../support/cli.js';
import { hashOf, metricsOf } from '../support/runs.js';
import { writeTwoGrids } from '../support/two_grids.js';

const KILLS = 12;
const work = temporaryFolder();
const stage2 = (out: string, ...more: string[]) => [
  ...['train', 'stage2', '--data-dir', join(work, 'patches'), '--output-dir', join(work, out)],
  ...['--stage1', join(work, 'stage1/checkpoints/best.safetensors'), '--cache-dir', join(work, `cache-${out}`)],
  ...['--model', 'spatial_sr', '--features', '4', '--groups', '1', '--blocks', '1', '--reduction', '2'],
  ...['--input', 'mix', '--epochs', '40', '--batch-size', '2', '--image-every', '0', '--patience', '0'],
  ...['--ema-decay', '0.9', '--plateau-patience', '1', '--lr', '1e-3', ...more],
];

beforeAll(async () => {
  mkdirSync(join(work, 'patches'));
  await writeTwoGrids(join(work, 'patches'));
  const stage1 = ['train', 'stage1', '--data-dir', 'patches', '--output-dir', 'stage1', '--epochs', '2', ...TINY];
  for (const args of [stage1, stage2('reference')]) {
    const run = bandlift(args, work);
    expect(run.stderr).not.toMatch(/error/);
    expect(run.status).toBe(0);
  }
});

it('ends with the same bits after kill -9 at random moments', async () => {
  const random = new Random(7);
  let kills = 0;
  for (let finished = false; !finished; ) {
    const resume = existsSync(join(work, 'killed/config.yaml')) ? ['--resume'] : [];
    const run = startBandlift(stage2('killed', ...resume), work);
    // from the first sign of work on: predictions of stage 1, or steps
    await new Promise<void>((resolve) => {
      run.child.stdout!.on('data', (chunk: Buffer) => {
        if (/to compute|resuming|start {2}val/.test(chunk.toString())) resolve();
      });
      run.exited.then(() => resolve());
    });
    if (kills < KILLS) {
      await Promise.race([sleep(300 * random.uniform()), run.exited]);
      run.child.kill('SIGKILL');
    }
    const { code, signal } = await run.exited;
    if (signal === 'SIGKILL') kills++;
    else {
      expect(run.stderr()).not.toMatch(/error/);
      expect(code).toBe(0);
      finished = true;
    }
  }
  expect(kills).toBeGreaterThan(KILLS / 2); // a fast machine may be done before the last ones
  const names = readdirSync(work, { recursive: true }).map(String);
  expect(names.filter((name) => /\.tmp$|\.lock$|\.partial$/.test(name))).toEqual([]);
  const cached = (out: string) => {
    const [folder] = readdirSync(join(work, `cache-${out}`)).filter((name) => name.startsWith('stage1-'));
    const path = join(work, `cache-${out}`, folder!);
    return readdirSync(path).map((name) => hashOf(join(path, name)));
  };
  expect(cached('killed')).toEqual(cached('reference'));
  for (const which of ['last', 'best'])
    expect(hashOf(join(work, 'killed/checkpoints', `${which}.safetensors`))).toBe(
      hashOf(join(work, 'reference/checkpoints', `${which}.safetensors`)),
    );
  const rows = (out: string) => metricsOf(join(work, out)).map(({ 'train/patches_per_second': _, ...row }) => row);
  expect(rows('killed')).toEqual(rows('reference'));
}, 400_000);
