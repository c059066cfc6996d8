/**
 * A training run, top to bottom: settings, data, network, loop, test; what differs between the stages is in stage1.ts and
 * stage2.ts. A run is a config that can be resumed: interrupted
 * at any point and continued, it ends with the same bits as one that never stopped (same device).
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { formatBytes } from '../base/bytes.js';
import type { Reporter } from '../base/reporter.js';
import {
  type Checkpoint,
  checkCompatible,
  loadCheckpoint,
  loadModel,
  type StoredModel,
  type TrainingStatistics,
} from '../checkpoint/checkpoint.js';
import { isInterruption } from '../data/worker_pool.js';
import type { Session } from '../engine/types.js';
import type { KnownModel } from '../evaluate/evaluation_data.js';
import { formatShortTable } from '../metrics/table.js';
import type { MethodResult } from '../metrics/types.js';
import type { ModelSpec } from '../models/spec.js';
import type { Ranks } from '../ranks/join.js';
import { Averages } from './averages.js';
import { type Baselines, Board } from './board.js';
import { CheckpointWriter } from './checkpoint_writer.js';
import { configToYaml, type TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';
import { EarlyStopping } from './early_stopping.js';
import { EnvironmentRecord } from './environment.js';
import {
  judgeStart,
  type Position,
  type QuietRun,
  type Run,
  saveBoth,
  stateOf,
  trainEpochs,
  validate,
} from './epochs.js';
import { batchSources } from './held_data.js';
import { patchImages } from './images.js';
import { MetricsLog } from './metrics_log.js';
import { openSession } from './model_setup.js';
import { TrainingMonitor } from './monitor.js';
import { type ResumeState, readState } from './resume_state.js';
import { openRunFolder, type RunFolder } from './run_folder.js';
import { byScene, type SceneRows, sceneTable } from './scene_table.js';
import { createSchedule } from './schedule.js';
import { rankedOptions, shareStart } from './shared_state.js';
import { describeCheckpoint, filesOf, restoreSession, sameFiles } from './snapshot.js';
import { needsBest, restoreRun, takeUp } from './take_up.js';
import { knownModel } from './test_report.js';

export interface TrainResult {
  readonly run: string;
  readonly best: string;
  readonly interrupted: boolean;
  readonly rows: readonly MethodResult[];
}

/** What differs between the stages; the loop, checkpoints, schedules and monitoring are the same. */
export interface TrainingStage<C extends TrainConfig> {
  /** `known`: split and normalisation of the checkpoint to resume from. */
  openData(
    settings: C,
    report: Reporter,
    known: Checkpoint | undefined,
    interrupted: () => boolean,
  ): Promise<TrainingData>;
  /** Decides what the settings of a new run leave open, from the weights it starts from or from the data. */
  decide(settings: C, data: TrainingData, report: Reporter): Promise<C>;
  spec(config: C, data: TrainingData): ModelSpec;
  /** First parameters of a new run that are not random. */
  firstParameters(config: C, spec: ModelSpec, data: TrainingData, report: Reporter): Promise<Map<string, Float32Array>>;
  /** Loss terms of what has to be beaten, on the validation split, by name. */
  baselines(config: C, data: TrainingData): Promise<Baselines>;
  /** Sums of the training pixels for the checkpoint, where the network's input has closed-form baselines. */
  statistics?(config: C, data: TrainingData): Promise<TrainingStatistics | undefined> | undefined;
  /** Rows of the final table: baselines, then the model. */
  test(config: C, data: TrainingData, best: KnownModel, label: string): Promise<MethodResult[]>;
  /** After the last epoch, with the best parameters in the session. */
  finish?(run: Run, best: Checkpoint): Promise<void>;
}

/** Models that are solved or have nothing to train: one validation pass, one checkpoint. */
const CLOSED_FORM: readonly string[] = ['ridge', 'quadratic_ridge', 'bicubic'];

/** Where a run begins. */
export interface Beginning {
  /** Continues the run in settings.output_dir, which must hold one, from its `last` checkpoint. */
  readonly resume: boolean;
  /** File of the state to go on from instead; without `resume` a new run goes on from it. */
  readonly checkpoint?: string | undefined;
}

/**
 * Trains a model. `interrupted` is asked after every step and while data are read; when it says yes, `last` is written and the
 * function returns with `interrupted: true`. Before the first step there is nothing to write: it throws with exit code 130.
 */
