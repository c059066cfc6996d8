/** The model of one stage, ready to predict with: network, weights, normalisation and what is known of its bands. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { fileHash } from '../base/content_hash.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { loadModel, type StoredModel } from '../checkpoint/checkpoint.js';
import { IDENTITY, physicalZero } from '../data/normalize.js';
import type { AffineNormalization, Normalization } from '../data/types.js';
import { BOUNDS } from '../models/bounded_projection.js';
import { BOUNDED_ROUNDS, type ModelSpec, type SpatialModelSpec } from '../models/spec.js';
import { LANDSAT_TO_AVIRIS_NG } from '../resample/ratio.js';

/** Turns what the graph gives into physical numbers, in place, and counts the values that were held at a bound. */
export interface OutputNumbers {
  denormalize(values: Float32Array, nonNegative?: ArrayLike<number>): number;
}

export interface StageModel {
  /** Checkpoint, or 'bicubic'. */
  readonly path: string;
  /** SHA-256 of the file. */
  readonly hash: string;
  readonly spec: ModelSpec;
  /** The moving average where the checkpoint has one, as evaluation uses it. */
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly normalization: Normalization;
  /** nm; undefined where the checkpoint does not say. */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** [bands], 1 = trained; undefined where the checkpoint does not say. */
  readonly trained?: Uint8Array;
  /** Of the spectra it was trained on. */
  readonly units?: string;
  /** Whose bands it takes: 'Landsat 8 OLI'; undefined where the checkpoint does not say. */
  readonly sensor?: string;
  /** Of a closed-form model of scenes: what is known of its error. */
  readonly scenes?: NonNullable<StoredModel['scenes']>;
  /** In place of the normalisation, where the numbers of the graph become fewer or others. */
  readonly numbers?: OutputNumbers;
}

const NO_NORMALIZATION: Normalization = { method: 'none', input: IDENTITY, target: IDENTITY, units: '' };

export type ProjectionChoice = 'bounded' | 'plain';

export interface LoadOptions {
  /**
   * Where the normalisation of a model without one comes from: 'none', a checkpoint (.safetensors), or a JSON file with
   * input and target, each { offset, scale, clip }. Wins over the checkpoint's own.
   */
  readonly stats?: string;
  /** Back-projections at the end of a spatial network, whatever it was trained with. */
  readonly backProjections?: number;
  /** How it ends in them; default: as the checkpoint says, 'bounded' for 'bicubic'. */
  readonly projection?: ProjectionChoice;
  /** The option that names the checkpoint, for messages. */
  readonly option: string;
}

/**
 * Reads a checkpoint or an imported model; 'bicubic' is the baseline of stage 2 for any number of bands.
 * Errors: BandliftError that names the file and, for a model that knows no normalisation, what to do.
 *
 * @param bands of the input, for 'bicubic'
 */
export async function loadStageModel(path: string, bands: number, options: LoadOptions): Promise<StageModel> {
  if (path === 'bicubic') {
    const spec = {
      kind: 'bicubic',
      inBands: bands,
      outBands: bands,
      ...LANDSAT_TO_AVIRIS_NG,
      backProjections: 0,
    } as const;
    const normalization = NO_NORMALIZATION;
    return {
      path,
      hash: 'bicubic',
      spec: withProjection(spec, { projection: 'bounded', ...options }, normalization),
      values: new Map(),
      normalization,
    };
  }
  const { model, tensors, contract, scenes } = await loadModel(path);
  const known = contract ?? scenes?.facts;
  const normalization = options.stats === undefined ? known?.normalization : await readStats(options.stats);
  if (normalization === undefined)
    throw new BandliftError(
      'the model does not say how its inputs and outputs are normalised (imported weights never do)',
      {
        file: path,
        hint: `give --${options.option}-stats: none, a checkpoint with the same normalisation, or a JSON file with input and target {offset, scale, clip}`,
      },
      EXIT.usage,
    );
  checkLength(normalization.input, model.inBands, path, 'normalization.input');
  checkLength(normalization.target, model.outBands, path, 'normalization.target');
  const list = (values: readonly number[] | null | undefined) =>
    values !== null && values?.length === model.outBands ? Float64Array.from(values) : undefined;
  const [wavelength, fwhm] = [list(known?.bands.wavelength), list(known?.bands.fwhm)];
  const units = known?.bands.units ?? (normalization.units || undefined);
  return {
    path,
    hash: await fileHash(path),
    spec: withProjection(model, options, normalization),
    // frozen parameters may be missing in the average
    values: new Map([...tensors.parameters, ...(tensors.ema ?? [])]),
    normalization,
    ...(wavelength ? { wavelength } : {}),
    ...(fwhm ? { fwhm } : {}),
    ...(known?.goodBands ? { trained: Uint8Array.from(known.goodBands) } : {}),
    ...(units === undefined ? {} : { units }),
    ...(known?.sensor ? { sensor: known.sensor } : {}),
    ...(scenes ? { scenes } : {}),
  };
}

