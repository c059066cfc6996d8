/** Stage 2's trainer: what it learns, what its inputs are, and that an interruption leaves no trace. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { silentReporter } from '../../src/base/reporter.js';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { createSession } from '../../src/engine/session.js';
import { type Batch, SPATIAL_LOSS } from '../../src/engine/types.js';
import { evaluateStage1 } from '../../src/evaluate/stage1.js';
import type { SpatialModelSpec } from '../../src/models/spec.js';
import type { Stage2Config } from '../../src/train/config.js';
import { hashOf, metricsOf, testRowsOf, tinyConfig, train } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const data = join(work, 'patches');
const BANDS = 5;
const stage1 = join(work, 'stage1/checkpoints/best.safetensors');
const settings = (run: string, more: Partial<Stage2Config> = {}) =>
  tinyStage2({ data_dir: data, output_dir: join(work, run), stage1, ...more });

beforeAll(async () => {
  mkdirSync(data);
  await writeTwoGrids(data, { bands: BANDS });
  await train(tinyConfig({ data_dir: data, output_dir: join(work, 'stage1'), regression: 'linear' }));
});

/** Bytes of all tensors of a run's last checkpoint. */
async function weights(run: string): Promise<Record<string, string>> {
  const { tensors } = await loadCheckpoint(join(work, run, 'checkpoints/last.safetensors'));
  const all = Object.entries(tensors).flatMap(([group, values]) =>
    [...values].map(([name, value]) => [`${group} ${name}`, Buffer.from(value.buffer).toString('hex')]),
  );
  return Object.fromEntries(all) as Record<string, string>;
}

describe('a spatial network', () => {
  const STEPS = 500;
  const sizes = { inBands: BANDS, outBands: BANDS, up: 15, down: 2, backProjections: 0 };
  const networks: SpatialModelSpec[] = [
    { kind: 'spatial_lightweight', ...sizes, features: 24, blocks: 2 },
    { kind: 'spatial_sr', ...sizes, features: 16, groups: 1, blocks: 2, reduction: 4 },
  ];
  for (const model of networks)
    it(`${model.kind} learns two patches by heart`, async () => {
      const set = await openPatchSet([data], { sides: { input: 'aviris_lr', target: 'aviris' } });
      const reader = await openReader(set);
      let batch: Batch | undefined;
      try {
        const { target } = await fitNormalization(reader, [0, 4], 'per_band');
        const options = { patches: [0, 4], batchSize: 2, normalize: { input: target, target }, mask: true };
        for await (const b of reader.batches(options))
          batch = { ...b, input: b.input.slice(), target: b.target.slice(), mask: b.mask!.slice() };
      } finally {
        await reader.close();
      }
      const session = await createSession({
        model,
        loss: SPATIAL_LOSS,
        height: set.inputHeight,
        width: set.inputWidth,
        batchSize: 2,
        pixelMask: true,
        device: { kind: 'cpu' },
      });
      try {
        session.initialize(1);
        const { total: initial } = await session.evaluate(batch!);
        // half a cosine: large steps first, then none that throws it back
        for (let i = 0; i < STEPS; i++) {
          const learningRate = 1.5e-3 * (1 + Math.cos((Math.PI * i) / STEPS));
          await session.step(batch!, { learningRate, step: i + 1, maxNorm: 1, emaDecay: 0 });
        }
        const { total, l1, sam } = await session.evaluate(batch!);
        expect(total / initial).toBeLessThan(0.1);
        // the documented combination; terms are summed in double and reported as float32 or better
        expect(Math.abs(total / (l1 + 0.05 * sam) - 1)).toBeLessThan(1e-6);
      } finally {
        session.dispose();
      }
    }, 240_000);
});