export async function trainRun<C extends TrainConfig>(
  stage: TrainingStage<C>,
  settings: C,
  { resume, checkpoint: file }: Beginning,
  report: Reporter,
  interrupted: () => boolean,
  ranks?: Ranks,
): Promise<TrainResult> {
  if (ranks) {
    const { stopAsked } = ranks.group;
    ranks.group.stopAsked = () => stopAsked() || interrupted();
  }
  const folder = openRunFolder(settings.output_dir, resume);
  try {
    const state = resume || file !== undefined ? await readState(folder, file, report) : undefined;
    const phase: Phase = { training: false };
    // while training, the loop itself stops after a step
    const data = await stage.openData(settings, report, state?.checkpoint, () => !phase.training && interrupted());
    try {
      const config = state ? settings : await stage.decide(settings, data, report);
      const spec = stage.spec(config, data);
      if (state) checkCompatible(state.checkpoint, describeCheckpoint(config, spec, data), state.path);
      // what is solved at once needs no help
      const together = ranks && !CLOSED_FORM.includes(spec.kind) ? { ranks } : {};
      const session = await openSession(
        config,
        spec,
        data,
        ranks && together.ranks ? rankedOptions(config, ranks.group) : {},
      );
      try {
        return await runTraining(
          { stage, config, folder, data, spec, session, state, resume, report, phase, ...together },
          interrupted,
        );
      } finally {
        session.dispose();
      }
    } finally {
      await data.training?.close();
      await data.reader.close();
    }
  } finally {
    folder.unlock();
  }
}

/** Whether the loop is under way: it ends after a step, so that nothing is lost, and everything else at once. */
interface Phase {
  training: boolean;
}

interface Job<C extends TrainConfig> {
  readonly stage: TrainingStage<C>;
  readonly config: C;
  readonly folder: RunFolder;
  readonly data: TrainingData;
  readonly spec: ModelSpec;
  readonly session: Session;
  /** What it goes on from. */
  readonly state: ResumeState | undefined;
  /** Whether the folder holds the run already. */
  readonly resume: boolean;
  readonly report: Reporter;
  readonly phase: Phase;
  /** Those who train with this process, which is rank 0. */
  readonly ranks?: Ranks;
}

async function runTraining<C extends TrainConfig>(job: Job<C>, interrupted: () => boolean): Promise<TrainResult> {
  const { stage, config, folder, data, spec, session, state, resume, report, ranks } = job;
  announce(spec, session, report);
  if (ranks) announceRanks(ranks, config, report);
  const closedForm = CLOSED_FORM.includes(spec.kind);
  const source = closedForm
    ? { training: data.reader, validation: data.reader }
    : await batchSources(config, data, session, report);
  const stepsPerEpoch = Math.ceil(data.split.train.length / config.batch_size);
  const at: Position = { epoch: 1, batch: 0, step: 0, averages: new Averages(), best: Number.POSITIVE_INFINITY };
  const statistics = state?.checkpoint.statistics ?? (await stage.statistics?.(config, data));
  const parts = {
    ...(statistics ? { statistics } : {}),
    ...{ config, folder, data, source, spec, session, report, at },
    interrupted: ranks ? () => ranks.group.stop : interrupted,
    schedule: createSchedule(scheduleOptions(config, stepsPerEpoch)),
    stopping: new EarlyStopping({ patience: config.patience }),
    writer: new CheckpointWriter(),
  };
  if (state) {
    restoreRun(parts, state.checkpoint);
    const from = state.path === folder.last ? '' : ` from ${state.path}`;
    report.line(`resuming${from} at epoch ${at.epoch}, batch ${at.batch}, step ${at.step}`);
  } else await startParameters(job);
  if (!resume) {
    await writeFileAtomic(folder.split, `${JSON.stringify(data.split, null, 1)}\n`);
  }
  const record = await EnvironmentRecord.begin(folder.environment, session, resume ? at.step : undefined);
  const baselines = closedForm ? {} : await baselinesOf(job);
  if (ranks) await callRanks(job, ranks, parts);
  // before anything of the folder is cut: killed in between, the run is at this state or at its old one
  if (state) await takeUp(parts, state);
  const monitor = await openMonitor(folder, resume ? at.step : undefined, baselines, report);
  const run = { ...parts, monitor, ...(ranks && { atStep: (step: number) => ranks.watch.atStep(step) }) };
  const { writer } = run;
  if (!resume) monitor.settings(config, configToYaml(config));
  try {
    if (closedForm) await finishClosedForm(run);
    else if (!state) await judgeStart(run);
    // only now: a folder with a config.yaml holds a run that can be resumed
    await writeFileAtomic(folder.config, configToYaml(config));
    job.phase.training = true;
    const stopped = !closedForm && (await trainEpochs(run, stepsPerEpoch));
    await writer.flush();
    if (stopped) return { run: folder.path, best: folder.best, interrupted: true, rows: [] };
    job.phase.training = false;
    const rows = await reportTest(job, run).catch((error: unknown) => {
      if (isInterruption(error)) return undefined;
      throw error;
    });
    return { run: folder.path, best: folder.best, interrupted: rows === undefined, rows: rows ?? [] };
  } catch (error) {
    await writer.flush().catch(() => undefined); // the best so far is not lost; the first error is the one to tell
    throw error;
  } finally {
    monitor.close();
    await record.end();
  }
}

