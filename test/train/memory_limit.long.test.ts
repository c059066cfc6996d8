/** --max-memory: a batch computed in parts trains the same; a limit that holds not even one patch is refused. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bandlift, TINY, temporaryFolder } from '../support/cli.js';
import { metricsOf, smallSample, testRowsOf } from '../support/runs.js';

const work = temporaryFolder();
const stage1 = (out: string, ...args: string[]) =>
  bandlift(
    [
      'train',
      'stage1',
      '--data-dir',
      'sample/patches',
      '--output-dir',
      out,
      ...TINY,
      '--batch-size',
      '4',
      '--lr',
      '1e-4',
      ...args,
    ],
    work,
  );

beforeAll(() => {
  smallSample(work);
});

describe('--max-memory', () => {
  it('that splits batches gives the same training', () => {
    const whole = stage1('whole', '--epochs', '3');
    expect(whole.status).toBe(0);
    expect(whole.stdout).not.toContain('at a time');
    // the message of a limit that is far too small says from where on one patch fits
    const least = /at least ([\d.]+) MiB/.exec(stage1('probe', '--epochs', '1', '--max-memory', '1M').stderr)![1]!;
    const split = stage1('split', '--epochs', '3', '--max-memory', `${least}M`);
    expect(split.stderr).not.toMatch(/error/);
    expect(split.status).toBe(0);
    expect(split.stdout).toMatch(/batches of 4 computed [12] at a time/);

    // The mean over a batch's pixels is the same sum in another order of float32 additions: about 1e-6 after one step, and an
    // epoch has several, whose differences add up: 3e-6. It stays so while few elements change sides: the loss's L1 and the ReLUs have steps in their gradients, and Adam turns a tiny
    // gradient of the other sign into a whole step the other way. So later epochs agree to 1e-4 only.
    const [a, b] = [metricsOf(join(work, 'whole')), metricsOf(join(work, 'split'))];
    expect(a).toHaveLength(3);
    a.forEach((line, i) => {
      expect(b[i]!.step).toBe(line.step);
      for (const part of ['train', 'validation'])
        for (const term of ['loss', 'l1', 'sam_rad', 'spectral_gradient']) {
          const tag = `${part}/${term}`;
          const off = Math.abs(b[i]![tag]! / line[tag]! - 1);
          expect(off, `epoch ${i + 1} ${tag}`).toBeLessThan(i === 0 ? 3e-6 : 1e-4);
        }
    });
    const rows = testRowsOf(join(work, 'split'));
    // the baselines are not trained: only the order of additions
    testRowsOf(join(work, 'whole')).forEach((row, i) => {
      expect(Math.abs(rows[i]!.samDeg / row.samDeg - 1), row.label).toBeLessThan(i < 3 ? 1e-6 : 1e-4);
    });
  });

  it('that holds not even one patch exits 5 with one line that says what would fit', () => {
    const run = stage1('small', '--epochs', '1', '--max-memory', '12M');
    expect(run.status).toBe(5);
    const lines = run.stderr
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('warning'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^error: max-memory: one patch of 12 x 12 pixels does not fit .*found 12\.0 MiB/);
    expect(lines[0]).toMatch(/patches of up to \d+ x \d+ pixels fit|no patch size fits/);
    // no checkpoint of a run that never began
    expect(existsSync(join(work, 'small/checkpoints')) ? readdirSync(join(work, 'small/checkpoints')) : []).toEqual([]);
  });

  it('is refused when it is no size', () => {
    const run = stage1('wrong', '--epochs', '1', '--max-memory', 'lots');
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(/--max-memory: not a size; found 'lots'/);
  });
});
