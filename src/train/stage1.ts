/**
 * Stage 1 training, top to bottom: settings, data, network, loop, test. A run is a config that can be resumed: interrupted
 * at any point and continued, it ends with the same bits as one that never stopped (same device).
 */
import { join } from 'node:path';
import { type Checkpoint, checkCompatible, loadCheckpoint, loadModel } from '../checkpoint/checkpoint.js';
import type { Session } from '../engine/types.js';
import { BandliftError } from '../errors.js';
import { formatMetricsTable, type MetricRow } from '../evaluate/metrics.js';
import { writeFileAtomic } from '../io/atomic.js';
import type { ModelSpec } from '../models/spec.js';
import { Averages } from './averages.js';
import { configToYaml, type Stage1Config } from './config.js';
import { openTrainingData, type TrainingData } from './data_setup.js';
import { EarlyStopping } from './early_stopping.js';
import { environment } from './environment.js';
import { judgeStart, type Position, type Run, save, trainEpochs, validate } from './epochs.js';
import { patchImages } from './images.js';
import { MetricsLog } from './metrics_log.js';
import { dataDrivenParameters, openSession, specFromConfig, withModel } from './model_setup.js';
import { Monitor } from './monitor.js';
import { chooseRegression } from './regression_choice.js';
import type { Reporter } from './reporter.js';
import { openRunFolder, type RunFolder } from './run_folder.js';
import { createSchedule } from './schedule.js';
import { describeCheckpoint, restoreSession } from './snapshot.js';
import { TensorBoardWriter } from './tensorboard.js';
import { testReport } from './test_report.js';

export interface Stage1Result {
  readonly run: string;
  readonly best: string;
  readonly interrupted: boolean;
  readonly rows: readonly MetricRow[];
}

/**
 * Trains a stage-1 model. `resume` continues the run in config.output_dir from its `last` checkpoint. `interrupted` is
 * asked after every step; when it says yes, `last` is written and the function returns with `interrupted: true`.
 */
export async function trainStage1(
  settings: Stage1Config,
  resume: boolean,
  report: Reporter,
  interrupted: () => boolean,
): Promise<Stage1Result> {
  const folder = openRunFolder(settings.output_dir, resume);
  try {
    const checkpoint = resume ? await loadCheckpoint(settings.checkpoint || folder.last) : undefined;
    const data = await openTrainingData(settings, report, checkpoint);
    try {
      const config = resume ? settings : await decideNetwork(settings, data, report);
      const spec = specFromConfig(config, data.set.inBands, data.set.outBands);
      if (checkpoint)
        checkCompatible(checkpoint, describeCheckpoint(config, spec, data), config.checkpoint || folder.last);
      const session = await openSession(config, spec, data);
      try {
        return await runTraining(config, folder, data, spec, session, checkpoint, report, interrupted);
      } finally {
        session.dispose();
      }
    } finally {
      await data.reader.close();
    }
  } finally {
    folder.unlock();
  }
}

/** What the settings leave open about a new run's network: taken from the weights it starts from, or from the data. */
async function decideNetwork(settings: Stage1Config, data: TrainingData, report: Reporter): Promise<Stage1Config> {
  if (settings.init === '') return chooseRegression(settings, data, report);
  const { model } = await loadModel(settings.init);
  const bands = `${data.set.inBands} -> ${data.set.outBands} bands`;
  if (model.inBands !== data.set.inBands || model.outBands !== data.set.outBands)
    throw new BandliftError('the weights are for other bands than the data', {
      file: settings.init,
      found: `${model.inBands} -> ${model.outBands} bands`,
      expected: bands,
    });
  return withModel(settings, model);
}

