/** The JSON under the key 'bandlift' of a checkpoint, checked field by field when it is read and before it is written. */
import { z } from 'zod';
import type { Normalization, Sides, Split } from '../data/types.js';
import type { AdamOptions, LossWeights } from '../engine/types.js';
import type { ModelSpec } from '../models/spec.js';
import type { AverageState, EarlyStoppingState, LossScale, ScheduleState } from './state.js';

/** Written by this version. Format 1, of version 0.1.0, is read as well: it lacks goodBands. */
export const FORMAT = 2;
export const READ_FORMATS: readonly number[] = [1, FORMAT];

/** Source scenes and places of patches. */
export interface Places {
  /** Of a patch, in pixels of the target's grid. */
  readonly height: number;
  readonly width: number;
  /** `origins`: row and column of each patch's first pixel in the scene, on that grid; null where the files do not say. */
  readonly files: readonly { readonly scene: string; readonly origins: readonly number[] | null }[];
}

/** Everything but tensors and progress: what must agree when a checkpoint meets settings and data again. */
export interface CheckpointContract {
  readonly model: ModelSpec;
  readonly bands: {
    /** nm; null where the patch files do not say. */
    readonly wavelength: readonly number[] | null;
    readonly fwhm: readonly number[] | null;
    /** Of the spectra. */
    readonly units: string | null;
  };
  /** [bands] of the spectra, 1 = trained. Absent in format 1, where nobody knows. */
  readonly goodBands?: readonly number[];
  readonly sensor: string | null;
  readonly responseHash: string | null;
  readonly normalization: Normalization;
  readonly split: Split;
  /** All randomness follows from it and from the position in the run. */
  readonly seed: number;
  readonly loss: LossWeights;
  readonly optimizer: AdamOptions & { readonly kind: 'adam'; readonly batchSize: number; readonly emaDecay: number };
  readonly data: readonly { readonly name: string; readonly patches: number }[];
  /** Where the patches of `data` lie, in the same order: what tells whether other patches overlap them. Absent in format 1. */
  readonly places?: Places;
  /** Datasets that input and target come from; absent in checkpoints of the first release (landsat, aviris). */
  readonly sides?: Sides;
  /** SHA-256 of stage 1's checkpoint, where the input comes from it. */
  readonly stage1?: string;
  /** Of bandlift. */
  readonly version: string;
}

/**
 * Sums over the valid training pixels, physical units, from which the closed-form baselines follow: a = the input bands and
 * their products x_i x_j (i <= j), y = the target bands.
 */
export interface TrainingStatistics {
  /** [f+1, f+1]: sum of [a 1]^T [a 1]; one below the other for each group of bands. */
  readonly gram: Float64Array;
  /** [f+1, bands]: sum of [a 1]^T y. */
  readonly cross: Float64Array;
  /** [bands], the group of each band, -1 = none, where patches have different bands. */
  readonly groups?: readonly number[];
  /** Penalty of the regressions, relative to the variance of a feature. */
  readonly lambda: number;
}

/** Where a run stands. */
export interface CheckpointState {
  readonly progress: {
    /** 1-based epoch being trained, batches of it that are done, optimizer steps done. */
    readonly epoch: number;
    readonly batch: number;
    readonly step: number;
    /** Best validation loss; null before the first epoch. */
    readonly best: number | null;
    /** Sums over the done batches of this epoch. */
    readonly averages: AverageState;
  };
  readonly schedule: ScheduleState;
  readonly earlyStopping: EarlyStoppingState;
  /** fp16 only. */
  readonly lossScale?: LossScale | undefined;
}

// the bounds keep a forged file from costing time or memory; no network of that size would fit anywhere
const size = z.int().min(1).max(1_000_000);
const count = z.int().min(0);
const regression = z.enum(['none', 'linear', 'quadratic']);

const blocks = z.int().min(0).max(1000);

const spectralSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('spectral_sr'),
    inBands: size,
    outBands: size,
    hidden: size,
    blocks,
    axis: z.enum(['raster', 'row', 'spectral']),
    regression,
  }),
  z.strictObject({
    kind: z.literal('spectral_unmixing'),
    inBands: size,
    outBands: size,
    endmembers: size,
    constraint: z.enum(['none', 'softplus']),
    regression,
  }),
  z.strictObject({ kind: z.enum(['ridge', 'quadratic_ridge']), inBands: size, outBands: size }),
]);

const spatial = {
  inBands: size,
  outBands: size,
  up: z.int().min(1).max(1000),
  down: z.int().min(1).max(1000),
  backProjections: z.int().min(0).max(1000),
  projection: z
    .strictObject({ reach: z.int().min(0).max(100), margin: z.number().min(0), floor: z.array(z.number()).min(1) })
    .exactOptional(),
};

const spatialSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('spatial_sr'),
    ...spatial,
    features: size,
    groups: blocks,
    blocks,
    reduction: size,
  }),
  z.strictObject({ kind: z.literal('spatial_lightweight'), ...spatial, features: size, blocks }),
  z.strictObject({ kind: z.literal('bicubic'), ...spatial }),
]);

const modelSchema = z.discriminatedUnion('kind', [
  ...spectralSchema.options,
  ...spatialSchema.options,
  z.strictObject({
    kind: z.literal('cascade'),
    inBands: size,
    outBands: size,
    stage1: spectralSchema,
    stage2: spatialSchema,
  }),
]);

const affine = z.strictObject({
  offset: z.array(z.number()).min(1),
  scale: z.array(z.number()).min(1),
  clip: z.boolean(),
});

