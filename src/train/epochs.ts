/**
 * The loop of a training run: epochs of steps, validation after each, checkpoints. Everything a run is lives in `Run`; what
 * changes while it goes on in `Position`, which is also all that a checkpoint must hold besides the tensors.
 */

import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import type { TrainingStatistics } from '../checkpoint/checkpoint.js';
import type { CheckpointState } from '../checkpoint/schema.js';
import { balanceScenes } from '../data/balance.js';
import { isInterruption } from '../data/worker_pool.js';
import type { LossTerms, Session } from '../engine/types.js';
import type { ModelSpec } from '../models/spec.js';
import { Averages } from './averages.js';
import type { BatchSources, TrainingBatch } from './batch_source.js';
import type { Captured, CheckpointWriter } from './checkpoint_writer.js';
import type { TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';
import type { EarlyStopping } from './early_stopping.js';
import { patchImages } from './images.js';
import type { TrainingMonitor } from './monitor.js';
import type { RunFolder } from './run_folder.js';
import type { Schedule } from './schedule.js';
import { shareAgain } from './shared_state.js';
import { describeCheckpoint } from './snapshot.js';
import { partOf, validationLoss } from './validation.js';

/** Where a run stands; together with the tensors this is all that a checkpoint must hold. */
export interface Position {
  epoch: number; // 1-based; the epoch being trained
  batch: number; // batches of it that are done
  step: number; // optimizer steps done
  averages: Averages;
  best: number;
}

/** A run that records nothing yet. */
export interface QuietRun {
  readonly config: TrainConfig;
  readonly folder: RunFolder;
  readonly data: TrainingData;
  /** Where the batches of both splits come from. */
  readonly source: BatchSources;
  readonly spec: ModelSpec;
  readonly session: Session;
  readonly schedule: Schedule;
  readonly stopping: EarlyStopping;
  readonly writer: CheckpointWriter;
  readonly report: Reporter;
  readonly at: Position;
  /** Whether a signal asked the run to stop at the next step. */
  readonly interrupted: () => boolean;
  /** Of the training pixels, for the checkpoints. */
  readonly statistics?: TrainingStatistics;
}

export interface Run extends QuietRun {
  /** Absent on a rank that computes only: rank 0 records and writes. */
  readonly monitor?: TrainingMonitor;
  /** Told of every step. */
  readonly atStep?: (step: number) => void;
}

/** The start itself is a candidate for the best model: with a closed-form start, training must earn its place. */
export async function judgeStart(run: Run): Promise<void> {
  const { at, report, monitor } = run;
  const validation = (await validate(run)).terms();
  at.best = validation.total;
  if (monitor === undefined) return;
  report.line(
    `start  val ${validation.total.toFixed(5)}  L1 ${validation.l1.toFixed(5)}  SAM ${((validation.sam * 180) / Math.PI).toFixed(3)} deg`,
  );
  report.event('start', { validation });
  monitor.start(validation);
  await saveBoth(run);
}

/** Trains until the last epoch or early stopping. When interrupted, writes `last` and returns true. */
export async function trainEpochs(run: Run, stepsPerEpoch: number): Promise<boolean> {
  const stopped = await epochsToDo(run, stepsPerEpoch);
  if (stopped && run.monitor) run.writer.write(run.folder.last, await capture(run));
  return stopped;
}

async function epochsToDo(run: Run, stepsPerEpoch: number): Promise<boolean> {
  const { config, at, report, interrupted } = run;
  const bar = report.progress(config.epochs * stepsPerEpoch, 'steps', at.step);
  try {
    while (at.epoch <= config.epochs && !run.stopping.stopped) {
      if (interrupted()) return true;
      const started = performance.now();
      const batches = run.source.training.batches({
        patches: patchesOfEpoch(run),
        batchSize: config.batch_size,
        normalize: { input: run.data.normalization.input, target: run.data.normalization.target },
        shuffle: { seed: config.seed, epoch: at.epoch },
        augment: config.augment,
        ...(run.data.movable && { movable: run.data.movable }),
        startBatch: at.batch,
        mask: run.data.masked,
        ...partOf(config, run.session),
      });
      let patches = 0;
      for await (const batch of batches) {
        await trainStep(run, batch);
        patches += (batch.whole ?? batch.patches).length;
        batch.release();
        bar.update(at.step, `epoch ${at.epoch} loss ${run.at.averages.terms().total.toFixed(4)}`);
        if (interrupted()) return true;
      }
      const seconds = (performance.now() - started) / 1000;
      if (!(await finishEpoch(run, { seconds, patches }))) return true;
    }
  } finally {
    bar.stop();
  }
  if (run.stopping.stopped) report.line(`stopped early: no improvement in ${config.patience} epochs`);
  return false;
}

/** What an epoch trains on, before it is shuffled. */
function patchesOfEpoch({ config, data, at }: Run): readonly number[] {
  const { set, split } = data;
  const balanced = 'balance' in config && config.balance === 'scene';
  return balanced ? balanceScenes(set, split.train, config.seed, at.epoch) : split.train;
}

async function trainStep(run: Run, batch: TrainingBatch): Promise<void> {
  const { config, at, session, schedule } = run;
  const learningRate = schedule.learningRate(at.step);
  const result = await session.step(batch, {
    learningRate,
    // steps that overflowed in fp16 were none for Adam
    step: at.step + 1 - (session.lossScale()?.overflows ?? 0),
    maxNorm: config.clip_norm,
    emaDecay: config.ema_decay,
  });
  const patches = batch.whole ?? batch.patches;
  if (!result.finite) {
    const where = result.firstBad
      ? `first at patch ${patches[result.firstBad.patch]}, row ${result.firstBad.y}, column ${result.firstBad.x}, band ${result.firstBad.band} of the prediction`
      : `in the gradient (norm ${result.gradNorm})`;
    throw new BandliftError(
      `not a finite number at step ${at.step + 1} (loss ${result.total}), ${where}; patches of the batch: ${patches.join(', ')}`,
      {
        file: run.folder.path,
        hint: 'nothing was overwritten; look at these patches, or try a smaller --lr or --clip-norm 1',
      },
      EXIT.notFinite,
    );
  }
  if (result.skipped === true)
    run.report.event('skipped', { step: at.step + 1, lossScale: session.lossScale()!.scale });
  else at.averages.add(result, result.validPixels ?? batch.validPixels, result.gradNorm);
  at.step += 1;
  at.batch += 1;
  run.atStep?.(at.step);
}

/** Loss terms over the validation split, at this step. */
export function validate(run: QuietRun): Promise<Averages> {
  const { config, data, session, source, at } = run;
  return validationLoss(config, data, session, `after step ${at.step}`, source.validation, run.interrupted);
}

/** False when interrupted before anything of the epoch was decided: a run that goes on from there validates again. */
async function finishEpoch(run: Run, timing: { seconds: number; patches: number }): Promise<boolean> {
  const { config, at, folder, schedule, stopping, monitor, writer } = run;
  const learningRate = schedule.learningRate(at.step - 1);
  let validation: LossTerms;
  try {
    validation = (await validate(run)).terms();
  } catch (error) {
    if (isInterruption(error)) return false;
    throw error;
  }
  const improved = validation.total < at.best;
  if (improved) at.best = validation.total;
  schedule.onEpochEnd(validation.total);
  stopping.onEpochEnd(validation.total);
  const epoch = at.epoch;
  await shareAgain(run.session);
  if (monitor === undefined) {
    nextEpoch(at);
    return true;
  }
  monitor.epoch({
    epoch,
    epochs: config.epochs,
    step: at.step,
    train: at.averages.terms(),
    validation,
    learningRate,
    gradNorm: at.averages.gradNorm(),
    patchesPerSecond: timing.patches > 0 ? timing.patches / timing.seconds : undefined,
    seconds: timing.seconds,
    improved,
  });
  if (config.image_every > 0 && (epoch === 1 || epoch % config.image_every === 0 || epoch === config.epochs))
    for (const image of await patchImages(run.data, run.session, config.ema_decay > 0, run.data.split.validation[0]!))
      monitor.image(image.tag, image.png, image.width, image.height, at.step);
  nextEpoch(at);
  const every = config.save_every > 0 && epoch % config.save_every === 0;
  const now = every || epoch === config.epochs || stopping.stopped || writer.due;
  if (!now && !improved) return true;
  const captured = await capture(run);
  // best first: killed between the two, the resumed epochs write the same best again
  if (improved) writer.keep(folder.best, captured);
  if (every) writer.keep(folder.epochCheckpoint(epoch), captured);
  if (now) writer.write(folder.last, captured);
  return true;
}

function nextEpoch(at: Position): void {
  at.epoch += 1;
  at.batch = 0;
  at.averages = new Averages();
}

/** Best and last, on the disk when it resolves. */
export async function saveBoth(run: QuietRun): Promise<void> {
  const { writer, folder } = run;
  const captured = await capture(run);
  writer.keep(folder.best, captured);
  writer.write(folder.last, captured);
  await writer.flush();
}

/** Last, on the disk when it resolves. */
export async function saveLast(run: QuietRun): Promise<void> {
  run.writer.write(run.folder.last, await capture(run));
  await run.writer.flush();
}

/** The run as it stands; it may go on at once. */
async function capture(run: QuietRun): Promise<Captured> {
  const { config, spec, data, session, statistics } = run;
  const contract = {
    ...describeCheckpoint(config, spec, data),
    ...(statistics ? { statistics } : {}),
    state: stateOf(run),
  };
  return { contract, numbers: await session.snapshot() };
}

/** Where a run stands, as checkpoints hold it. */
export function stateOf({ at, session, schedule, stopping }: QuietRun): CheckpointState {
  return {
    progress: {
      epoch: at.epoch,
      batch: at.batch,
      step: at.step,
      best: Number.isFinite(at.best) ? at.best : null,
      averages: at.averages.state(),
    },
    schedule: schedule.state(),
    earlyStopping: stopping.state(),
    ...(session.lossScale() === undefined ? {} : { lossScale: session.lossScale()! }),
  };
}