/** Calls the other ranks to work, with everything that is decided: from here on all of them go the same way. */
async function callRanks<C extends TrainConfig>(
  { config, spec, data, session, state, folder, phase }: Job<C>,
  { group, watch }: Ranks,
  run: QuietRun,
): Promise<void> {
  phase.training = true; // a request to stop is now agreed on
  watch.announceBegin();
  const start = {
    ...{ config, spec, split: data.split, normalization: data.normalization },
    files: filesOf(data.set),
    state: stateOf(run),
    judged: state === undefined || (await needsBest(folder, state)),
  };
  await shareStart(group, start, session);
}

function announceRanks({ group, hosts }: Ranks, config: TrainConfig, report: Reporter): void {
  const { communicator, size } = group;
  const names = [...new Set(hosts)].map((host) => `${hosts.filter((one) => one === host).length} on ${host}`);
  report.line(
    `ranks: ${size} (${names.join(', ')}), ${group.part(config.batch_size).size} of a batch's ${config.batch_size} patches each; ${communicator.name}`,
  );
}

/** Measured when a run starts, and kept beside it: a run that goes on draws the same lines. Old runs have none. */
async function baselinesOf<C extends TrainConfig>({ stage, config, folder, data, resume }: Job<C>): Promise<Baselines> {
  if (resume) return existsSync(folder.baselines) ? JSON.parse(await readFile(folder.baselines, 'utf8')) : {};
  const baselines = await stage.baselines(config, data);
  await writeFileAtomic(folder.baselines, `${JSON.stringify(baselines, null, 1)}\n`);
  return baselines;
}

/** `step`: where a run goes on whose folder may hold later measurements. */
async function openMonitor(
  folder: RunFolder,
  step: number | undefined,
  baselines: Baselines,
  report: Reporter,
): Promise<TrainingMonitor> {
  const metrics = await MetricsLog.open(folder.metrics, step);
  if (metrics.dropped > 0)
    report.line(
      `metrics.jsonl and TensorBoard continue from step ${step}: ${metrics.dropped} later measurement${metrics.dropped === 1 ? ' is' : 's are'} removed`,
    );
  return new TrainingMonitor(new Board(folder.tensorboard, baselines, step), metrics, report);
}

function announce(spec: ModelSpec, session: Session, report: Reporter): void {
  const size = (frozen: boolean) =>
    session.parameters
      .filter((p) => p.frozen === frozen)
      .reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  const fixed = size(true);
  const { plan, options } = session;
  report.line(`device: ${session.deviceName}`);
  report.line(
    `model: ${spec.kind}, ${size(false).toLocaleString('en')} trained parameters${fixed > 0 ? ` + ${fixed.toLocaleString('en')} fixed ones of the closed-form start` : ''}`,
  );
  const split =
    plan.microBatch < options.batchSize
      ? `, batches of ${options.batchSize} computed ${plan.microBatch} at a time`
      : '';
  report.line(`memory: ${formatBytes(plan.totalBytes)} planned${split}`);
}

/** What the settings say about the learning rate. */
export function scheduleOptions(config: TrainConfig, stepsPerEpoch: number) {
  return {
    kind: config.schedule,
    learningRate: config.lr,
    warmupSteps: config.warmup_steps,
    factor: config.schedule === 'step' ? config.step_factor : config.plateau_factor,
    patience: config.plateau_patience,
    stepEpochs: config.step_epochs,
    minLearningRate: config.min_lr,
    totalSteps: config.epochs * stepsPerEpoch,
    stepsPerEpoch,
  };
}