async function runTraining(
  config: Stage1Config,
  folder: RunFolder,
  data: TrainingData,
  spec: ModelSpec,
  session: Session,
  checkpoint: Checkpoint | undefined,
  report: Reporter,
  interrupted: () => boolean,
): Promise<Stage1Result> {
  announce(spec, session, report);
  const stepsPerEpoch = Math.ceil(data.split.train.length / config.batch_size);
  const schedule = createSchedule(scheduleOptions(config, stepsPerEpoch));
  const stopping = new EarlyStopping({ patience: config.patience });
  const at: Position = { epoch: 1, batch: 0, step: 0, averages: new Averages(), best: Number.POSITIVE_INFINITY };

  if (checkpoint) {
    restoreSession(session, checkpoint);
    schedule.load(checkpoint.state.schedule);
    stopping.load(checkpoint.state.earlyStopping);
    const p = checkpoint.state.progress;
    Object.assign(at, {
      epoch: p.epoch,
      batch: p.batch,
      step: p.step,
      best: p.best ?? Number.POSITIVE_INFINITY,
      averages: new Averages(p.averages),
    });
    report.line(`resuming at epoch ${at.epoch}, batch ${at.batch}, step ${at.step}`);
  } else {
    await startParameters(config, spec, data, session, report);
    await writeFileAtomic(folder.split, `${JSON.stringify(data.split, null, 1)}\n`);
    await writeFileAtomic(folder.environment, `${JSON.stringify(environment(session), null, 1)}\n`);
  }

  const monitor = new Monitor(
    new TensorBoardWriter(folder.tensorboard, checkpoint ? { resumeStep: at.step } : {}),
    await MetricsLog.open(folder.metrics, checkpoint ? at.step : undefined),
    report,
  );
  const run: Run = { config, folder, data, spec, session, schedule, stopping, monitor, report, at };
  try {
    const closedForm = spec.kind === 'ridge' || spec.kind === 'quadratic_ridge';
    if (closedForm) await finishClosedForm(run);
    else if (!checkpoint) await judgeStart(run);
    // only now: a folder with a config.yaml holds a run that can be resumed
    await writeFileAtomic(folder.config, configToYaml(config));
    if (!closedForm && (await trainEpochs(run, stepsPerEpoch, interrupted)))
      return { run: folder.path, best: folder.best, interrupted: true, rows: [] };
  } finally {
    monitor.close();
  }
  return { run: folder.path, best: folder.best, interrupted: false, rows: await reportTest(run) };
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
  report.line(`memory: ${(plan.totalBytes / 2 ** 30).toFixed(2)} GiB planned${split}`);
}

/** What the settings say about the learning rate. */
export function scheduleOptions(config: Stage1Config, stepsPerEpoch: number) {
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
async function startParameters(
  config: Stage1Config,
  spec: ModelSpec,
  data: TrainingData,
  session: Session,
  report: Reporter,
): Promise<void> {
  session.initialize(config.seed);
  if (config.init !== '') {
    const from = await loadModel(config.init);
    session.write('parameters', from.tensors.parameters);
    report.line(`starting from the weights of ${config.init}`);
  } else {
    session.write('parameters', await dataDrivenParameters(config, spec, data));
  }
  if (session.options.ema) session.write('ema', session.read('parameters'));
}

/** Ridge models are solved, not trained: one validation pass, one checkpoint. */
async function finishClosedForm(run: Run): Promise<void> {
  const validation = (await validate(run)).terms();
  run.at.best = validation.total;
  run.at.epoch = 2;
  run.report.line(`solved in closed form; validation loss ${validation.total.toFixed(5)}`);
  await save(run, run.folder.best);
  await save(run, run.folder.last);
}

async function reportTest(run: Run): Promise<MetricRow[]> {
  const { config, folder, session, data, report } = run;
  const best = await loadCheckpoint(folder.best);
  restoreSession(session, best);
  const label = `${run.spec.kind} (best epoch ${best.state.progress.epoch - 1})`;
  const rows = await testReport(config, data, session, label);
  report.line();
  report.line(`test split, ${data.split.test.length} patches, ${data.normalization.units || 'units of the file'}:`);
  report.line(formatMetricsTable(rows));
  await writeFileAtomic(join(folder.path, 'test_metrics.json'), `${JSON.stringify(rows, null, 1)}\n`);
  for (const image of await patchImages(data, session, config.ema_decay > 0, data.split.test[0]!)) {
    const file = join(folder.path, `test_${image.tag}.png`);
    await writeFileAtomic(file, image.png);
    report.line(`picture: ${file}`);
  }
  report.event('test', { rows });
  return rows;
}
