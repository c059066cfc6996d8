/** `bandlift train` at work: from patches to a checkpoint. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError, type ErrorDetail, EXIT } from '../base/errors.js';
import { checkDevice } from '../engine/device.js';
import { parseDevice } from '../engine/device_choice.js';
import { runFrom, SavedAbort } from '../library/train.js';
import type { Ranks } from '../ranks/join.js';
import { placementOf, unusedTasks } from '../ranks/placement.js';
import {
  type Settings,
  STAGE1_SETTINGS,
  STAGE2_SETTINGS,
  type Stage1Config,
  type Stage2Config,
  type TrainConfig,
} from '../train/config.js';
import { FINE_SAMPLE, SAMPLE } from '../train/defaults.js';
import { isFinished } from '../train/resume_state.js';
import { checkpointsOf, freeRunPath } from '../train/run_folder.js';
import { chooseStart } from '../train/start.js';
import { onInterrupt } from './interrupt.js';
import { snake } from './options.js';
import { Output } from './output.js';
import { requeue } from './requeue.js';
import { defaultFineSample, defaultSample } from './sample_run.js';
import { trainTogether } from './train_ranks.js';

export interface TrainFlags extends Record<string, unknown> {
  config?: string;
  checkpoint?: string;
  resume?: boolean | string;
  requeue?: boolean;
  json?: boolean;
}

/** What the command does differently for each stage. */
interface StageCommand<C extends TrainConfig> {
  readonly stage: 1 | 2;
  readonly settings: Settings<C>;
  /** Fills in what was not given: the sample, and what goes with it. */
  defaults(config: C, given: ReadonlySet<string>, output: Output): Promise<void>;
}

const STAGE1: StageCommand<Stage1Config> = {
  settings: STAGE1_SETTINGS,
  stage: 1,
  async defaults(config, given, output) {
    if (config.data_dir !== '') return;
    config.data_dir = await defaultSample(output);
    // a learning rate is fit for one schedule and one size of batch, and so are the others
    Object.assign(config, Object.fromEntries(Object.entries(SAMPLE).filter(([name]) => !given.has(name))));
  },
};

const STAGE2: StageCommand<Stage2Config> = {
  settings: STAGE2_SETTINGS,
  stage: 2,
  async defaults(config, given, output) {
    const needsStage1 = config.stage1 === '' && (config.input !== 'simulated' || config.finetune_stage1);
    if (config.data_dir !== '') return; // users' own patches need a stage 1 of their own
    if (needsStage1) config.stage1 = newestStage1() ?? (await firstStage1(output));
    if (config.stage1 !== '') output.line(`stage 1: ${config.stage1}`);
    config.data_dir = await defaultFineSample(output);
    const own = Object.entries(FINE_SAMPLE).filter(([name]) => !given.has(name));
    Object.assign(config, Object.fromEntries(own));
  },
};

/** The best checkpoint of the newest stage-1 run below ./runs. */
function newestStage1(): string | undefined {
  if (!existsSync('runs')) return undefined;
  const found = readdirSync('runs')
    .filter((name) => /^stage1(-\d+)?$/.test(name))
    .map((name) => join(checkpointsOf(join('runs', name)), 'best.safetensors'))
    .filter((path) => existsSync(path));
  return found.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** Trains stage 1 on the sample. */
async function firstStage1(output: Output): Promise<string> {
  output.line('no stage-1 model in ./runs: training one on the sample first');
  await run(STAGE1, { ...(output.json ? { json: true } : {}) });
  output.line();
  const path = newestStage1();
  if (path === undefined) process.exit(EXIT.interrupted); // Ctrl-C; what to do was printed
  return path;
}

function settingsOf(flags: TrainFlags): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (['config', 'resume', 'requeue', 'checkpoint', 'json'].includes(name)) continue;
    // commander's defaults of --no-augment and --no-zero-start
    if ((name === 'augment' || name === 'zeroStart') && value === true) continue;
    settings[snake(name)] = value;
  }
  return settings;
}

