/**
 * How a run starts: anew, or from a checkpoint, in its own folder or in a new one. `--resume` and `--checkpoint` are
 * arguments of a start; the settings that a run folder stores never hold them.
 */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { type CheckpointContract, inspectCheckpoint } from '../checkpoint/checkpoint.js';
import type { CheckpointState } from '../checkpoint/schema.js';
import {
  readConfigFile,
  readRunConfig,
  resolveConfig,
  type Settings,
  type Stage1Config,
  type Stage2Config,
  type TrainConfig,
} from './config.js';
import { withModel } from './model_setup.js';
import { withSpatialModel } from './stage2.js';

export interface StartRequest {
  /** Settings given as flags, under the names of the config file. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Path given to --config. */
  readonly configFile?: string | undefined;
  readonly resume: boolean;
  /** Path given to --checkpoint. */
  readonly checkpoint?: string | undefined;
  /** Run folder when no --output-dir is given. */
  readonly defaultFolder: string;
}

export interface Start<C extends TrainConfig> {
  /** `output_dir` is empty where a free folder is to be chosen. */
  readonly config: C;
  /** Whether the run in output_dir goes on. */
  readonly resume: boolean;
  /** Names of the settings that were given, by flag, file or checkpoint. */
  readonly given: ReadonlySet<string>;
}

/** What the start of a run decides for good: split, normalisation, first weights. */
const DECIDED_AT_START = [
  'val_fraction',
  'test_fraction',
  'val_scenes',
  'test_scenes',
  'normalization',
  'crop',
  'ridge_lambda',
  'zero_start',
] as const;

/** What a network tells of the settings it was made with. */
const OF_THE_NETWORK: readonly string[] = [
  ...['model', 'hidden', 'blocks', 'axis', 'endmembers', 'endmember_constraint', 'regression'],
  ...['features', 'groups', 'reduction', 'back_projections', 'input', 'finetune_stage1'],
];

const option = (name: string) => `--${name.replaceAll('_', '-')}`;

/** The run whose folder holds this checkpoint, RUN for RUN/checkpoints/FILE; undefined for a file that lies elsewhere. */
export function runOfCheckpoint(file: string): string | undefined {
  const folder = dirname(file);
  const run = dirname(folder);
  const named = basename(existsSync(folder) ? realpathSync(folder) : folder) === 'checkpoints';
  return named && existsSync(join(run, 'config.yaml')) ? run : undefined;
}

const samePath = (a: string, b: string) => existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b);

/** Settings and meaning of a start. Errors: usage errors, or the BandliftError of a checkpoint that cannot be read. */
export async function chooseStart<C extends TrainConfig>(request: StartRequest, kind: Settings<C>): Promise<Start<C>> {
  const { flags, checkpoint } = request;
  const file = request.configFile === undefined ? {} : readConfigFile(request.configFile, kind);
  const folder = flags.output_dir as string | undefined;
  const from = checkpoint === undefined ? undefined : await inspectState(checkpoint);
  const home = checkpoint === undefined ? undefined : runOfCheckpoint(checkpoint);
  const goesOn = request.resume || (home !== undefined && (folder === undefined || samePath(folder, home)));
  if ((goesOn || from) && typeof flags.init === 'string')
    throw new BandliftError(
      'a continued run already has its weights',
      {
        field: '--init',
        found: flags.init,
        hint: 'leave out --init, or start a new run without --resume and --checkpoint',
      },
      EXIT.usage,
    );
  if (goesOn) {
    const run = folder ?? home ?? request.defaultFolder;
    const saved = readRunConfig(run, kind);
    const config = { ...resolveConfig({ ...flags }, { ...saved, ...file }, kind), output_dir: run };
    checkDecided({ ...file, ...flags }, saved);
    return { config, resume: true, given: new Set(Object.keys(config)) };
  }
  const known =
    from === undefined
      ? {}
      : home === undefined
        ? settingsOf(from, kind, checkpoint!)
        : { ...readRunConfig(home, kind), output_dir: '', init: '' };
  const config = resolveConfig({ ...flags }, { ...(known as Partial<C>), ...file }, kind);
  if (from) checkDecided({ ...(home ? file : {}), ...flags }, known as Partial<C>);
  const given = new Set([...Object.keys(known), ...Object.keys(file), ...Object.keys(flags)]);
  return { config, resume: false, given };
}

type Progress = CheckpointContract & { readonly state: CheckpointState };

async function inspectState(path: string): Promise<Progress> {
  const header = await inspectCheckpoint(path);
  if (header.content === 'checkpoint') return header;
  throw new BandliftError('holds weights only, so there is no run to continue', {
    file: path,
    hint: 'start a new run from it with --init',
  });
}

/** Settings that a checkpoint on its own tells; where its data lie it does not. */
function settingsOf<C extends TrainConfig>(from: Progress, kind: Settings<C>, path: string): Partial<C> {
  const { model, loss, optimizer, normalization, seed, sides, state } = from;
  const shared = {
    loss_l1: loss.l1,
    loss_l2: loss.l2,
    loss_sam: loss.sam,
    loss_gradient: loss.gradient,
    batch_size: optimizer.batchSize,
    ema_decay: optimizer.emaDecay,
    normalization: normalization.method,
    schedule: state.schedule.kind,
    seed,
  };
  const spatial = model.kind === 'cascade' || 'up' in model;
  if (spatial !== (kind.stage === 'stage2'))
    throw new BandliftError(`is not a checkpoint of ${kind.stage}`, {
      file: path,
      found: model.kind,
      hint: `continue it with \`bandlift train ${spatial ? 'stage2' : 'stage1'}\``,
    });
  const settings = { ...kind.defaults, ...shared } as TrainConfig;
  const input = sides?.input === 'aviris_lr' ? 'simulated' : 'stage1';
  const whole = spatial
    ? withSpatialModel({ ...(settings as Stage2Config), input, finetune_stage1: model.kind === 'cascade' }, model)
    : withModel(settings as Stage1Config, model);
  const told = Object.entries(whole).filter(([name]) => name in shared || OF_THE_NETWORK.includes(name));
  return Object.fromEntries(told) as Partial<C>;
}

/** Throws when a setting that is given differs from what the run decided at its start: it would be ignored. */
function checkDecided(given: Readonly<Record<string, unknown>>, saved: Readonly<Record<string, unknown>>): void {
  for (const name of DECIDED_AT_START) {
    const [found, expected] = [given[name], saved[name]];
    if (found === undefined || found === expected) continue;
    const show = (value: unknown) => (value === '' ? 'nothing' : String(value));
    throw new BandliftError(
      'a continued run keeps the settings it was started with',
      {
        field: option(name),
        found: show(found),
        ...(expected === undefined ? {} : { expected: show(expected) }),
        hint: 'leave it out, or start a new run',
      },
      EXIT.usage,
    );
  }
}
