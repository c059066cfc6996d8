/**
 * `bandlift check-pipeline`: a tiny model of every network through data, one training step, a checkpoint and back, and the
 * test metrics. A line each; what the documented sanity check did, with comparisons instead of prints.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadCheckpoint, saveCheckpoint } from '../checkpoint/checkpoint.js';
import type { LoadedBatch } from '../data/types.js';
import type { Session } from '../engine/types.js';
import { EXIT } from '../errors.js';
import { generateSample } from '../sample/sample.js';
import { Averages } from '../train/averages.js';
import { resolveConfig, type Stage1Config } from '../train/config.js';
import { openTrainingData, type TrainingData } from '../train/data_setup.js';
import { EarlyStopping } from '../train/early_stopping.js';
import { dataDrivenParameters, openSession, specFromConfig } from '../train/model_setup.js';
import type { Reporter } from '../train/reporter.js';
import { scheduleOptions } from '../train/run.js';
import { createSchedule } from '../train/schedule.js';
import { describeCheckpoint, restoreSession, snapshotSession } from '../train/snapshot.js';
import { Output } from './output.js';

const NETWORKS: readonly Partial<Stage1Config>[] = [
  { model: 'spectral_sr', axis: 'row' },
  { model: 'spectral_sr', axis: 'raster', regression: 'none' },
  { model: 'spectral_sr', axis: 'spectral' },
  { model: 'spectral_unmixing' },
  { model: 'spectral_unmixing', endmember_constraint: 'none' },
  { model: 'ridge' },
  { model: 'quadratic_ridge' },
];

const silent: Reporter = { line() {}, warn() {}, event() {}, progress: () => ({ update() {}, stop() {} }) };

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

async function checkNetwork(settings: Partial<Stage1Config>, folder: string, patches: string): Promise<string> {
  const config = resolveConfig({
    data_dir: patches,
    batch_size: 2,
    blocks: 1,
    hidden: 8,
    endmembers: 4,
    lr: 1e-6,
    ...settings,
  });
  const data = await openTrainingData(config, silent);
  const sessions: Session[] = [];
  try {
    const spec = specFromConfig(config, data.set.inBands, data.set.outBands);
    const session = await openSession(config, spec, data);
    sessions.push(session);
    session.initialize(config.seed);
    session.write('parameters', await dataDrivenParameters(config, spec, data));
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
      tensors: snapshotSession(session),
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

export function addCheckPipeline(program: Command): void {
  program
    .command('check-pipeline')
    .description('a tiny model of every network through data, one training step, a checkpoint and back')
    .option('--json', 'one JSON object a line on stdout instead of text')
    .action(async (flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      const folder = mkdtempSync(join(tmpdir(), 'bandlift-check-'));
      let failed = 0;
      try {
        await generateSample({ out: folder, seed: 5, patchSize: 12, patches: 8 });
        for (const settings of NETWORKS) {
          const name = Object.values(settings).join(' ');
          let result: string;
          let ok = true;
          try {
            result = await checkNetwork(settings, folder, join(folder, 'patches'));
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
      output.line(failed === 0 ? 'all networks pass' : `${failed} networks fail`);
      if (failed > 0) process.exitCode = EXIT.failure;
    });
}