const contractFields = {
  model: modelSchema,
  bands: z.strictObject({
    wavelength: z.array(z.number().positive()).nullable(),
    fwhm: z.array(z.number().positive()).nullable(),
    units: z.string().nullable(),
  }),
  goodBands: z.array(z.union([z.literal(0), z.literal(1)])).exactOptional(),
  sensor: z.string().nullable(),
  responseHash: z.string().nullable(),
  normalization: z.strictObject({
    method: z.enum(['percentile', 'per_band', 'none']),
    input: affine,
    target: affine,
    units: z.string(),
  }),
  split: z.strictObject({
    method: z.enum(['scene', 'block', 'patch']),
    seed: count,
    train: z.array(count),
    validation: z.array(count),
    test: z.array(count),
    guard: z.array(count),
    description: z.string(),
  }),
  seed: count,
  loss: z.strictObject({ l1: z.number(), l2: z.number(), sam: z.number(), gradient: z.number() }),
  optimizer: z.strictObject({
    kind: z.literal('adam'),
    beta1: z.number(),
    beta2: z.number(),
    epsilon: z.number(),
    batchSize: size,
    emaDecay: z.number(),
  }),
  data: z.array(z.strictObject({ name: z.string(), patches: count })),
  places: z
    .strictObject({
      height: size,
      width: size,
      files: z.array(z.strictObject({ scene: z.string(), origins: z.array(z.int()).nullable() })),
    })
    .exactOptional(),
  sides: z
    .strictObject({
      input: z.enum(['landsat', 'landsat_lr', 'aviris_lr', 'stage1']),
      target: z.enum(['aviris', 'aviris_lr']),
    })
    .exactOptional(),
  stage1: z.string().exactOptional(),
  ridgeLambda: z.number().positive().exactOptional(),
  statisticsGroups: z.array(z.int().min(-1)).exactOptional(),
  version: z.string(),
};

const stateSchema = z.strictObject({
  progress: z.strictObject({
    epoch: size,
    batch: count,
    step: count,
    best: z.number().nullable(),
    averages: z.strictObject({
      weight: z.number(),
      total: z.number(),
      l1: z.number(),
      l2: z.number(),
      sam: z.number(),
      gradient: z.number(),
      gradNormSum: z.number(),
      steps: count,
    }),
  }),
  schedule: z.strictObject({
    kind: z.enum(['plateau', 'cosine', 'step', 'constant']),
    learningRate: z.number(),
    best: z.number().nullable(),
    badEpochs: count,
  }),
  earlyStopping: z.strictObject({ best: z.number().nullable(), badEpochs: count }),
  lossScale: z.strictObject({ scale: z.number().min(1), goodSteps: count, overflows: count }).optional(),
});

/** A closed-form model of scenes, as src/fitted makes it: what it was fitted to, and where its intervals come from. */
export interface SceneModelFacts {
  readonly bands: { readonly wavelength: readonly number[]; readonly fwhm: readonly number[]; readonly units: string };
  /** [bands], 1 = trained. */
  readonly goodBands: readonly number[];
  readonly sensor: string;
  readonly responseHash: string;
  readonly normalization: Normalization;
  /** The fit in words. */
  readonly recipe: string;
  readonly scenes: readonly { readonly name: string; readonly spectra: number; readonly sha256: string }[];
  /** [input bands]: smallest and largest value of the training spectra. */
  readonly range: { readonly low: readonly number[]; readonly high: readonly number[] };
  /** Squared distance from the training spectra that a hundredth of them exceeds; scenes that the intervals are calibrated on. */
  readonly uncertainty: { readonly limit: number; readonly scenes: number };
  /** The scene it was calibrated to, where it was. */
  readonly calibration?: { readonly scene: string; readonly pixels: number; readonly strength: number };
  /** Of bandlift. */
  readonly version: string;
}

const numbers = z.array(z.number()).min(1).max(100_000);

const sceneModelFields = {
  model: z.strictObject({ kind: z.enum(['ridge', 'quadratic_ridge']), inBands: size, outBands: size }),
  bands: z.strictObject({
    wavelength: z.array(z.number().positive()),
    fwhm: z.array(z.number().positive()),
    units: z.string(),
  }),
  goodBands: z.array(z.union([z.literal(0), z.literal(1)])),
  sensor: z.string(),
  responseHash: z.string(),
  normalization: contractFields.normalization,
  recipe: z.string(),
  scenes: z.array(z.strictObject({ name: z.string(), spectra: count, sha256: z.string() })),
  range: z.strictObject({ low: numbers, high: numbers }),
  uncertainty: z.strictObject({ limit: z.number().positive(), scenes: count }),
  calibration: z.strictObject({ scene: z.string(), pixels: count, strength: z.number().positive() }).exactOptional(),
  version: z.string(),
};

const format = z.int().refine((value) => READ_FORMATS.includes(value));

/** A run's checkpoint, a model alone (imported weights), or a closed-form model of scenes. */
export const headerSchema = z.discriminatedUnion('content', [
  z.strictObject({
    format,
    content: z.literal('checkpoint'),
    ...contractFields,
    state: stateSchema,
  }),
  z.strictObject({ format, content: z.literal('model'), model: modelSchema, version: z.string() }),
  z.strictObject({ format, content: z.literal('scenes'), ...sceneModelFields }),
]);

export type Header =
  | ({
      readonly format: number;
      readonly content: 'checkpoint';
      readonly state: CheckpointState;
      /** Of each band the group of its sums, where patches have different bands. */
      readonly statisticsGroups?: readonly number[];
      /** Of the statistics; where it stands, the file holds their sums. */
      readonly ridgeLambda?: number;
    } & CheckpointContract)
  | { readonly format: number; readonly content: 'model'; readonly model: ModelSpec; readonly version: string }
  | ({ readonly format: number; readonly content: 'scenes'; readonly model: ModelSpec } & SceneModelFacts);
