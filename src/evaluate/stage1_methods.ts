/** Stage 1: the model between its baselines and the oracle. */
import type { RegressionSpec } from '../models/spec.js';
import type { KnownModel } from './evaluation_data.js';
import type { FittedBaselines } from './fit_baselines.js';
import { type Machine, type Method, openNetwork } from './method.js';
import type { NearestLibrary } from './nearest_library.js';
import { type PrincipalDirections, projectionWeights } from './pca.js';
import type { EvaluationPool } from './worker_pool.js';

export interface PatchSize {
  readonly height: number;
  readonly width: number;
}

/** Dimensions of the oracle's subspaces: as many as Landsat has bands, and enough for nearly everything. */
const ORACLE_RANKS = [7, 20];

/** The parameters a model predicts with: their moving average where it has one; frozen ones may be missing there. */
export function usedParameters({ stored }: KnownModel): ReadonlyMap<string, Float32Array> {
  const { parameters, ema } = stored.tensors;
  return new Map([...parameters, ...(ema ?? [])]);
}

/** Closed-form baselines of stage 1, and the nearest library spectrum where there is a library. */
export function spectralBaselines(
  fitted: FittedBaselines,
  bands: { readonly inBands: number; readonly outBands: number },
  size: PatchSize,
  machine: Machine,
  pool: EvaluationPool,
  library?: NearestLibrary,
): Method[] {
  const closedForm = (
    label: string,
    about: string,
    kind: RegressionSpec['kind'],
    weights: ReadonlyMap<string, Float32Array>,
  ): Method => ({
    label,
    role: 'baseline',
    about,
    heldAtZero: true,
    shown: kind === 'quadratic_ridge',
    open: () => openNetwork({ kind, ...bands }, weights, size, machine),
  });
  const n = bands.inBands;
  return [
    closedForm(
      'scaled mean spectrum',
      'the mean spectrum of the training split, scaled to the brightness of the pixel: no skill',
      'ridge',
      fitted.scaledMean,
    ),
    ...(library ? [nearestMethod(library, pool)] : []),
    closedForm('ridge', `linear regression from the ${n} bands, fitted on the training split`, 'ridge', fitted.ridge),
    closedForm(
      'quadratic ridge',
      `regression from the ${n} bands, their squares and products, fitted on the training split: the baseline to beat`,
      'quadratic_ridge',
      fitted.quadratic,
    ),
  ];
}

function nearestMethod(library: NearestLibrary, pool: EvaluationPool): Method {
  return {
    label: 'nearest library spectrum',
    role: 'baseline',
    about: `of ${library.count.toLocaleString('en')} library spectra the one with the smallest angle in the simulated bands, scaled to the brightness of the pixel`,
    shown: false,
    open: async () => ({
      predict: async ({ input }) => (await pool.ask('nearest', { input, library })).prediction,
      close: () => {},
    }),
  };
}

/** What projections of the true spectra keep; they see the truth. */
export function oracles(directions: PrincipalDirections, size: PatchSize, machine: Machine): Method[] {
  const { bands, good } = directions;
  return ORACLE_RANKS.filter((rank) => rank < good.length).map((rank) => ({
    label: `oracle, ${rank} components`,
    role: 'oracle',
    about: `the true spectra within the first ${rank} principal components of the training split: the upper bound for any model with ${rank} values per pixel`,
    shown: false,
    open: () =>
      openNetwork(
        { kind: 'ridge', inBands: bands, outBands: bands },
        projectionWeights(directions, rank),
        size,
        machine,
        'target',
      ),
  }));
}

/** The model of a checkpoint, in its own normalisation. */
export function spectralModel(known: KnownModel, size: PatchSize, machine: Machine): Method {
  const { normalization, model } = known.contract;
  const closedForm = model.kind === 'ridge' || model.kind === 'quadratic_ridge';
  return {
    label: closedForm ? `${model.kind} of the checkpoint` : model.kind,
    role: 'model',
    about: "the checkpoint's network",
    normalizeInput: normalization.input,
    normalizeOutput: normalization.target,
    heldAtZero: true,
    shown: true,
    open: () => openNetwork(model, usedParameters(known), size, machine),
  };
}