describe('the input of stage 2', () => {
  const long = { epochs: 3, ema_decay: 0.9 };
  it('mixed by all or nothing is one of the two', async () => {
    await trainSpatial(settings('none', { ...long, input: 'mix', mix_share: 0 }));
    await trainSpatial(settings('predicted', { ...long, input: 'stage1' }));
    expect(await weights('none')).toEqual(await weights('predicted'));
    await trainSpatial(settings('all', { ...long, input: 'mix', mix_share: 1 }));
    await trainSpatial(settings('simulated', { ...long, input: 'simulated' }));
    // the schedule follows the validation loss, which differs; within its patience the steps are the same
    expect(await weights('all')).toEqual(await weights('simulated'));
    await trainSpatial(settings('half', { ...long, input: 'mix' }));
    for (const other of ['none', 'all']) expect(await weights('half')).not.toEqual(await weights(other));
  });

  it('mixed is chosen by the seed, the epoch and the place in it', async () => {
    await trainSpatial(settings('again', { ...long, input: 'mix' }));
    expect(await weights('again')).toEqual(await weights('half'));
    let steps = 0;
    const config = settings('stopped', { ...long, input: 'mix' });
    // 8 training patches in batches of 2: in the middle of the second epoch
    expect((await trainSpatial(config, () => ++steps === 6)).interrupted).toBe(true);
    await trainSpatial(config, () => false, true);
    expect(await weights('stopped')).toEqual(await weights('half'));
    const rows = metricsOf(join(work, 'stopped')).map(({ 'train/patches_per_second': _, ...row }) => row);
    expect(rows).toEqual(metricsOf(join(work, 'half')).map(({ 'train/patches_per_second': _, ...row }) => row));
  });

  it('and its dataset are part of the checkpoint', async () => {
    const { sides, stage1: hash } = await loadCheckpoint(join(work, 'half/checkpoints/best.safetensors'));
    expect(sides).toEqual({ input: 'stage1', target: 'aviris' });
    expect(hash).toBe(hashOf(stage1));
  });
});

describe('stage 1 on a choice of grids', () => {
  const sidesOf = async (grid: 'auto' | '30m' | 'patch') => {
    const run = join(work, `grid-${grid}`);
    const { lines } = await train(tinyConfig({ data_dir: data, output_dir: run, grid, regression: 'none', epochs: 1 }));
    const { sides } = await loadCheckpoint(join(run, 'checkpoints/last.safetensors'));
    return { sides, size: /patches of (\d+ x \d+)/.exec(lines.join('\n'))![1] };
  };
  it("takes Landsat's own grid where the files hold it", async () => {
    const coarse = { sides: { input: 'landsat_lr', target: 'aviris_lr' }, size: '4 x 4' };
    expect(await sidesOf('auto')).toEqual(coarse);
    expect(await sidesOf('30m')).toEqual(coarse);
    expect(await sidesOf('patch')).toEqual({ sides: { input: 'landsat', target: 'aviris' }, size: '30 x 30' });
  });

  it('and is evaluated on the one it was trained on', async () => {
    for (const [grid, side] of [
      ['30m', 4],
      ['patch', 30],
    ] as const) {
      const options = { data, split: 'test' as const, machine: { device: { kind: 'cpu' as const } }, threads: 1 };
      const checkpoint = join(work, `grid-${grid}`, 'checkpoints/best.safetensors');
      expect((await evaluateStage1(checkpoint, options, silentReporter)).data.height).toBe(side);
    }
  });
});

describe('the closed form', () => {
  it('is a model like others: bicubic with its back-projections, the same numbers as the baseline', async () => {
    const plain = { model: 'bicubic', back_projections: 5, projection: 'plain' } as const;
    const { lines } = await trainSpatial(settings('bicubic', plain));
    const [, projected, , model] = testRowsOf(join(work, 'bicubic'));
    // the baseline works on physical values, the model on normalised ones: linear maps, float32
    expect(Math.abs(model!.rmse / projected!.rmse - 1)).toBeLessThan(1e-5);
    expect(Math.abs(model!.samDeg / projected!.samDeg - 1)).toBeLessThan(1e-5);
    expect(lines.join('\n')).toContain(`input: predictions of ${stage1}`);
    const { model: spec } = await loadCheckpoint(join(work, 'bicubic/checkpoints/best.safetensors'));
    expect(spec).toEqual({ kind: 'bicubic', inBands: BANDS, outBands: BANDS, up: 15, down: 2, backProjections: 5 });
    expect(readFileSync(join(work, 'bicubic/config.yaml'), 'utf8')).toContain('model: bicubic');
  });
});
