/**
 * `bandlift check-pipeline` at work: a tiny model of every network through data, one training step, a checkpoint and back, and the
 * whole way from Landsat to 4 m. A line each; what the documented sanity check did, with comparisons instead of prints.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../base/errors.js';
import { silentReporter } from '../base/reporter.js';
import { loadCheckpoint, saveCheckpoint } from '../checkpoint/checkpoint.js';
import type { LoadedBatch } from '../data/types.js';
import type { Session } from '../engine/types.js';
import type { ModelSpec } from '../models/spec.js';
import { predict } from '../predict/predict.js';
import { readEnvi } from '../raster/envi.js';
import { generateFineSample, generateLandsatSample } from '../sample/fine.js';
import { generateSample } from '../sample/sample.js';
import { openScene } from '../scenes/open.js';
import { Averages } from '../train/averages.js';
import {
  resolveConfig,
  STAGE2_SETTINGS,
  type Stage1Config,
  type Stage2Config,
  type TrainConfig,
} from '../train/config.js';
import { openTrainingData, type TrainingData } from '../train/data_setup.js';
import { EarlyStopping } from '../train/early_stopping.js';
import { dataDrivenParameters, openSession, specFromConfig } from '../train/model_setup.js';
import { scheduleOptions } from '../train/run.js';
import { createSchedule } from '../train/schedule.js';
import { describeCheckpoint, restoreSession } from '../train/snapshot.js';
import { trainStage1 } from '../train/stage1.js';
import { spatialSpec, trainStage2 } from '../train/stage2.js';
import { openStage2Data } from '../train/stage2_data.js';
import { Output } from './output.js';

const STAGE1: readonly Partial<Stage1Config>[] = [
  { model: 'spectral_sr', axis: 'row' },
  { model: 'spectral_sr', axis: 'raster', regression: 'none' },
  { model: 'spectral_sr', axis: 'spectral' },
  { model: 'spectral_unmixing' },
  { model: 'spectral_unmixing', endmember_constraint: 'none' },
  { model: 'ridge' },
  { model: 'quadratic_ridge' },
];

const STAGE2: readonly Partial<Stage2Config>[] = [
  { model: 'spatial_sr', back_projections: 0 },
  { model: 'spatial_sr' },
  { model: 'spatial_lightweight' },
  { model: 'bicubic' },
];

async function firstBatch(data: TrainingData): Promise<LoadedBatch> {
  const { input, target } = data.normalization;
  for await (const batch of data.reader.batches({
    patches: data.split.train,
    batchSize: 2,
    normalize: { input, target },
    mask: data.masked,
  }))
    return batch;
  throw new Error('no batch');
}

async function checkStage1(settings: Partial<Stage1Config>, folder: string): Promise<string> {
  const tiny = { batch_size: 2, blocks: 1, hidden: 8, endmembers: 4, lr: 1e-6 };
  const config = resolveConfig({ data_dir: join(folder, 'patches'), ...tiny, ...settings });
  const data = await openTrainingData(config, silentReporter);
  const spec = specFromConfig(config, data.set.inBands, data.set.outBands);
  return checkNetwork(config, data, spec, await dataDrivenParameters(config, spec, data), folder);
}

async function checkStage2(settings: Partial<Stage2Config>, folder: string): Promise<string> {
  const tiny = { batch_size: 2, features: 4, groups: 1, blocks: 1, lr: 1e-6, input: 'simulated' };
  const config = resolveConfig({ data_dir: join(folder, 'patches_4m'), ...tiny, ...settings }, {}, STAGE2_SETTINGS);
  const data = await openStage2Data(config, silentReporter);
  return checkNetwork(config, data, spatialSpec(config, data.set.outBands), new Map(), folder);
}

/** One step must lower the loss, and a checkpoint must bring back the same bits. Closes the data. */
async function checkNetwork(
  config: TrainConfig,
  data: TrainingData,
  spec: ModelSpec,
  parameters: ReadonlyMap<string, Float32Array>,
  folder: string,
): Promise<string> {
  const sessions: Session[] = [];
  try {
    const session = await openSession(config, spec, data);
    sessions.push(session);
    session.initialize(config.seed);
    session.write('parameters', parameters);
    const batch = await firstBatch(data);
    const before = await session.evaluate(batch);
    if (!before.finite) throw new Error(`the loss is ${before.total}`);
    const trained = session.parameters.some((p) => !p.frozen);
    if (trained) await session.step(batch, { learningRate: config.lr, step: 1, maxNorm: 0, emaDecay: 0 });
    const after = await session.evaluate(batch);
    if (trained && !(after.total < before.total))
      throw new Error(`one step raised the loss from ${before.total} to ${after.total}`);
    const file = join(folder, 'check.safetensors');
    const schedule = createSchedule(scheduleOptions(config, 1));
    await saveCheckpoint(file, {
      ...describeCheckpoint(config, spec, data),
      tensors: await (await session.snapshot())(),
      state: {
        progress: { epoch: 1, batch: 1, step: 1, best: null, averages: new Averages().state() },
        schedule: schedule.state(),
        earlyStopping: new EarlyStopping({ patience: 0 }).state(),
      },
    });
    const again = await openSession(config, spec, data);
    sessions.push(again);
    restoreSession(again, await loadCheckpoint(file));
    const [a, b] = [await session.predict(batch.input, batch.size), await again.predict(batch.input, batch.size)];
    const different = a.findIndex((value, i) => !Object.is(value, b[i]));
    if (different >= 0) throw new Error(`the prediction after the checkpoint differs at number ${different}`);
    return `loss ${before.total.toFixed(4)}${trained ? ` -> ${after.total.toFixed(4)}` : ''}, checkpoint and back to the same bits`;
  } finally {
    for (const session of sessions) session.dispose();
    await data.reader.close();
  }
}