/**
 * The network with the back-projections that were asked for. The floor of bounded ones is physically 0 in numbers of this
 * normalisation.
 */
function withProjection(spec: ModelSpec, options: LoadOptions, normalization: Normalization): ModelSpec {
  const { backProjections, projection, option } = options;
  const change = (spatial: SpatialModelSpec): SpatialModelSpec => {
    const { projection: known, ...plain } = spatial;
    const bounded = projection === undefined ? known !== undefined : projection === 'bounded';
    const rounds = known === undefined && bounded ? BOUNDED_ROUNDS : spatial.backProjections;
    const count = backProjections ?? (projection === undefined ? spatial.backProjections : rounds);
    if (!bounded) return { ...plain, backProjections: count };
    // a checkpoint knows its own, which belongs to its own normalisation
    const floor =
      known !== undefined && options.stats === undefined
        ? known.floor
        : physicalZero(normalization.target, spatial.outBands);
    return { ...plain, backProjections: count, projection: { ...BOUNDS, ...known, floor } };
  };
  if (spec.kind === 'cascade') return { ...spec, stage2: change(spec.stage2) };
  if ('up' in spec) return change(spec);
  if (backProjections === undefined && projection === undefined) return spec;
  const named = backProjections === undefined ? '--projection' : '--back-projections';
  throw new BandliftError(
    option === 'stage2' ? 'is not a spatial network' : 'is for a spatial network',
    option === 'stage2'
      ? { field: 'stage2', found: spec.kind }
      : { field: named, found: spec.kind, hint: 'give --stage2' },
    EXIT.usage,
  );
}

function checkLength(n: AffineNormalization, bands: number, file: string, field: string): void {
  for (const list of [n.offset, n.scale])
    if (list.length !== 1 && list.length !== bands)
      throw new BandliftError('does not fit the network', {
        file,
        field,
        found: `${list.length} numbers`,
        expected: `1 or ${bands}`,
      });
}

const affineSchema = z.object({
  offset: z.array(z.number()).min(1),
  scale: z.array(z.number().refine((v) => v !== 0, 'must not be 0')).min(1),
  clip: z.boolean().default(false),
});
const statsSchema = z.object({ input: affineSchema, target: affineSchema, units: z.string().default('') });

async function readStats(source: string): Promise<Normalization> {
  if (source === 'none') return NO_NORMALIZATION;
  if (/\.safetensors$/i.test(source)) {
    const { contract } = await loadModel(source);
    if (contract !== undefined) return contract.normalization;
    throw new BandliftError('holds weights only, no normalisation', { file: source });
  }
  let text: string;
  try {
    text = await readFile(source, 'utf8');
  } catch (error) {
    throw fileError(error, source);
  }
  try {
    return { method: 'per_band', ...statsSchema.parse(JSON.parse(text)) };
  } catch (error) {
    const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
    throw new BandliftError(issue?.message ?? 'is no JSON', {
      file: source,
      ...(issue === undefined ? {} : { field: issue.path.join('.') }),
      expected: '{"input": {"offset": [..], "scale": [..], "clip": true}, "target": {..}}',
    });
  }
}
