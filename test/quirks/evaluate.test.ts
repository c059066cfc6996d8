/** What `evaluate` says of a model: the same as training and predict, and on patches the model has never seen. */
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import type { MethodResult } from '../../src/metrics/types.js';
import { expectOneError, fingerprint } from '../support/broken.js';
import { bandliftHere, type CliResult, TINY } from '../support/cli.js';
import { printedTable, testRowsOf } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTinyScenes } from '../support/tiny_scenes.js';
import { writeTwoGrids } from '../support/two_grids.js';
import { quirks } from './table.js';

const work = temporaryFolder();
const MACHINE = ['--device', 'cpu', '--threads', '1'];
const SPLIT = ['--val-scenes', 'line_2', '--test-scenes', 'line_3'];
const best = (run = 'run') => `${run}/checkpoints/best.safetensors`;

async function succeed(folder: string, ...args: string[]): Promise<CliResult> {
  const result = await bandliftHere([...args, ...MACHINE], folder);
  expect(result.stderr, result.stderr).not.toContain('error');
  expect(result.status).toBe(0);
  return result;
}

const train = (folder: string, ...args: string[]) =>
  succeed(folder, 'train', 'stage1', '--data-dir', 'p', '--output-dir', 'run', ...TINY, '--epochs', '2', ...args);

const evaluate = (folder: string, data: string, ...args: string[]) =>
  succeed(folder, 'evaluate', '--stage1', best(), '--data-dir', data, '--out', 'e', ...args);

const resultIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'e/metrics.json'), 'utf8')) as EvaluationResult;

const rmseOf = (methods: readonly MethodResult[], label: string) =>
  methods.find((m) => m.label === label)!.regions.all!.rmse;

let made: Promise<string> | undefined;

/** Scenes with origins in p and a run on them, made once; a copy of both in the row's folder. */
async function copyRun(folder: string): Promise<void> {
  made ??= (async () => {
    await writeTinyScenes(join(work, 'p'), { origins: true });
    await train(work, ...SPLIT);
    return work;
  })();
  cpSync(await made, folder, { recursive: true });
}

async function refused(folder: string, args: readonly string[], exit: number, message: RegExp): Promise<void> {
  const before = fingerprint(folder);
  const result = await bandliftHere(['evaluate', '--out', 'e', ...args, ...MACHINE], folder);
  expect(expectOneError(result.stderr)).toMatch(message);
  expect(result.status).toBe(exit);
  expect(fingerprint(folder)).toEqual(before);
}

const BAD = 4;
const REVIEW = 'review of training, part 2';
const NEWCOMER = 'a first trial by a new user';