/**
 * The whole way, tiny: stage 1 trained, its predictions cached, stage 2 trained on them, a Landsat scene predicted through
 * both by tiles and at once. Both results must be the same scene at 4 m.
 */
async function checkChain(folder: string): Promise<string> {
  const data_dir = join(folder, 'patches_4m');
  const tiny = { data_dir, epochs: 1, batch_size: 2, blocks: 1, image_every: 0 };
  const never = () => false;
  const one = await trainStage1(
    resolveConfig({ ...tiny, output_dir: join(folder, 'one'), hidden: 6 }),
    false,
    silentReporter,
    never,
  );
  const stage2 = { ...tiny, output_dir: join(folder, 'two'), stage1: one.best, features: 4, groups: 1 };
  const two = await trainStage2(resolveConfig(stage2, {}, STAGE2_SETTINGS), false, silentReporter, never);
  const [landsat] = await generateLandsatSample({ out: folder, seed: 5, line: 9, height: 8, width: 6 });
  const hooks = { reporter: silentReporter, interrupted: never };
  const cubes = [];
  for (const tile of [8, 3]) {
    const out = join(folder, `tiles_of_${tile}.img`);
    const scene = await openScene(landsat!);
    try {
      await predict(
        scene,
        {
          out,
          tile,
          stage1: one.best,
          stage2: two.best,
          format: { dataType: 'float32' as const, interleave: 'bip' as const },
        },
        hooks,
      );
    } finally {
      await scene.close();
    }
    cubes.push(await readEnvi(out));
  }
  const [whole, tiled] = cubes as [(typeof cubes)[0], (typeof cubes)[0]];
  const { lines, samples, bands } = whole.header;
  if (lines !== 60 || samples !== 45) throw new Error(`8 x 6 pixels became ${lines} x ${samples}, expected 60 x 45`);
  const largest = whole.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const worst = whole.data.reduce((most, v, i) => Math.max(most, Math.abs(v - tiled.data[i]!)), 0) / largest;
  if (!(worst <= 1e-5)) throw new Error(`tiles change the prediction by ${worst} of its largest value`);
  return `8 x 6 Landsat pixels -> ${lines} x ${samples} x ${bands}, tiled = untiled to ${worst.toExponential(0)}`;
}

export async function runCheckPipeline(flags: { json?: boolean }): Promise<void> {
  const output = new Output(flags.json === true);
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-check-'));
  let failed = 0;
  try {
    await generateSample({ out: folder, seed: 5, patchSize: 12, patches: 8 });
    await generateFineSample({ out: folder, seed: 5, lines: 4, patch: 2, across: 2, along: 1 });
    const checks: [string, () => Promise<string>][] = [
      ...STAGE1.map((s): [string, () => Promise<string>] => [Object.values(s).join(' '), () => checkStage1(s, folder)]),
      ...STAGE2.map((s): [string, () => Promise<string>] => [Object.values(s).join(' '), () => checkStage2(s, folder)]),
      ['both stages, a whole scene', () => checkChain(folder)],
    ];
    for (const [name, check] of checks) {
      let result: string;
      let ok = true;
      try {
        result = await check();
      } catch (error) {
        ok = false;
        failed++;
        result = (error as Error).message;
      }
      output.line(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(28)} ${result}`);
      output.event('check', { network: name, ok, result });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  output.line(failed === 0 ? 'all checks pass' : `${failed} checks fail`);
  if (failed > 0) process.exitCode = EXIT.failure;
}
