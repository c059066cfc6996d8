/** Settings of stage 2 through the command line: what is refused before a run begins, in one line. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { EXIT, type ExitCode } from '../../src/base/errors.js';
import { projectRoot } from '../../src/base/version.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { modelParameters, parameterCount } from '../../src/models/index.js';
import { readConfigFile, resolveConfig, STAGE2_SETTINGS, type Stage2Config } from '../../src/train/config.js';
import { spatialSpec } from '../../src/train/stage2.js';
import { bandliftHere, TINY, temporaryFolder } from '../support/cli.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const SMALL = [
  '--model',
  'spatial_lightweight',
  '--features',
  '2',
  '--blocks',
  '1',
  '--epochs',
  '1',
  '--image-every',
  '0',
];
const stage2 = (...args: string[]) => bandliftHere(['train', 'stage2', ...SMALL, ...args], work);
const stage1 = 'stage1/checkpoints/best.safetensors';

beforeAll(async () => {
  for (const name of ['patches', 'wide', 'fine', 'small']) mkdirSync(join(work, name));
  await writeTwoGrids(join(work, 'patches'));
  await writeTwoGrids(join(work, 'wide'), { bands: 6 });
  const first = await bandliftHere(
    ['train', 'stage1', '--data-dir', 'patches', '--output-dir', 'stage1', '--epochs', '1', ...TINY],
    work,
  );
  expect(first.status).toBe(0);
  // no wavelengths, no Landsat: what `prepare` makes of a cube that does not say its bands
  const writer = await PatchWriter.create(join(work, 'fine/la.h5'), {
    ...{
      height: 30,
      width: 30,
      inBands: 0,
      outBands: 5,
      downsamplingFactor: 7.5,
      scale: 1,
      sourceScene: 'la',
      seed: 1,
    },
    ...{ lowResolution: { height: 4, width: 4 }, degraded: true, masked: true },
  });
  for (let p = 0; p < 3; p++)
    writer.append({
      aviris: Float32Array.from({ length: 30 * 30 * 5 }, (_, i) => 1 + ((i * 7 + p) % 11)),
      avirisLr: Float32Array.from({ length: 4 * 4 * 5 }, (_, i) => 1 + ((i * 5 + p) % 7)),
      mask: new Uint8Array(900).fill(1),
      maskLr: new Uint8Array(16).fill(1),
      origin: [0, 30 * p],
    });
  writer.close();
  writeFileSync(join(work, 'file'), '');
});

describe('stage 2', () => {
  it('writes its effective settings, from flags, file and defaults', async () => {
    writeFileSync(join(work, 'mine.yaml'), 'input: simulated\nloss_sam: 0.2\nseed: 9\nback_projections: 1\n');
    const run = await stage2('--config', 'mine.yaml', '--data-dir', 'patches', '--output-dir', 'merged', '--seed', '3');
    expect(run.stderr).not.toMatch(/error/);
    expect(run.status).toBe(0);
    expect(parse(readFileSync(join(work, 'merged/config.yaml'), 'utf8'))).toMatchObject({
      ...{ input: 'simulated', loss_sam: 0.2, seed: 3, back_projections: 1, model: 'spatial_lightweight' },
      ...{ loss_l1: 1, loss_gradient: 0, lr: 1e-4, mix_share: 0.5, plateau_patience: 10, data_dir: 'patches' },
    });
    expect(run.stdout).toContain('input: the true cubes, degraded');
  });

  it('trains alone on a cube without Landsat', async () => {
    const run = await stage2('--data-dir', 'fine', '--input', 'simulated', '--output-dir', 'la');
    expect(run.stderr).not.toMatch(/error/);
    expect(run.status).toBe(0);
  });

  it('refuses in one line what is no setting', async () => {
    for (const [args, message] of [
      [['--mix-share', '2'], /mix-share/],
      [['--input', 'dreams'], /--input.*simulated/],
      [['--finetune-stage1', '--input', 'mix', '--stage1', stage1], /--finetune-stage1: .*--input mix/],
    ] as const) {
      const run = await stage2(...args, '--data-dir', 'patches', '--output-dir', 'refused');
      expect(run.stderr).toMatch(message);
      expect(run.status).toBe(2);
      expect(run.stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(existsSync(join(work, 'refused'))).toBe(false);
    }
  });

  const at = (name: string) => join(work, name);
  const REFUSED: readonly [string, Partial<Stage2Config>, ExitCode, RegExp][] = [
    [
      'a stage 1 that is not there',
      { stage1: at('none.safetensors') },
      EXIT.badInput,
      /none\.safetensors: no such file/,
    ],
    ['patches of other bands', { data_dir: at('wide') }, EXIT.badInput, /predicted bands: .*found 5, expected 6/],
    ['no Landsat to predict from', { data_dir: at('fine') }, EXIT.badInput, /la\.h5: dataset 'landsat' is missing/],
    ['a cache that cannot be', { cache_dir: at('file') }, EXIT.badInput, /file.*--cache-dir/],
    ['both stages without the first', { stage1: '', finetune_stage1: true }, EXIT.usage, /--stage1/],
    [
      'weights of other bands',
      { data_dir: at('wide'), input: 'simulated', stage1: '', init: at('merged/checkpoints/best.safetensors') },
      EXIT.badInput,
      /of 5 bands/,
    ],
    ['too little memory', { input: 'simulated', max_memory: '20K' }, EXIT.outOfMemory, /max-memory/],
  ];
  for (const [what, settings, exitCode, message] of REFUSED)
    it(`refuses ${what}`, async () => {
      const given = { data_dir: at('patches'), stage1: at(stage1), output_dir: at('refused'), ...settings };
      const error = await trainSpatial(tinyStage2(given)).then(
        () => new Error('it was trained'),
        (e: Error) => e,
      );
      expect(error.message).toMatch(message);
      expect(error).toMatchObject({ name: 'BandliftError', exitCode });
      expect(existsSync(at('refused/config.yaml'))).toBe(false);
    });
});

describe('configs', () => {
  // docs/specification.md, section 1: parameters of the documented networks of 340 bands
  for (const [file, parameters] of [
    ['stage2_documented.yaml', 2_210_836],
    ['stage2_lightweight.yaml', 135_396],
  ] as const)
    it(`${file} is the documented network`, () => {
      const settings = readConfigFile(join(projectRoot(), 'configs', file), STAGE2_SETTINGS);
      const config = resolveConfig({}, settings, STAGE2_SETTINGS);
      expect(parameterCount(modelParameters(spatialSpec(config, 340)))).toBe(parameters);
      expect(config).toMatchObject({ loss_l1: 1, loss_l2: 0, loss_sam: 0.05, loss_gradient: 0, epochs: 100 });
    });
});