quirks('evaluate', [
  {
    name: 'bad bands, three commands',
    source: `${REVIEW}, 2a and 2b`,
    input: 'good_bands 0 for a band with rubbish up to 1000',
    right: "training's table and evaluate print the same numbers without it, predict writes bbl 0 for it",
    check: async (folder) => {
      await writeTinyScenes(join(folder, 'p'), { bad: [BAD] });
      const trained = await train(folder, '--model', 'quadratic_ridge', ...SPLIT);
      const evaluated = await evaluate(folder, 'p');
      const table = printedTable(trained.stdout);
      // columns of evaluate: SAM, SAM clear, RMSE
      const cells = /> quadratic_ridge of the checkpoint +(.*)/.exec(evaluated.stdout)![1]!.split(/ +/).map(Number);
      expect([cells[0], cells[2]]).toEqual(table.get('quadratic_ridge (this run)')!.slice(0, 2));
      // the rubbish would give 200 and more
      expect(table.get('quadratic_ridge (this run)')![1]).toBeLessThan(0.1);
      expect(trained.stdout).toContain('the 7 good of 8 bands');
      await succeed(folder, 'predict', '--stage1', best(), 'p/line_3.h5', '--patch', '0', '--out', 'o');
      // 450, 650, ... nm: 1450 nm lies in water vapour, band 4 (1250 nm) does not
      expect(
        /bbl = \{([^}]*)\}/
          .exec(readFileSync(join(folder, 'o.hdr'), 'utf8'))![1]!
          .trim()
          .split(/,\s*/)[BAD],
      ).toBe('0');
    },
  },
  {
    name: 'the same model on the same patches',
    source: `${REVIEW}, 2b`,
    input: 'a trained spectral_sr, its test split',
    right: "SAM and RMSE of every row of training's table equal evaluate's, to the bit",
    check: async (folder) => {
      await copyRun(folder);
      await evaluate(folder, 'p');
      const { methods } = resultIn(folder);
      const rows = testRowsOf(join(folder, 'run'));
      expect(rows.map((row) => [row.samDeg, row.rmse])).toEqual(
        methods.filter((m) => m.role !== 'oracle').map((m) => [m.regions.all!.samDeg, m.regions.all!.rmse]),
      );
    },
  },
  {
    name: 'scenes never seen',
    source: NEWCOMER,
    input: 'a folder of other scenes, other names, other numbers of patches',
    right: 'all patches; baselines from the statistics in the checkpoint equal those fitted on the training files',
    check: async (folder) => {
      await copyRun(folder);
      await writeTinyScenes(join(folder, 'q'), { scenes: 2, patches: 3, seed: 9, name: (s) => `hill_${s}` });
      const { stdout, stderr } = await evaluate(folder, 'q');
      expect(stdout).toContain('other data: 6 of 6 patches');
      expect(stderr).not.toMatch(/overlap/);
      const stored = resultIn(folder);
      expect(stored.data).toMatchObject({ split: 'all', patches: 6, scenes: ['hill_0', 'hill_1'] });
      expect(stored.notes.join(' ')).toMatch(/not those of the checkpoint's run.*fitted on the training split/);
      mkdirSync(join(folder, 't'));
      for (const name of ['line_0.h5', 'line_1.h5']) copyFileSync(join(folder, 'p', name), join(folder, 't', name));
      await evaluate(folder, 'q', '--baselines-from', 't');
      const fitted = resultIn(folder);
      expect(fitted.notes.join(' ')).toContain('fitted on the 4 patches in t');
      for (const label of ['scaled mean spectrum', 'ridge', 'quadratic ridge', 'spectral_sr'])
        expect(rmseOf(fitted.methods, label)).toBe(rmseOf(stored.methods, label));
    },
  },
  {
    name: 'a renamed scene',
    source: `${NEWCOMER}: data.0.name: found "la_cumbre...h5"`,
    input: 'the files of the run, one of them renamed',
    right: 'evaluated as other data; the 4 of 8 patches that are training ground are named',
    check: async (folder) => {
      await copyRun(folder);
      mkdirSync(join(folder, 'q'));
      for (let s = 0; s < 4; s++)
        copyFileSync(join(folder, `p/line_${s}.h5`), join(folder, `q/${s === 0 ? 'another' : `line_${s}`}.h5`));
      const { stderr } = await evaluate(folder, 'q');
      expect(stderr).toMatch(/4 of 8 patches \(50\.0 %\) overlap training patches of .* \(line_0, line_1\)/);
      expect(resultIn(folder).notes.join(' ')).toMatch(/4 of 8 patches \(50\.0 %\) overlap training patches/);
    },
  },
  {
    name: 'a scene of the same name at unknown places',
    source: 'a brother',
    input: 'other files with source_scene line_0, without origins',
    right: 'a warning that overlap cannot be ruled out',
    check: async (folder) => {
      await copyRun(folder);
      await writeTinyScenes(join(folder, 'q'), { scenes: 1, patches: 4, seed: 9 });
      const { stderr } = await evaluate(folder, 'q');
      expect(stderr).toMatch(
        /4 of 4 patches \(100\.0 %\) are of scenes that .* trained on \(line_0\), at unknown places/,
      );
    },
  },
  {
    name: 'other units, bands and centres',
    source: `${NEWCOMER}, brothers`,
    input: 'radiance for a model of reflectance; 7 bands for 8; centres 3 nm off',
    right: 'exit 3 and one line each',
    check: async (folder) => {
      await copyRun(folder);
      const wavelength = Array.from({ length: 8 }, (_, b) => 453 + 200 * b);
      await writeTinyScenes(join(folder, 'u'), { units: 'uW cm-2 sr-1 nm-1', seed: 9 });
      await writeTinyScenes(join(folder, 'b'), { bands: 7, seed: 9 });
      await writeTinyScenes(join(folder, 'w'), { wavelength, seed: 9 });
      const at = (data: string) => ['--stage1', best(), '--data-dir', data];
      await refused(folder, at('u'), 3, /units: is in other units than the checkpoint.*found uW/);
      await refused(folder, at('b'), 3, /has other bands than the checkpoint; found 7 -> 7 bands, expected 7 -> 8/);
      await refused(folder, at('w'), 3, /wavelength of band 0: has other band centres .*found 453 nm, expected 450 nm/);
    },
  },
  {
    name: 'a split of other data',
    source: 'a brother',
    input: '--split test on patches that are not those of the run',
    right: 'exit 2: the split does not cover them',
    check: async (folder) => {
      await copyRun(folder);
      await writeTinyScenes(join(folder, 'q'), { scenes: 1, seed: 9, name: () => 'hill' });
      await refused(
        folder,
        ['--stage1', best(), '--data-dir', 'q', '--split', 'test'],
        2,
        /--split: the checkpoint's split does not cover these patches/,
      );
    },
  },
  {
    name: 'nothing valid to evaluate',
    source: `${REVIEW}, 10, a brother`,
    input: 'a scene whose mask is 0 everywhere',
    right: 'exit 3, not a table of NaN',
    check: async (folder) => {
      await copyRun(folder);
      await writeTinyScenes(join(folder, 'q'), { scenes: 1, seed: 9, masked: [0], name: () => 'hill' });
      const args = ['evaluate', '--stage1', best(), '--data-dir', 'q', '--out', 'e', ...MACHINE];
      const result = await bandliftHere(args, folder);
      expect(expectOneError(result.stderr)).toMatch(/q\/hill\.h5: no pixel of the patches to evaluate is valid/);
      expect(result.status).toBe(3);
    },
  },
  {
    name: 'a checkpoint of version 0.1.0 elsewhere',
    source: 'a brother',
    input: 'format 1, which holds no statistics, on other scenes',
    right: 'exit 3 and the option that helps; with it, the table',
    check: async (folder) => {
      const compat = join(projectRoot(), 'test/compat');
      const wavelength = Array.from({ length: 8 }, (_, b) => 450 + (1700 * b) / 7);
      await writeTinyScenes(join(folder, 'q'), { seed: 9, scenes: 1, wavelength, name: () => 'hill' });
      const args = ['--stage1', join(compat, 'stage1.safetensors'), '--data-dir', 'q'];
      await refused(folder, args, 3, /holds no statistics .*found version 0\.1\.0; .*--baselines-from/);
      const from = ['--baselines-from', join(compat, 'patches')];
      const { stdout, stderr } = await succeed(folder, 'evaluate', '--out', 'e', ...args, ...from);
      expect(stdout).toContain('> spectral_sr');
      expect(stderr).toContain('overlap with them cannot be ruled out');
    },
  },
  {
    name: 'near nodata, end to end',
    source: 'reading the sources',
    input: 'patches with a masked Landsat pixel: stage 1 predicts something there',
    right: "what it predicts there reaches no neighbour: evaluate equals stage 2's own table, to the bit",
    check: async (folder) => {
      mkdirSync(join(folder, 'p'));
      await writeTwoGrids(join(folder, 'p'), { hole: true });
      await train(folder, '--model', 'ridge');
      const spatial = ['--model', 'spatial_lightweight', '--features', '4', '--blocks', '1', '--epochs', '1'];
      const two = ['--batch-size', '2', '--image-every', '0', '--no-zero-start'];
      const data = ['--data-dir', 'p', '--output-dir', 'two'];
      await succeed(folder, 'train', 'stage2', '--stage1', best(), ...data, ...spatial, ...two);
      await evaluate(folder, 'p', '--stage2', best('two'));
      const { methods } = resultIn(folder);
      const rows = testRowsOf(join(folder, 'two'));
      const numbers = (m: MethodResult | undefined) => [m?.regions.all?.samDeg, m?.regions.all?.rmse];
      expect(rows.map((row) => [row.samDeg, row.rmse])).toEqual(
        [
          'ridge, bicubic',
          'ridge, bicubic + 5 back-projections',
          'ridge, bicubic + 8 bounded back-projections',
          'ridge, spatial_lightweight',
        ].map((label) => numbers(methods.find((m) => m.label === label))),
      );
    },
  },
]);
