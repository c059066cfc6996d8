/**
 * The settings of a run: one schema for each stage, for flags, config files and the `config.yaml` in the run folder.
 * Precedence: flag, config file, default. Names in files are those of the flags with underscores.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { BandliftError, EXIT } from '../base/errors.js';
import { PRECISIONS } from '../engine/precision.js';
import { STAGE1_DEFAULTS, STAGE2_DEFAULTS } from './defaults.js';

const count = z.number().int().positive();
const fraction = z.number().gt(0).max(0.9);

/** What both stages share; where the defaults differ the second stage gives its own below. */
const shared = {
  // ---- data ----
  /** Folder or file of HDF5 patches; empty: the generated sample. */
  data_dir: z.string().default(STAGE1_DEFAULTS.data_dir),
  output_dir: z.string().default(STAGE1_DEFAULTS.output_dir),
  val_fraction: fraction.default(STAGE1_DEFAULTS.val_fraction),
  test_fraction: fraction.default(STAGE1_DEFAULTS.test_fraction),
  /** Scenes by name, comma-separated, instead of the fractions. */
  val_scenes: z.string().default(STAGE1_DEFAULTS.val_scenes),
  test_scenes: z.string().default(STAGE1_DEFAULTS.test_scenes),
  normalization: z.enum(['percentile', 'per_band', 'none']).default(STAGE1_DEFAULTS.normalization),
  augment: z.boolean().default(STAGE1_DEFAULTS.augment),
  // ---- loss ----
  loss_l1: z.number().min(0).default(STAGE1_DEFAULTS.loss_l1),
  loss_l2: z.number().min(0).default(STAGE1_DEFAULTS.loss_l2),
  loss_sam: z.number().min(0).default(STAGE1_DEFAULTS.loss_sam),
  loss_gradient: z.number().min(0).default(STAGE1_DEFAULTS.loss_gradient),
  // ---- optimisation ----
  epochs: z.number().int().min(1).default(STAGE1_DEFAULTS.epochs),
  batch_size: count.default(STAGE1_DEFAULTS.batch_size),
  lr: z.number().positive().default(STAGE1_DEFAULTS.lr),
  schedule: z.enum(['plateau', 'cosine', 'step', 'constant']).default(STAGE1_DEFAULTS.schedule),
  warmup_steps: z.number().int().min(0).default(STAGE1_DEFAULTS.warmup_steps),
  plateau_factor: z.number().gt(0).lt(1).default(STAGE1_DEFAULTS.plateau_factor),
  plateau_patience: z.number().int().min(0).default(STAGE1_DEFAULTS.plateau_patience),
  step_epochs: count.default(STAGE1_DEFAULTS.step_epochs),
  step_factor: z.number().gt(0).lt(1).default(STAGE1_DEFAULTS.step_factor),
  min_lr: z.number().min(0).default(STAGE1_DEFAULTS.min_lr),
  /** Epochs without improvement before training stops; 0 = never. */
  patience: z.number().int().min(0).default(STAGE1_DEFAULTS.patience),
  clip_norm: z.number().min(0).default(STAGE1_DEFAULTS.clip_norm),
  ema_decay: z.number().min(0).lt(1).default(STAGE1_DEFAULTS.ema_decay),
  // ---- run ----
  seed: z.number().int().min(0).max(0xffffffff).default(STAGE1_DEFAULTS.seed),
  device: z.string().default(STAGE1_DEFAULTS.device),
  threads: z.number().int().min(0).default(STAGE1_DEFAULTS.threads),
  precision: z.enum(['auto', ...PRECISIONS]).default(STAGE1_DEFAULTS.precision),
  /** Bytes, or '4G', '800M'; 0 = no limit. */
  max_memory: z.union([z.number().min(0), z.string()]).default(STAGE1_DEFAULTS.max_memory),
  /** Patches on the device for the whole run, where they fit; auto: on a GPU. */
  data_on_device: z.enum(['auto', 'on', 'off']).default(STAGE1_DEFAULTS.data_on_device),
  save_every: z.number().int().min(0).default(STAGE1_DEFAULTS.save_every),
  image_every: z.number().int().min(0).default(STAGE1_DEFAULTS.image_every),
  /** Over ranks: gradients are added from rank 0 up, so that a run has the same bits every time. */
  deterministic_ranks: z.boolean().default(STAGE1_DEFAULTS.deterministic_ranks),
  init: z.string().default(STAGE1_DEFAULTS.init),
};

