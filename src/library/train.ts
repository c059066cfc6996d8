/** Training as a function: settings with their defaults filled in, one run, its results. */
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Ranks } from '../ranks/join.js';
import {
  type Settings,
  STAGE1_SETTINGS,
  STAGE2_SETTINGS,
  type Stage1Config,
  type Stage2Config,
  type TrainConfig,
} from '../train/config.js';
import type { TrainResult } from '../train/run.js';
import { checkpointsOf } from '../train/run_folder.js';
import { trainStage1 } from '../train/stage1.js';
import { trainStage2 } from '../train/stage2.js';
import { chooseStart, type Start } from '../train/start.js';
import {
  AbortError,
  abortable,
  type DeviceWork,
  deviceOf,
  interruptedBy,
  reporterOf,
  type WorkOptions,
} from './work.js';

/** loss_sam as lossSam. */
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type CamelSettings<C> = { readonly [K in Exclude<keyof C & string, keyof Taken> as Camel<K>]?: C[K] };
/** Settings that stand under other names, or in DeviceWork. */
type Taken = Pick<TrainConfig, 'data_dir' | 'output_dir' | 'device' | 'precision' | 'threads'>;

interface RunOptions extends DeviceWork {
  /** Folder or file of HDF5 patches, as prepareScenes writes them. */
  readonly data: string;
  /** Run folder: settings, split, curves, checkpoints. It must not hold a run, unless `resume` is given. */
  readonly out: string;
  /** Goes on with the run in `out` from its last checkpoint. */
  readonly resume?: boolean;
  /** Goes on from this checkpoint: in the run it belongs to, or else in a new one. */
  readonly checkpoint?: string;
}

/** Settings of stage 1 (spectral: Landsat's bands to those of the spectrometer, on one grid); names as in config.yaml, in camel case. */
export interface TrainStage1Options extends RunOptions, CamelSettings<Stage1Config> {
  readonly stage: 1;
}

/** Settings of stage 2 (spatial: the bands at 30 m to the same bands at 4 m); `stage1` is the checkpoint whose predictions it sees. */
export interface TrainStage2Options extends RunOptions, CamelSettings<Stage2Config> {
  readonly stage: 2;
}

export type TrainOptions = TrainStage1Options | TrainStage2Options;

const STAGES = {
  1: { settings: STAGE1_SETTINGS, train: trainStage1 },
  2: { settings: STAGE2_SETTINGS, train: trainStage2 },
} as const;

/** dataDir -> data_dir. */
const snake = (name: string) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/**
 * Trains a model and tests it.
 *
 * @returns the run folder, the path of the best checkpoint, and the rows of the test: baselines first, then the model (SAM in
 *   degrees, RMSE and MAE in the units of the data)
 * @throws BandliftError for settings, patches or folders that do not serve; AbortError when the signal ended it: the last
 *   step is saved, and the same call with `resume: true` goes on to the same bits
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const {
    stage,
    data,
    out,
    resume = false,
    checkpoint,
    reporter,
    signal,
    device,
    precision,
    threads,
    ...rest
  } = options;
  const settings = Object.fromEntries(Object.entries(rest).map(([name, value]) => [snake(name), value]));
  const given = { device, precision, threads, data_dir: data, output_dir: out };
  if (!(stage in STAGES))
    throw new BandliftError('unknown stage', { field: 'stage', found: stage, expected: '1 or 2' }, EXIT.usage);
  deviceOf({ ...(device === undefined ? {} : { device }), ...(precision === undefined ? {} : { precision }) });
  const flags = Object.fromEntries(
    Object.entries({ ...settings, ...given }).filter(([, value]) => value !== undefined),
  );
  const { settings: kind } = STAGES[stage];
  const request = { flags, resume, checkpoint, defaultFolder: out };
  const start = await chooseStart(request, kind as Settings<TrainConfig>);
  return runFrom(stage, start, { checkpoint, ...(reporter && { reporter }), ...(signal && { signal }) });
}

/** Trains from a start that is chosen already. Throws AbortError as `train` does. */
export function runFrom(
  stage: 1 | 2,
  { config, resume }: Start<TrainConfig>,
  options: WorkOptions & { readonly checkpoint?: string | undefined; readonly ranks?: Ranks | undefined },
): Promise<TrainResult> {
  const run = STAGES[stage].train as (...args: Parameters<typeof trainStage1>) => Promise<TrainResult>;
  return abortable('the training', options, async () => {
    const result = await run(
      config as Stage1Config,
      resume,
      reporterOf(options),
      interruptedBy(options),
      options.checkpoint,
      options.ranks,
    );
    if (!result.interrupted) return result;
    throw new SavedAbort(result.run);
  });
}

/** A training that ended with everything up to its last step saved. */
export class SavedAbort extends AbortError {
  /** `last` of the run. */
  readonly last: string;
  constructor(run: string) {
    const last = join(checkpointsOf(run), 'last.safetensors');
    super('the training', `everything up to this step is in ${last}`);
    this.last = last;
  }
}
