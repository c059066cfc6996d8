/** Stage 2 through the trainer, on a small generated sample of both grids: inputs, cache, resume, cascade, final table. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { processSpace } from '../../src/base/process_lock.mjs';
import { loadCheckpoint, loadModel } from '../../src/checkpoint/checkpoint.js';
import { openReader } from '../../src/data/loader.js';
import { Normalizer } from '../../src/data/normalize.js';
import { openPatchSet } from '../../src/data/patches.js';
import { createSession } from '../../src/engine/session.js';
import { bandRegions } from '../../src/metrics/band_regions.js';
import { patchMetrics } from '../../src/metrics/patch_metrics.js';
import { methodMetrics } from '../../src/metrics/region_metrics.js';
import { emptyEvaluation, mergeEvaluation } from '../../src/metrics/sums.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { bicubicTaps, type Taps } from '../../src/resample/taps.js';
import { generateFineSample } from '../../src/sample/fine.js';
import { resolveConfig, STAGE2_SETTINGS, type Stage2Config } from '../../src/train/config.js';
import { trainStage2 } from '../../src/train/stage2.js';
import { temporaryFolder } from '../support/cli.js';
import { describeLong } from '../support/long.js';
import { afterSteps, hashOf, metricsOf, testRowsOf, tinyConfig, train } from '../support/runs.js';

const work = temporaryFolder();
const at = (name: string) => join(work, name);
const patches = at('patches_4m');
const stage1 = at('stage1/checkpoints/best.safetensors');
const BOTH = { input: 'aviris_lr', target: 'aviris' } as const;

/** Five lines of two patches, two Landsat pixels (15 fine ones) a side. */
beforeAll(async () => {
  await generateFineSample({ out: work, seed: 3, lines: 5, patch: 2, across: 2, along: 1 });
  await train(tinyConfig({ data_dir: patches, output_dir: at('stage1'), model: 'ridge' }));
});

function config(settings: Partial<Stage2Config>): Stage2Config {
  const tiny = { features: 4, groups: 1, blocks: 1, batch_size: 2, image_every: 0, patience: 0, lr: 1e-3, epochs: 2 };
  const run = { device: 'cpu', data_dir: patches, stage1, cache_dir: at('cache') };
  return resolveConfig({ ...tiny, ...run, ...settings }, {}, STAGE2_SETTINGS);
}

async function train2(settings: Partial<Stage2Config>, interrupted = () => false, resume = false) {
  const lines: string[] = [];
  const steps = afterSteps(interrupted);
  const report = {
    line: (text = '') => void lines.push(text),
    warn: (text: string) => void lines.push(text),
    event: () => {},
    progress: steps.progress,
  };
  return { ...(await trainStage2(config(settings), resume, report, steps.interrupted)), lines };
}

/** Runs a model on normalised numbers. */
async function predict(model: ModelSpec, parameters: ReadonlyMap<string, Float32Array>, input: Float32Array) {
  const side = Math.sqrt(input.length / model.inBands);
  const loss = { l1: 1, l2: 0, sam: 0, gradient: 0 };
  const session = await createSession({ model, loss, height: side, width: side, batchSize: 1, mode: 'infer' });
  try {
    session.write('parameters', parameters);
    return await session.predict(input, 1);
  } finally {
    session.dispose();
  }
}