export const stage1Schema = z.strictObject({
  ...shared,
  model: z.enum(['spectral_sr', 'spectral_unmixing', 'ridge', 'quadratic_ridge']).default(STAGE1_DEFAULTS.model),
  /** scene: every scene gives an epoch as many patches as every other. */
  balance: z.enum(['none', 'scene']).default(STAGE1_DEFAULTS.balance),
  /** Side in pixels of what is trained on, where patches are larger; 0: patches as they are. */
  crop: z.number().int().min(0).default(STAGE1_DEFAULTS.crop),
  /** auto: Landsat's own grid where the files hold it (landsat_lr, aviris_lr), else the patches as stored. */
  grid: z.enum(['auto', '30m', 'patch']).default(STAGE1_DEFAULTS.grid),
  blocks: z.number().int().min(0).default(STAGE1_DEFAULTS.blocks),
  hidden: count.default(STAGE1_DEFAULTS.hidden),
  axis: z.enum(['row', 'raster', 'spectral']).default(STAGE1_DEFAULTS.axis),
  endmembers: count.default(STAGE1_DEFAULTS.endmembers),
  endmember_constraint: z.enum(['softplus', 'none']).default(STAGE1_DEFAULTS.endmember_constraint),
  /** Closed-form start (docs/specification.md, section 1.5); 'none' for the networks of the documented runs. */
  regression: z.enum(['auto', 'none', 'linear', 'quadratic']).default(STAGE1_DEFAULTS.regression),
  /** Penalty of the closed-form regressions, relative to the features' variance. */
  ridge_lambda: z.number().positive().default(STAGE1_DEFAULTS.ridge_lambda),
});

export const stage2Schema = z.strictObject({
  ...shared,
  loss_sam: z.number().min(0).default(STAGE2_DEFAULTS.loss_sam),
  loss_gradient: z.number().min(0).default(STAGE2_DEFAULTS.loss_gradient),
  model: z.enum(['spatial_sr', 'spatial_lightweight', 'bicubic']).default(STAGE2_DEFAULTS.model),
  /** Checkpoint of stage 1, whose predictions are the input. */
  stage1: z.string().default(STAGE2_DEFAULTS.stage1),
  /** What the network sees: stage 1's predictions, the true cube degraded, or both by turns. */
  input: z.enum(['stage1', 'simulated', 'mix']).default(STAGE2_DEFAULTS.input),
  /** mix: share of training patches whose input is the true cube. */
  mix_share: z.number().min(0).max(1).default(STAGE2_DEFAULTS.mix_share),
  /** 0: 64, or 16 of the lightweight network (docs/specification.md, section 1). */
  features: z.number().int().min(0).default(STAGE2_DEFAULTS.features),
  groups: z.number().int().min(0).default(STAGE2_DEFAULTS.groups),
  blocks: z.number().int().min(0).default(STAGE2_DEFAULTS.blocks),
  reduction: count.default(STAGE2_DEFAULTS.reduction),
  /** Back-projections at the end of the network. */
  back_projections: z.number().int().min(0).max(100).default(STAGE2_DEFAULTS.back_projections),
  /** Whether they keep what they make within what the input allows (docs/decisions/0008). */
  projection: z.enum(['bounded', 'plain']).default(STAGE2_DEFAULTS.projection),
  /** The last convolution starts at 0, so that training starts from bicubic and its back-projections. */
  zero_start: z.boolean().default(STAGE2_DEFAULTS.zero_start),
  /** Train both stages together from Landsat's 7 bands. */
  finetune_stage1: z.boolean().default(STAGE2_DEFAULTS.finetune_stage1),
  /** Folder of stage 1's cached predictions; empty: beside the run folder. */
  cache_dir: z.string().default(STAGE2_DEFAULTS.cache_dir),
});