/** Whether --resume is auto. Throws (exit 2) for other words, and for options that a job that runs again must not have. */
function checkResume({ resume, requeue: again, checkpoint }: TrainFlags): boolean {
  const wrong = (field: string, message: string, fields: ErrorDetail) =>
    new BandliftError(message, { field, ...fields }, EXIT.usage);
  if (typeof resume === 'string' && resume !== 'auto')
    throw wrong('--resume', 'no such way to resume', { found: resume, expected: 'nothing, or auto' });
  if (resume === 'auto' && checkpoint !== undefined)
    throw wrong('--checkpoint', 'would take every start of the job back to the same state', {
      hint: 'leave it out with --resume auto',
    });
  if (again === true && resume !== 'auto')
    throw wrong('--requeue', 'a job that runs again must go on', { hint: 'add --resume auto' });
  return resume === 'auto';
}

/** With `auto` the folder says whether a run goes on, and the first weights are of its first start. */
function resumeWhere(auto: boolean, flags: TrainFlags, settings: Record<string, unknown>, defaultFolder: string) {
  if (!auto) return { flags: settings, resume: flags.resume === true };
  const folder = (settings.output_dir as string | undefined) ?? defaultFolder;
  const resume = existsSync(join(folder, 'config.yaml'));
  const { init, ...others } = settings;
  return { resume, flags: { ...others, ...(resume || init === undefined ? {} : { init }), output_dir: folder } };
}

/** True where a signal stopped it; what to do then is printed. */
async function run<C extends TrainConfig>(stage: StageCommand<C>, flags: TrainFlags, ranks?: Ranks): Promise<boolean> {
  const output = new Output(flags.json === true);
  const kind = stage.settings;
  const defaultFolder = `runs/${kind.stage}`;
  const settings = settingsOf(flags);
  const { config: configFile, checkpoint } = flags;
  const auto = checkResume(flags);
  const { config, resume, given } = await chooseStart(
    { configFile, checkpoint, defaultFolder, ...resumeWhere(auto, flags, settings, defaultFolder) },
    kind,
  );
  if (auto && resume && (await isFinished(config))) {
    output.line(`this run is finished; its table is in ${join(config.output_dir, 'test_metrics.json')}`);
    output.event('finished', { run: config.output_dir });
    return false;
  }
  checkDevice(parseDevice(config.device, config.precision)); // before a sample is made or patches are read
  if (resume && !auto && settings.lr !== undefined && config.schedule === 'plateau')
    output.warn(
      'the plateau schedule continues with the learning rate of the checkpoint; --lr has no effect on --resume',
    );
  if (!resume) await stage.defaults(config, given, output);
  if (config.output_dir === '') config.output_dir = freeRunPath(defaultFolder);
  output.line(`run folder: ${config.output_dir}`);
  const interrupt = onInterrupt('stopping after this step ...');
  try {
    const start = { config, resume, given };
    const result = await runFrom(stage.stage, start, { checkpoint, reporter: output, signal: interrupt.signal, ranks });
    output.line();
    output.line(`best model: ${result.best}`);
    output.line(`curves and pictures: tensorboard --logdir ${join(result.run, 'tensorboard')}`);
    output.event('done', { run: result.run, best: result.best });
    return false;
  } catch (error) {
    if (!(error instanceof SavedAbort)) throw error;
    const again = `npm run -s bandlift -- train ${kind.stage} --resume --output-dir ${config.output_dir}`;
    output.line(`interrupted; everything up to this step is in ${error.last}`);
    output.line(`to continue: ${again}`);
    output.event('interrupted', { resume: again });
    process.exitCode = EXIT.interrupted;
    return true;
  } finally {
    interrupt.dispose();
  }
}

/** Trains the stage that was asked for. */
export async function runTrain(stage: 'stage1' | 'stage2', flags: TrainFlags): Promise<void> {
  let stopped = false;
  const lead = async (ranks?: Ranks) => {
    stopped = await (stage === 'stage1' ? run(STAGE1, flags, ranks) : run(STAGE2, flags, ranks));
  };
  const tasks = unusedTasks(process.env);
  if (tasks !== undefined)
    new Output(flags.json === true).warn(
      `this job has ${tasks} tasks and this process is alone: start it with \`srun\` to train on all of them (BANDLIFT_RANKS=off says that one is meant)`,
    );
  if (placementOf(process.env) === undefined) await lead();
  else await trainTogether(stage === 'stage1' ? 1 : 2, lead);
  // last of all: the scheduler ends what is left of the job
  if (stopped && flags.requeue === true) requeue(new Output(flags.json === true));
}
