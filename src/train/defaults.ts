/** The settings of a run that nobody gave. Apart from their schema (config.ts), which takes a while to load: `--help` shows them. */
import { BOUNDED_ROUNDS } from '../models/spec.js';

/** Of both stages. */
const SHARED = {
  data_dir: '',
  output_dir: '',
  val_fraction: 0.2,
  test_fraction: 0.15,
  val_scenes: '',
  test_scenes: '',
  normalization: 'per_band',
  augment: true,
  loss_l1: 1,
  loss_l2: 0,
  loss_sam: 0.1,
  loss_gradient: 0.1,
  epochs: 100,
  batch_size: 4,
  lr: 1e-4,
  schedule: 'plateau',
  warmup_steps: 0,
  plateau_factor: 0.5,
  plateau_patience: 10,
  step_epochs: 30,
  step_factor: 0.1,
  min_lr: 0,
  patience: 25,
  clip_norm: 0,
  ema_decay: 0,
  seed: 42,
  device: 'auto',
  threads: 0,
  precision: 'auto',
  max_memory: 0,
  data_on_device: 'auto',
  save_every: 0,
  image_every: 5,
  deterministic_ranks: false,
  init: '',
} as const;

export const STAGE1_DEFAULTS = {
  ...SHARED,
  model: 'spectral_sr',
  balance: 'none',
  crop: 0,
  grid: 'auto',
  blocks: 4,
  hidden: 128,
  axis: 'row',
  endmembers: 16,
  endmember_constraint: 'softplus',
  regression: 'auto',
  ridge_lambda: 1e-6,
} as const;

export const STAGE2_DEFAULTS = {
  ...SHARED,
  loss_sam: 0.05,
  loss_gradient: 0,
  model: 'spatial_sr',
  stage1: '',
  input: 'stage1',
  mix_share: 0.5,
  features: 0,
  groups: 4,
  blocks: 4,
  reduction: 16,
  back_projections: BOUNDED_ROUNDS,
  projection: 'bounded',
  zero_start: true,
  finetune_stage1: false,
  cache_dir: '',
} as const;

/**
 * Stage 1 on the sample: a run of a minute or two on two cores. The recipe of the documented runs (docs/specification.md,
 * section 3: 100 epochs of lr 1e-4, in batches of 4) would take some hundred steps there and learn little, so this one
 * takes many small steps, averages the weights, and leaves out three of the four blocks.
 */
export const SAMPLE = {
  epochs: 30,
  batch_size: 1,
  lr: 6e-4,
  schedule: 'cosine',
  warmup_steps: 24,
  ema_decay: 0.98,
  blocks: 1,
} as const;
/** Stage 2's network on the sample: a few minutes on two cores. */
export const FINE_SAMPLE = { epochs: 20, features: 32, groups: 2, blocks: 2, lr: 3e-4 } as const;