export type Stage1Config = z.infer<typeof stage1Schema>;
export type Stage2Config = z.infer<typeof stage2Schema>;
/** What the trainer itself reads. */
export type TrainConfig = z.infer<z.ZodObject<typeof shared>>;

/** A stage's settings as a schema, and its name for messages. */
export interface Settings<C extends TrainConfig> {
  readonly stage: 'stage1' | 'stage2';
  readonly schema: { safeParse(value: unknown): z.ZodSafeParseResult<C>; partial(): z.ZodType };
  readonly defaults: C;
  /** What a run means that was begun before these settings were written down. */
  readonly unsaid: Partial<C>;
}

export const STAGE1_SETTINGS: Settings<Stage1Config> = {
  stage: 'stage1',
  schema: stage1Schema,
  defaults: stage1Schema.parse({}),
  unsaid: {},
};
export const STAGE2_SETTINGS: Settings<Stage2Config> = {
  stage: 'stage2',
  schema: stage2Schema,
  defaults: stage2Schema.parse({}),
  unsaid: { projection: 'plain' },
};

function firstIssue(error: z.ZodError): { field: string; message: string } {
  const issue = error.issues[0]!;
  const field = issue.code === 'unrecognized_keys' ? issue.keys[0]! : issue.path.join('.');
  return { field, message: issue.code === 'unrecognized_keys' ? 'unknown setting' : issue.message };
}

/** Reads a YAML config file as plain settings, checked against the schema but for those to `ignore`. */
export function readConfigFile<C extends TrainConfig>(
  path: string,
  settings: Settings<C>,
  ignore: readonly string[] = [],
): Partial<C> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new BandliftError(
      `cannot read the config file (${(error as NodeJS.ErrnoException).code})`,
      { file: path, hint: 'check the path given to --config' },
      EXIT.usage,
    );
  }
  let raw: unknown;
  try {
    raw = parse(text) ?? {};
  } catch (error) {
    const why = (error as Error).message.split('\n')[0]!.replace(/:$/, '');
    throw new BandliftError(
      `not valid YAML: ${why}`,
      { file: path, hint: 'fix the YAML: one `setting: value` per line' },
      EXIT.usage,
    );
  }
  if (typeof raw === 'object' && !Array.isArray(raw))
    raw = Object.fromEntries(Object.entries(raw as object).filter(([name]) => !ignore.includes(name)));
  const result = settings.schema.partial().safeParse(raw);
  if (!result.success) {
    const { field, message } = firstIssue(result.error);
    throw new BandliftError(
      message,
      { file: path, field, hint: `see \`bandlift train ${settings.stage} --help\`` },
      EXIT.usage,
    );
  }
  // zod fills defaults also for absent keys of a partial schema; keep only what the file says
  const given = Object.keys(raw as object);
  return Object.fromEntries(Object.entries(result.data as object).filter(([key]) => given.includes(key))) as Partial<C>;
}

/** Arguments of a start that older versions stored among the settings of a run. */
const NOT_STORED = ['checkpoint'];

/** The settings that the run in `folder` was started with; none where the folder holds no run. */
export function readRunConfig<C extends TrainConfig>(folder: string, settings: Settings<C>): Partial<C> {
  const path = join(folder, 'config.yaml');
  return existsSync(path) ? { ...settings.unsaid, ...readConfigFile(path, settings, NOT_STORED) } : {};
}

/** Merges flags over the config file over the defaults. Throws a usage error naming the first setting that is wrong. */
export function resolveConfig<C extends TrainConfig = Stage1Config>(
  flags: Record<string, unknown>,
  file: Partial<C> = {},
  settings: Settings<C> = STAGE1_SETTINGS as unknown as Settings<C>,
): C {
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const result = settings.schema.safeParse({ ...file, ...given });
  if (!result.success) {
    const { field, message } = firstIssue(result.error);
    throw new BandliftError(message, { field: `--${field.replaceAll('_', '-')}` }, EXIT.usage);
  }
  if (result.data.val_fraction + result.data.test_fraction >= 1)
    throw new BandliftError(
      'the validation and test fractions leave nothing to train on',
      { field: '--val-fraction' },
      EXIT.usage,
    );
  return result.data;
}

export function configToYaml(config: TrainConfig): string {
  return stringify(config);
}