describe('stage 2', () => {
  it('starts at the back-projected bicubic and learns a few patches by heart', async () => {
    const rest = { input: 'simulated' as const, stage1: '', features: 12, lr: 3e-3, epochs: 120, augment: false };
    for (const model of ['spatial_sr', 'spatial_lightweight'] as const) {
      const run = await train2({ ...rest, model, output_dir: at(`overfit_${model}`), schedule: 'cosine' });
      const losses = metricsOf(run.run).map((m) => m['train/loss']!);
      expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.5);
    }
  });

  it('ends with the same bits when it is interrupted, with both inputs mixed', async () => {
    const settings = { input: 'mix' as const, epochs: 3 };
    await train2({ ...settings, output_dir: at('whole') });
    let steps = 0;
    const first = await train2({ ...settings, output_dir: at('parts') }, () => ++steps === 2);
    expect(first.interrupted).toBe(true);
    await train2({ ...settings, output_dir: at('parts') }, undefined, true);
    const tensors = async (run: string) => (await loadCheckpoint(at(`${run}/checkpoints/last.safetensors`))).tensors;
    expect(await tensors('parts')).toEqual(await tensors('whole'));
    expect(testRowsOf(at('parts'))).toEqual(testRowsOf(at('whole')));
  });

  it("takes stage 1's split and its normalisation of the spectra for both sides", async () => {
    const [one, two] = [await loadCheckpoint(stage1), await loadCheckpoint(at('whole/checkpoints/last.safetensors'))];
    expect(two.split.test).toEqual(one.split.test);
    expect(two.normalization.input).toEqual(one.normalization.target);
    expect(two.normalization.target).toEqual(one.normalization.target);
  });

  it("writes the final table's baselines as arithmetic gives them", async () => {
    await train2({ input: 'simulated', output_dir: at('table'), epochs: 1 });
    const { split } = await loadCheckpoint(at('table/checkpoints/best.safetensors'));
    const set = await openPatchSet([patches], { sides: BOTH });
    const reader = await openReader(set);
    const bands = set.outBands;
    const regions = bandRegions(bands);
    const sums = emptyEvaluation(bands, 1);
    for (const patch of split.test) {
      const { input, target } = await reader.readPatch(patch);
      const pair = { height: 15, width: 15, bands, prediction: enlarge(input, 2, bands), target };
      mergeEvaluation(sums, patchMetrics(pair, { masks: [regions[0]!.mask] }));
    }
    await reader.close();
    const [expected, found] = [methodMetrics(sums, regions, 7.5).regions.all!, testRowsOf(at('table'))[0]!];
    expect(found.label).toBe('bicubic');
    // the trainer works in float32 and sums in double
    for (const key of ['samDeg', 'rmse', 'mae', 'psnr', 'ergas'] as const)
      expect(Math.abs(found[key] / expected[key] - 1)).toBeLessThan(1e-4);
    expect(testRowsOf(at('table'))[1]!.label).toBe('bicubic + 5 back-projections');
  });
});

/** Bicubic x7.5 by the tables, pixel by pixel. */
function enlarge(image: Float32Array, side: number, bands: number): Float32Array {
  const t: Taps = bicubicTaps(side, 7.5 * side, 1 / 7.5);
  const out = new Float32Array(t.outSize * t.outSize * bands);
  for (let y = 0; y < t.outSize; y++)
    for (let x = 0; x < t.outSize; x++)
      for (let b = 0; b < bands; b++) {
        let sum = 0;
        for (let i = 0; i < t.taps; i++)
          for (let j = 0; j < t.taps; j++)
            sum +=
              t.weight[y * t.taps + i]! *
              t.weight[x * t.taps + j]! *
              image[((t.start[y]! + i) * side + t.start[x]! + j) * bands + b]!;
        out[(y * t.outSize + x) * bands + b] = sum;
      }
  return out;
}

