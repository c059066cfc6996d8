/** Stage 2 and both stages end to end: networks, bicubic with and without back-projections, and chains of them. */
import type { AffineNormalization } from '../data/types.js';
import type { BicubicSpec, SpectralSpec } from '../models/spec.js';
import type { KnownModel } from './evaluation_data.js';
import { type Machine, type Method, openNetwork, type PatchInput, type Predictor, physicalUnits } from './method.js';
import { type PatchSize, usedParameters } from './stage1_methods.js';

/** Of the baseline: 20 gain nothing more than 5 (test/evaluate/spatial_protocol.test.ts). */
export const BACK_PROJECTIONS = 5;

export interface SpatialRatio {
  readonly up: number;
  readonly down: number;
}

/** What stands before the spatial step: it gives physical spectra on the coarse grid. */
export interface CoarseSource {
  /** In the label of a chain: 'spectral_sr', 'quadratic ridge'; empty where the coarse spectra are the data's own. */
  readonly label: string;
  readonly about: string;
  readonly normalizeInput?: AffineNormalization;
  open(): Promise<Predictor>;
}

/** The coarse spectra as the data hold them. */
export const trueCoarse: CoarseSource = {
  label: '',
  about: 'the true spectra degraded to the coarse grid',
  open: async () => ({ predict: async ({ input }) => input, close: () => {} }),
};

/** Normalised -> physical, in place. */
function toPhysical(values: Float32Array, bands: number, n: AffineNormalization): Float32Array {
  const { scale, offset } = physicalUnits(n, bands);
  for (let i = 0; i < values.length; i += bands)
    for (let b = 0; b < bands; b++) values[i + b] = values[i + b] * scale[b] + offset[b];
  return values;
}

/** Physical -> normalised, a copy. */
function toNormalized(values: Float32Array, bands: number, n: AffineNormalization): Float32Array {
  const { scale, offset } = physicalUnits(n, bands);
  return values.map((value, i) => {
    const normal = (value - offset[i % bands]) / scale[i % bands];
    return n.clip ? Math.min(1, Math.max(0, normal)) : normal;
  });
}

/** A spectral network before the spatial step. */
export function spectralSource(
  label: string,
  about: string,
  model: SpectralSpec,
  parameters: ReadonlyMap<string, Float32Array>,
  size: PatchSize,
  machine: Machine,
  normalization?: { readonly input: AffineNormalization; readonly target: AffineNormalization },
): CoarseSource {
  return {
    label,
    about,
    ...(normalization ? { normalizeInput: normalization.input } : {}),
    open: async () => {
      const network = await openNetwork(model, parameters, size, machine);
      if (!normalization) return network;
      return {
        predict: async (patch) => toPhysical(await network.predict(patch), model.outBands, normalization.target),
        close: () => network.close(),
      };
    },
  };
}

/** `source`, then `spatial`, which is given what it makes of the coarse spectra. */
function chain(
  source: CoarseSource,
  openSpatial: () => Promise<Predictor>,
  prepare: (coarse: Float32Array) => Float32Array,
): () => Promise<Predictor> {
  return async () => {
    const first = await source.open();
    try {
      const second = await openSpatial();
      return {
        predict: async (patch: PatchInput) =>
          second.predict({ input: prepare(await first.predict(patch)), target: patch.target }),
        close: () => {
          first.close();
          second.close();
        },
      };
    } catch (error) {
      first.close();
      throw error;
    }
  };
}

const after = (source: CoarseSource, label: string) => (source.label === '' ? label : `${source.label}, ${label}`);
const inputOf = (source: CoarseSource) => (source.normalizeInput ? { normalizeInput: source.normalizeInput } : {});

/**
 * Bicubic upsampling of a source, then back-projections.
 * @param shown whether it may stand in pictures; of the two only the one with back-projections does
 */
export function bicubicMethod(
  source: CoarseSource,
  bands: number,
  ratio: SpatialRatio,
  backProjections: number,
  size: PatchSize,
  machine: Machine,
  shown: boolean,
): Method {
  const model: BicubicSpec = { kind: 'bicubic', inBands: bands, outBands: bands, ...ratio, backProjections };
  const none = backProjections === 0;
  return {
    label: after(source, none ? 'bicubic' : `bicubic + ${backProjections} back-projections`),
    role: 'baseline',
    about: `${source.about}, bicubic to the fine grid${none ? '' : `, then ${backProjections} times corrected by the upsampled difference between what a coarse sensor would see of the result and the input`}`,
    ...inputOf(source),
    shown: shown && !none,
    open: chain(
      source,
      () => openNetwork(model, new Map(), size, machine),
      (coarse) => coarse,
    ),
  };
}

/** The spatial network of a checkpoint on a source, in its own normalisation. */
export function spatialModel(known: KnownModel, source: CoarseSource, size: PatchSize, machine: Machine): Method {
  const { model, normalization } = known.contract;
  return {
    label: after(source, model.kind === 'bicubic' ? 'bicubic of the checkpoint' : model.kind),
    role: 'model',
    about: `${source.about}, then the checkpoint's spatial network`,
    ...inputOf(source),
    physical: physicalUnits(normalization.target, model.outBands),
    shown: true,
    open: chain(
      source,
      () => openNetwork(model, usedParameters(known), size, machine),
      (coarse) => toNormalized(coarse, model.inBands, normalization.input),
    ),
  };
}

/** Both stages of one checkpoint, trained together: from normalised coarse bands to normalised fine spectra. */
export function cascadeModel(known: KnownModel, size: PatchSize, machine: Machine): Method {
  const { model, normalization } = known.contract;
  return {
    label: 'both stages',
    role: 'model',
    about: "the checkpoint's two stages, trained together",
    normalizeInput: normalization.input,
    physical: physicalUnits(normalization.target, model.outBands),
    shown: true,
    open: () => openNetwork(model, usedParameters(known), size, machine),
  };
}
