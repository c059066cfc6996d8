/**
 * A rank other than 0 of a training run: it takes settings, split, normalisation and parameters from rank 0, computes its part
 * of every batch, decides what rank 0 decides from the same numbers, and writes nothing.
 */
import { BandliftError, EXIT } from '../base/errors.js';
import { silentReporter } from '../base/reporter.js';
import { isInterruption } from '../data/worker_pool.js';
import { deviceOfRank } from '../engine/device.js';
import type { Ranks } from '../ranks/join.js';
import { Averages } from './averages.js';
import { CheckpointWriter } from './checkpoint_writer.js';
import type { Stage1Config, Stage2Config } from './config.js';
import { openTrainingData } from './data_setup.js';
import { EarlyStopping } from './early_stopping.js';
import { judgeStart, trainEpochs } from './epochs.js';
import { batchSources } from './held_data.js';
import { openSession } from './model_setup.js';
import { scheduleOptions } from './run.js';
import { pathsOf } from './run_folder.js';
import { createSchedule } from './schedule.js';
import { rankedOptions, receiveStart, shareTensors } from './shared_state.js';
import { sameFiles } from './snapshot.js';
import { openStage2Data } from './stage2_data.js';
import { restoreProgress } from './take_up.js';

/** Trains until rank 0 does not go on. What all ranks throw at the same step (exit 4 and 130) is rank 0's to tell. */
export async function followRun(stage: 1 | 2, ranks: Ranks): Promise<void> {
  try {
    await follow(stage, ranks);
  } catch (error) {
    const everywhere = error instanceof BandliftError && error.exitCode === EXIT.notFinite;
    if (!everywhere && !isInterruption(error)) throw error;
  }
}

async function follow(stage: 1 | 2, { group, watch, localRank }: Ranks): Promise<void> {
  const start = await receiveStart(group);
  const { spec, split, normalization, files } = start;
  const config = { ...start.config, device: deviceOfRank(start.config.device, localRank) };
  const known = { split, normalization };
  const data =
    stage === 1
      ? await openTrainingData(config as Stage1Config, silentReporter, known)
      : await openStage2Data(config as Stage2Config, silentReporter, known);
  try {
    if (!sameFiles({ data: [...files] }, data.set))
      throw new BandliftError('these are other patches than rank 0 sees', {
        file: config.data_dir,
        hint: 'every host must see the same files: use shared storage',
      });
    const session = await openSession(config, spec, data, rankedOptions(config, group));
    try {
      await shareTensors(session, group);
      const stepsPerEpoch = Math.ceil(split.train.length / config.batch_size);
      const run = {
        ...{ config, data, spec, session, report: silentReporter },
        folder: { ...pathsOf(config.output_dir), unlock() {} },
        source: await batchSources(config, data, session, silentReporter),
        at: { epoch: 1, batch: 0, step: 0, averages: new Averages(), best: Number.POSITIVE_INFINITY },
        schedule: createSchedule(scheduleOptions(config, stepsPerEpoch)),
        stopping: new EarlyStopping({ patience: config.patience }),
        writer: new CheckpointWriter(),
        interrupted: () => group.stop,
        atStep: (step: number) => watch.atStep(step),
      };
      restoreProgress(run, start.state);
      if (start.judged) await judgeStart(run);
      await trainEpochs(run, stepsPerEpoch);
    } finally {
      session.dispose();
    }
  } finally {
    await data.training?.close();
    await data.reader.close();
  }
}
