/** Weights on their way between runs of stage 2: pre-training, fine-tuning of both stages, its two halves. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { loadModel, type StoredModel } from '../../src/checkpoint/checkpoint.js';
import { Normalizer } from '../../src/data/normalize.js';
import type { AffineNormalization } from '../../src/data/types.js';
import { createSession } from '../../src/engine/session.js';
import { SPATIAL_LOSS } from '../../src/engine/types.js';
import { metricsOf, tinyConfig, train } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const data = join(work, 'patches');
const SIDE = 4;
const at = (run: string, name = 'best') => join(work, run, 'checkpoints', `${name}.safetensors`);
const settings = (run: string) => ({ data_dir: data, output_dir: join(work, run) });

beforeAll(async () => {
  mkdirSync(data);
  await writeTwoGrids(data, { side: SIDE });
  // clipped percentiles: the normalisation under which a cascade and its halves could come apart
  await train(tinyConfig({ ...settings('stage1'), regression: 'none', normalization: 'percentile' }));
});

async function predict({ model, tensors }: StoredModel, input: Float32Array): Promise<Float32Array> {
  const session = await createSession({
    model,
    loss: SPATIAL_LOSS,
    height: SIDE,
    width: SIDE,
    batchSize: 1,
    mode: 'infer',
    device: { kind: 'cpu' },
  });
  try {
    session.write('parameters', tensors.parameters);
    return await session.predict(input, 1);
  } finally {
    session.dispose();
  }
}

/** As predict and evaluate bring physical values into a network. */
function normalized(values: Float32Array, bands: number, n: AffineNormalization): Float32Array {
  const of = (list: readonly number[], i: number) => list[list.length === 1 ? 0 : i % bands]!;
  const each = values.map((v, i) => (v - of(n.offset, i)) / of(n.scale, i));
  return n.clip ? each.map((v) => Math.min(1, Math.max(0, v))) : each;
}

describe('fine-tuning both stages', () => {
  it('lowers the loss, and its halves one after the other are the cascade', async () => {
    const run = await trainSpatial(
      tinyStage2({ ...settings('both'), stage1: at('stage1'), finetune_stage1: true, epochs: 12, augment: false }),
    );
    const losses = metricsOf(run.run).map((line) => line['train/loss']!);
    expect(losses.at(-1)!).toBeLessThan(0.97 * losses[0]!);
    const [both, first, second] = await Promise.all(
      ['best', 'stage1', 'stage2'].map((name) => loadModel(at('both', name))),
    );
    expect(both!.model.kind).toBe('cascade');
    expect(first!.model.kind).toBe('spectral_sr');
    expect(second!.model.kind).toBe('spatial_lightweight');
    // beyond the training range on purpose: nothing may be clipped between the stages
    const random = new Random(8);
    const input = Float32Array.from({ length: SIDE * SIDE * 3 }, () => 3 * random.uniform() - 1);
    const whole = await predict(both!, input);
    const bands = second!.model.outBands;
    const spectra = await predict(first!, input);
    new Normalizer(first!.contract!.normalization.target, bands).denormalize(spectra);
    const parts = await predict(second!, normalized(spectra, bands, second!.contract!.normalization.input));
    // to physical units and back: a few roundings of float32
    const largest = Math.max(...whole.map(Math.abs));
    whole.forEach((v, i) => {
      expect(Math.abs(parts[i]! - v)).toBeLessThan(1e-5 * largest);
    });
  });

  it('may start from a second stage that was trained on degraded cubes', async () => {
    await trainSpatial(tinyStage2({ ...settings('simulated'), stage1: at('stage1'), input: 'simulated' }));
    const run = await trainSpatial(
      tinyStage2({
        ...settings('continued'),
        stage1: at('stage1'),
        finetune_stage1: true,
        init: at('simulated'),
        lr: 1e-12,
        epochs: 1,
      }),
    );
    // at that rate nothing moves: float32 has 7 digits
    const { tensors } = await loadModel(at('continued', 'last'));
    for (const [prefix, from] of [
      ['stage1.', 'stage1'],
      ['stage2.', 'simulated'],
    ] as const)
      for (const [name, value] of (await loadModel(at(from))).tensors.parameters)
        tensors.parameters.get(prefix + name)!.forEach((v, i) => {
          expect(Math.abs(v - value[i]!)).toBeLessThan(1e-9);
        });
    expect(run.lines.join('\n')).not.toContain('warning');
  });

  it('gives its second stage to a run of stage 2 alone', async () => {
    await trainSpatial(
      tinyStage2({ ...settings('alone'), stage1: at('stage1'), init: at('both'), lr: 1e-12, epochs: 1 }),
    );
    const [from, to] = [await loadModel(at('both', 'stage2')), await loadModel(at('alone', 'last'))];
    expect(to.model).toEqual(from.model);
    for (const [name, value] of from.tensors.parameters)
      to.tensors.parameters.get(name)!.forEach((v, i) => {
        expect(Math.abs(v - value[i]!)).toBeLessThan(1e-9);
      });
  });

  it('begins with Landsat: another input is refused', async () => {
    const config = tinyStage2({ ...settings('no'), stage1: at('stage1'), finetune_stage1: true, input: 'mix' });
    await expect(trainSpatial(config)).rejects.toThrow(/--finetune-stage1: .*--input mix/);
  });
});

describe('weights of another run', () => {
  it('that has seen what is tested here come with a warning', async () => {
    // without stage 1 the split is made anew, from another seed
    await trainSpatial(tinyStage2({ ...settings('other'), input: 'simulated', seed: 6, val_fraction: 0.4 }));
    const run = await trainSpatial(tinyStage2({ ...settings('leaks'), stage1: at('stage1'), init: at('other') }));
    const [other, own] = [
      (await loadModel(at('other'))).contract!.split,
      (await loadModel(at('leaks'))).contract!.split,
    ];
    const both = [...own.validation, ...own.test].filter((p) => other.train.includes(p)).length;
    expect(both).toBeGreaterThan(0);
    expect(run.lines.join('\n')).toContain(`warning: ${both} of the patches that are validated or tested on`);
  });

  it('are not those of another stage 1 when a run is resumed', async () => {
    let steps = 0;
    const config = tinyStage2({ ...settings('resumed'), stage1: at('stage1') });
    await trainSpatial(config, () => ++steps === 2);
    await train(tinyConfig({ ...settings('stage1b'), regression: 'none', normalization: 'percentile', seed: 43 }));
    const other = { ...config, stage1: at('stage1b') };
    await expect(trainSpatial(other, () => false, true)).rejects.toThrow(/last\.safetensors: stage1: .*does not fit/);
    expect((await trainSpatial(config, () => false, true)).interrupted).toBe(false);
  });
});
