/** Settings of a run through the command line: flag over file over default, the effective config, what is refused. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { bandliftHere, TINY, temporaryFolder } from '../support/cli.js';
import { printedTable, smallSample, testRowsOf } from '../support/runs.js';

const work = temporaryFolder();
beforeAll(async () => {
  smallSample(work);
});
const stage1 = (...args: string[]) => bandliftHere(['train', 'stage1', '--data-dir', 'sample/patches', ...args], work);

describe('settings of a run', () => {
  it('come from flags, then the config file, then the defaults, and are written to the run folder', async () => {
    writeFileSync(
      join(work, 'mine.yaml'),
      'epochs: 7\nseed: 9\nloss_sam: 0.25\nschedule: cosine\nbatch_size: 3\naugment: false\nmodel: spectral_unmixing\nendmembers: 4\nimage_every: 0\n',
    );
    const run = await stage1('--config', 'mine.yaml', '--output-dir', 'merged', '--epochs', '1', '--schedule', 'step');
    expect(run.stderr).not.toMatch(/error/);
    expect(run.status).toBe(0);
    const effective = parse(readFileSync(join(work, 'merged/config.yaml'), 'utf8'));
    expect(effective).toMatchObject({
      epochs: 1, // flag over file
      schedule: 'step',
      seed: 9, // file over default
      loss_sam: 0.25,
      batch_size: 3,
      augment: false,
      model: 'spectral_unmixing',
      endmembers: 4,
      lr: 1e-4, // the documented defaults
      plateau_patience: 10,
      normalization: 'per_band',
      val_fraction: 0.2,
      data_dir: 'sample/patches',
      output_dir: 'merged',
    });
    expect(run.stdout).toContain('epoch 1/1');
    expect(printedTable(run.stdout).size).toBe(4);

    // the effective config is itself a config: the same run again gives the same numbers
    const again = await stage1('--config', 'merged/config.yaml', '--output-dir', 'again');
    expect(again.status).toBe(0);
    expect(testRowsOf(join(work, 'again'))).toEqual(testRowsOf(join(work, 'merged')));
  });

  const refused: [string, string, RegExp][] = [
    ['an unknown key', 'epocs: 3\n', /bad\.yaml: epocs: unknown setting/],
    ['a value of the wrong kind', 'lr: fast\n', /bad\.yaml: lr: /],
    ['a choice that does not exist', 'schedule: wavy\n', /bad\.yaml: schedule: .*plateau/],
    ['something else than settings', '- 1\n- 2\n', /bad\.yaml: /],
    ['no YAML', 'a: [1\n', /bad\.yaml: not valid YAML/],
  ];
  for (const [what, text, message] of refused)
    it(`refuses a config file with ${what}`, async () => {
      writeFileSync(join(work, 'bad.yaml'), text);
      const run = await stage1('--config', 'bad.yaml', '--output-dir', 'refused', ...TINY);
      expect(run.status).toBe(2);
      expect(run.stderr).toMatch(message);
      expect(run.stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(existsSync(join(work, 'refused'))).toBe(false);
    });
});
