/** A loss that is no number ends the run with exit 4, names step and patches, and leaves the checkpoints as they were. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { bandliftHere, TINY, temporaryFolder } from '../support/cli.js';
import { hashOf, metricsOf, smallSample } from '../support/runs.js';

const work = temporaryFolder();
const stage1 = (out: string, ...args: string[]) =>
  bandliftHere(
    [
      'train',
      'stage1',
      '--data-dir',
      'sample/patches',
      '--output-dir',
      out,
      '--schedule',
      'constant',
      ...TINY,
      ...args,
    ],
    work,
  );
const checkpoints = (run: string) =>
  Object.fromEntries(
    readdirSync(join(work, run, 'checkpoints')).map((name) => [name, hashOf(join(work, run, 'checkpoints', name))]),
  );

beforeAll(async () => {
  smallSample(work);
});

describe('a run that diverges', () => {
  it('stops before anything is overwritten', async () => {
    const good = await stage1('run', '--epochs', '2');
    expect(good.status).toBe(0);
    cpSync(join(work, 'run'), join(work, 'before'), { recursive: true });
    const { state, split } = await loadCheckpoint(join(work, 'run/checkpoints/last.safetensors'));

    // weights of 1e30 make the next product overflow float32 (3.4e38)
    const bad = await stage1('run', '--resume', '--epochs', '9', '--lr', '1e30');
    expect(bad.status).toBe(4);
    const line = bad.stderr
      .trimEnd()
      .split('\n')
      .filter((text) => text.startsWith('error'));
    expect(line).toHaveLength(1);
    const [, step, patches] = /not a finite number at step (\d+) .*patches of the batch: ([\d, ]+)/.exec(line[0]!)!;
    // the first step still starts from good weights
    expect(Number(step)).toBeGreaterThan(state.progress.step + 1);
    for (const patch of patches!.split(', ')) expect(split.train).toContain(Number(patch));
    expect(line[0]).toContain('nothing was overwritten');

    expect(checkpoints('run')).toEqual(checkpoints('before'));
    expect(metricsOf(join(work, 'run'))).toEqual(metricsOf(join(work, 'before')));

    // and the run goes on with the rate it had
    const mended = await stage1('run', '--resume', '--epochs', '3');
    expect(mended.stderr).not.toMatch(/error/);
    expect(mended.status).toBe(0);
    expect(metricsOf(join(work, 'run'))).toHaveLength(3);
  });

  it('names the step also when validation finds it first', async () => {
    // one step an epoch: the weights of 1e30 are first met by the validation patches
    const bad = await stage1('one', '--epochs', '2', '--lr', '1e30', '--batch-size', '100');
    expect(bad.status).toBe(4);
    expect(bad.stderr).toMatch(/error: .*validation loss of patches [\d, ]+ is not a finite number after step 1/);
    expect(metricsOf(join(work, 'one'))).toEqual([]); // no epoch was finished
  });
});