describeLong("the cache of stage 1's predictions", () => {
  const folders = () => readdirSync(at('cache')).filter((name) => name.startsWith('stage1-'));
  const files = () =>
    folders().flatMap((folder) =>
      readdirSync(at(`cache/${folder}`))
        .filter((f) => f.endsWith('.f32'))
        .map((f) => at(`cache/${folder}/${f}`)),
    );

  it('holds what stage 1 predicts, in physical units', async () => {
    const { model, tensors, contract } = await loadModel(stage1);
    const set = await openPatchSet([patches]);
    const reader = await openReader(set);
    const { input } = await reader.readPatch(0);
    await reader.close();
    new Normalizer(contract!.normalization.input, 7).normalize(input);
    const expected = await predict(model, tensors.parameters, input);
    new Normalizer(contract!.normalization.target, 340).denormalize(expected);
    const stored = new Float32Array(readFileSync(files()[0]!).buffer.slice(0, expected.byteLength));
    // the same program on the same numbers
    expect(stored).toEqual(expected);
  });

  it('is used again, and a file that was cut off is completed to the same bytes', async () => {
    const before = files().map(hashOf);
    const again = await train2({ output_dir: at('again'), epochs: 1 });
    expect(again.lines.join('\n')).toMatch(/stage 1's predictions: 10 patches in /);
    const cut = files()[1]!;
    const partial = `${cut}.${processSpace()}.partial`;
    renameSync(cut, partial);
    truncateSync(partial, 7000);
    const mended = await train2({ output_dir: at('mended'), epochs: 1 });
    // 7,000 bytes hold one patch of 2 x 2 x 340 numbers and a piece of the next
    expect(mended.lines.join('\n')).toMatch(/1 patches to compute \(9 kept\)/);
    expect(files().map(hashOf)).toEqual(before);
  });

  it('belongs to one checkpoint and the contents of the data, not to their times', async () => {
    const before = folders().length;
    await train(tinyConfig({ data_dir: patches, output_dir: at('other'), model: 'ridge', seed: 8 }));
    await train2({ stage1: at('other/checkpoints/best.safetensors'), output_dir: at('with_other'), epochs: 1 });
    expect(folders()).toHaveLength(before + 1);
    utimesSync(join(patches, 'line_1.h5'), new Date(), new Date());
    await train2({ output_dir: at('touched'), epochs: 1 });
    expect(folders()).toHaveLength(before + 1);
    // HDF5 does not look at what follows its own end
    appendFileSync(join(patches, 'line_1.h5'), 'x');
    await train2({ output_dir: at('changed'), epochs: 1 });
    expect(folders()).toHaveLength(before + 2);
  });
});

describeLong('--finetune-stage1', () => {
  it('improves on both stages as given, and its halves predict what it predicts', async () => {
    const settings = { finetune_stage1: true, epochs: 6, lr: 1e-3, output_dir: at('cascade') };
    // a network in front: the closed form has nothing to train
    const sr = { data_dir: patches, output_dir: at('sr'), epochs: 1, model: 'spectral_sr' as const };
    await train(tinyConfig(sr));
    const run = await train2({ ...settings, stage1: at('sr/checkpoints/best.safetensors') });
    const losses = metricsOf(run.run).map((m) => m['train/loss']!);
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    expect(run.rows.map((row) => row.label.replace(/ \(.*/, ''))).toEqual([
      'stage 1 as given, bicubic',
      'stage 1 as given, bicubic + 5 back-projections',
      'stage 1 as given, bicubic + 8 bounded back-projections',
      'cascade',
    ]);

    const load = (name: string) => loadModel(at(`cascade/checkpoints/${name}.safetensors`));
    const [both, one, two] = [await load('best'), await load('stage1'), await load('stage2')];
    expect([one.model.kind, two.model.kind]).toEqual(['spectral_sr', 'spatial_sr']);
    const input = Float32Array.from({ length: 4 * 7 }, (_, i) => Math.sin(i));
    const whole = await predict(both.model, both.tensors.parameters, input);
    const middle = await predict(one.model, one.tensors.parameters, input);
    const parts = await predict(two.model, two.tensors.parameters, middle);
    expect(parts).toEqual(whole);
    expect(two.contract!.normalization.input).toEqual(one.contract!.normalization.target);
  });
});

describe('what cannot be trained', () => {
  const failure = async (settings: Partial<Stage2Config>): Promise<string> => {
    try {
      await train2({ output_dir: at('refused'), ...settings });
    } catch (error) {
      expect(existsSync(at('refused/config.yaml'))).toBe(false);
      return (error as Error).message;
    }
    return 'it was trained';
  };

  it('is told in one line', async () => {
    expect(await failure({ stage1: '' })).toMatch(/^--stage1: stage 2 takes the predictions.*--input simulated/);
    expect(await failure({ stage1: at('whole/checkpoints/best.safetensors') })).toMatch(
      /not a model of stage 1.*spatial_sr/,
    );
    expect(await failure({ test_scenes: 'nowhere', val_scenes: 'line_1', input: 'simulated', stage1: '' })).toMatch(
      /--test-scenes: no such scene; found nowhere, expected some of line_1/,
    );
    expect(await failure({ init: stage1 })).toMatch(/do not belong to a network of stage 2.*ridge/);
    writeFileSync(at('cut.safetensors'), readFileSync(stage1).subarray(0, 900));
    expect(await failure({ stage1: at('cut.safetensors') })).toMatch(/cut\.safetensors/);
    copyFileSync(stage1, at('copy.safetensors'));
    expect(await failure({ data_dir: at('nowhere') })).toMatch(/nowhere: no such file or folder/);
  });
});