/** First parameters of a new run: random from the seed, closed-form start, or those of another checkpoint (`init`). */
async function startParameters<C extends TrainConfig>({ stage, config, spec, data, session, report }: Job<C>) {
  session.initialize(config.seed);
  if (config.init === '' || spec.kind === 'cascade')
    session.write('parameters', await stage.firstParameters(config, spec, data, report));
  if (config.init !== '') {
    const from = await loadModel(config.init);
    session.write('parameters', underNamesOf(spec, from));
    report.line(`starting from the weights of ${config.init}`);
    warnOfSeen(from, data, report);
  }
  if (session.options.ema) session.write('ema', session.read('parameters'));
}

/** A spatial network's weights, alone or as the second stage of a cascade, under the names they have in `spec`. */
function underNamesOf(spec: ModelSpec, { model, tensors }: StoredModel): ReadonlyMap<string, Float32Array> {
  const values = tensors.parameters;
  if (spec.kind === model.kind || (spec.kind !== 'cascade' && model.kind !== 'cascade')) return values;
  const prefix = 'stage2.';
  if (spec.kind === 'cascade') return new Map([...values].map(([name, value]) => [prefix + name, value]));
  return new Map(
    [...values].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );
}

/** Weights that have seen what this run tests on make its numbers too good. */
function warnOfSeen({ contract }: StoredModel, { set, split }: TrainingData, report: Reporter): void {
  if (!contract || !sameFiles(contract, set)) return;
  const seen = new Set(contract.split.train);
  const known = [...split.validation, ...split.test].filter((patch) => seen.has(patch));
  if (known.length > 0)
    report.warn(
      `${known.length} of the patches that are validated or tested on are training patches of the weights it starts from`,
    );
}

/** Ridge models are solved, not trained: one validation pass, one checkpoint. */
async function finishClosedForm(run: Run): Promise<void> {
  const validation = (await validate(run)).terms();
  run.at.best = validation.total;
  run.at.epoch = 2;
  run.report.line(`solved in closed form; validation loss ${validation.total.toFixed(5)}`);
  await saveBoth(run);
}

async function reportTest<C extends TrainConfig>(
  { stage, config }: Job<C>,
  run: Run & { monitor: TrainingMonitor },
): Promise<MethodResult[]> {
  const { folder, session, data, report } = run;
  const best = await loadCheckpoint(folder.best);
  // a best of format 1 holds none
  const statistics = run.statistics ? { statistics: run.statistics } : {};
  restoreSession(session, best);
  const label = CLOSED_FORM.includes(run.spec.kind)
    ? `${run.spec.kind} (this run)`
    : `${run.spec.kind} (best epoch ${best.state.progress.epoch - 1})`;
  const known = knownModel(folder.best, { ...best, ...statistics });
  const rows = await stage.test(config, data, known, label);
  report.line();
  report.line(`test split, ${data.split.test.length} patches, ${data.normalization.units || 'units of the file'}:`);
  if (data.inputText !== undefined) report.line(`input: ${data.inputText}`);
  const table = formatShortTable(rows, { patches: data.split.test.length, units: data.normalization.units });
  report.line(table);
  if (config.test_scenes !== '') {
    const scenes: SceneRows[] = [];
    for (const [scene, test] of byScene(data.set, data.split.test)) {
      const part = { ...data, split: { ...data.split, test } };
      scenes.push({ scene, rows: await stage.test(config, part, known, label) });
    }
    report.line();
    report.line(sceneTable(scenes));
    report.event('scenes', { scenes });
    await writeFileAtomic(join(folder.path, 'test_scenes.json'), `${JSON.stringify(scenes, null, 1)}\n`);
  }
  run.monitor.test(rows, table, run.at.step);
  await writeFileAtomic(join(folder.path, 'test_metrics.json'), `${JSON.stringify(rows, null, 1)}\n`);
  for (const image of await patchImages(data, session, config.ema_decay > 0, data.split.test[0]!)) {
    const file = join(folder.path, `test_${image.tag}.png`);
    await writeFileAtomic(file, image.png);
    report.line(`picture: ${file}`);
  }
  report.event('test', { rows });
  await stage.finish?.(run, best);
  return rows;
}
