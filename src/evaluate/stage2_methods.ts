/** Stage 2 and both stages end to end: networks, bicubic with and without back-projections, and chains of them. */
import { IDENTITY, Normalizer } from '../data/normalize.js';
import type { AffineNormalization } from '../data/types.js';
import { BOUNDS } from '../models/bounded_projection.js';
import type { BicubicSpec, SpectralSpec } from '../models/spec.js';
import type { SpatialRatio } from '../resample/ratio.js';
import type { KnownModel } from './evaluation_data.js';
import { type Machine, type Method, openNetwork, type PatchInput, type Predictor } from './method.js';
import { type PatchSize, usedParameters } from './stage1_methods.js';

/** Of the baseline: 20 gain nothing more than 5 (test/evaluate/spatial_protocol.long.test.ts). */
export const BACK_PROJECTIONS = 5;

/** What stands before the spatial step: it gives physical spectra on the coarse grid, 0 where they are not valid. */
export interface CoarseSource {
  /** In the label of a chain: 'spectral_sr', 'quadratic ridge'; empty where the coarse spectra are the data's own. */
  readonly label: string;
  readonly about: string;
  readonly normalizeInput?: AffineNormalization;
  /** Absent where the data themselves are the source. */
  open?(): Promise<Predictor>;
}

/** Which pixels of a patch are valid on the coarse grid: [h, w], 0 = not. */
export type CoarseValidity = (patch: number) => Promise<ArrayLike<number>>;

/** The coarse spectra as the data hold them: the cube degraded, or stage 1's cached predictions. */
export const ownCoarse = (about: string): CoarseSource => ({ label: '', about });

/** A spectral network before the spatial step. */
export function spectralSource(
  label: string,
  about: string,
  model: SpectralSpec,
  parameters: ReadonlyMap<string, Float32Array>,
  size: PatchSize,
  machine: Machine,
  validity: CoarseValidity,
  normalization?: { readonly input: AffineNormalization; readonly target: AffineNormalization },
): CoarseSource {
  return {
    label,
    about,
    ...(normalization ? { normalizeInput: normalization.input } : {}),
    open: async () => {
      const network = await openNetwork(model, parameters, size, machine);
      const output = new Normalizer(normalization?.target ?? IDENTITY, model.outBands);
      return {
        predict: async (patch) => {
          const spectra = await network.predict(patch);
          output.denormalize(spectra, patch.nonNegative);
          // as training and predict do: what the network makes of invalid pixels never reaches their neighbours
          const valid = await validity(patch.patches[0]!);
          for (let p = 0; p < valid.length; p++)
            if (valid[p] === 0) spectra.fill(Number.NaN, p * model.outBands, (p + 1) * model.outBands);
          return spectra;
        },
        close: () => network.close(),
      };
    },
  };
}

/** Spectra of a source as the reader places them in a batch: normalised, 0 where they are not valid. */
function place(spectra: Float32Array, bands: number, n?: AffineNormalization): Float32Array {
  const pixels = spectra.length / bands;
  const valid = Uint8Array.from({ length: pixels }, (_, p) => (Number.isNaN(spectra[p * bands]) ? 0 : 1));
  const all = Uint32Array.from({ length: pixels }, (_, p) => p);
  const placed = new Float32Array(spectra.length);
  new Normalizer(n ?? IDENTITY, bands).place(spectra, all, valid, placed);
  return placed;
}

/** `source`, then `spatial`, which is given what the source makes, in the normalisation `n`. */
function chain(
  source: CoarseSource,
  openSpatial: () => Promise<Predictor>,
  bands: number,
  n?: AffineNormalization,
): () => Promise<Predictor> {
  if (!source.open) return openSpatial; // the reader has placed the input
  const openSource = source.open;
  return async () => {
    const first = await openSource();
    try {
      const second = await openSpatial();
      return {
        predict: async (patch: PatchInput) =>
          second.predict({ ...patch, input: place(await first.predict(patch), bands, n), target: patch.target }),
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

/** How the reader normalises: for the source, or where the data are the source for the spatial network. */
function inputOf(source: CoarseSource, own?: AffineNormalization): Pick<Method, 'normalizeInput'> {
  const n = source.open ? source.normalizeInput : own;
  return n ? { normalizeInput: n } : {};
}

/**
 * Bicubic upsampling of a source, then back-projections.
 * @param shown whether it may stand in pictures; of the two only the one with back-projections does
 */
export function bicubicMethod(
  source: CoarseSource,
  bands: number,
  ratio: SpatialRatio,
  back: { readonly count: number; readonly bounded?: boolean },
  size: PatchSize,
  machine: Machine,
  shown: boolean,
): Method {
  const { count, bounded = false } = back;
  const model: BicubicSpec = {
    kind: 'bicubic',
    inBands: bands,
    outBands: bands,
    // not all of it: a model's spec has a ratio too, and a kind and a projection of its own
    up: ratio.up,
    down: ratio.down,
    backProjections: count,
    ...(bounded ? { projection: { ...BOUNDS, floor: [0] } } : {}),
  };
  const none = count === 0;
  const within = bounded ? ' and held within what the coarse pixels around allow' : '';
  return {
    label: after(source, none ? 'bicubic' : `bicubic + ${count} ${bounded ? 'bounded ' : ''}back-projections`),
    role: 'baseline',
    about: `${source.about}, bicubic to the fine grid${none ? '' : `, then ${count} times corrected by the upsampled difference between what a coarse sensor would see of the result and the input${within}`}`,
    ...inputOf(source),
    shown: shown && !none,
    open: chain(source, () => openNetwork(model, new Map(), size, machine), bands),
  };
}

/** The spatial network of a checkpoint on a source, in its own normalisation. */
export function spatialModel(known: KnownModel, source: CoarseSource, size: PatchSize, machine: Machine): Method {
  const { model, normalization } = known.contract;
  return {
    label: after(source, model.kind === 'bicubic' ? 'bicubic of the checkpoint' : model.kind),
    role: 'model',
    about: `${source.about}, then the checkpoint's spatial network`,
    ...inputOf(source, normalization.input),
    normalizeOutput: normalization.target,
    shown: true,
    open: chain(
      source,
      () => openNetwork(model, usedParameters(known), size, machine),
      model.inBands,
      normalization.input,
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
    normalizeOutput: normalization.target,
    shown: true,
    open: () => openNetwork(model, usedParameters(known), size, machine),
  };
}
