/** `evaluate` of stage 2: the spatial model on the degraded true cubes, or behind stage 1 from Landsat to the fine cube. */

import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import type { TrainingStatistics } from '../checkpoint/checkpoint.js';
import { openReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { outputSize } from '../models/index.js';
import { BOUNDED_ROUNDS, type CascadeSpec, type SpatialModelSpec, type SpectralSpec } from '../models/spec.js';
import { factorOf, type SpatialRatio } from '../resample/ratio.js';
import {
  aboutData,
  coarseInput,
  describeModel,
  type EvaluationOptions,
  machineOf,
  measuredData,
  sceneOf,
  withOpen,
} from './common.js';
import {
  type Chosen,
  checkData,
  choosePatches,
  countedBands,
  isOwnData,
  type KnownModel,
  openModel,
} from './evaluation_data.js';
import type { InputPicture } from './examples.js';
import { baselinesOf } from './fit_baselines.js';
import { baselineStatistics, oracleDirections } from './fitted_on.js';
import { checkValidPixels, type MeasuredData } from './measure.js';
import type { Machine } from './method.js';
import { definitionNotes, splitNotes, unitNotes } from './notes.js';
import { overlapNotes, overlapOf } from './overlap.js';
import { checkPixels } from './picks.js';
import type { EvaluationResult } from './result.js';
import { compositeBands } from './rgb.js';
import { type EvaluationPlan, runEvaluation } from './run.js';
import { oracles, type PatchSize, usedParameters } from './stage1_methods.js';
import {
  BACK_PROJECTIONS,
  bicubicMethod,
  type CoarseSource,
  type CoarseValidity,
  cascadeModel,
  ownCoarse,
  spatialModel,
  spectralSource,
} from './stage2_methods.js';

type SpectralModel = KnownModel & { readonly spec: SpectralSpec };

/** A checkpoint of a spatial network, or of both stages trained together. */
interface FineModel extends KnownModel {
  readonly spec: SpatialModelSpec | CascadeSpec;
  /** Of its grids, coarse to fine. */
  readonly ratio: SpatialRatio;
}

/**
 * Stage 2 alone, or both stages as one where `stage1` is given or the checkpoint holds both. Throws a BandliftError when the
 * data do not fit the checkpoints, when the two do not fit each other, or when stage 1 was trained on patches of the split
 * that both are tested on.
 */
export async function evaluateStage2(
  paths: { readonly stage1?: string; readonly stage2: string },
  options: EvaluationOptions,
  report: Reporter,
): Promise<EvaluationResult> {
  const model = await openFine(paths.stage2);
  const before = paths.stage1 === undefined ? undefined : await openSpectral(paths.stage1, model);
  const whole = before !== undefined || model.spec.kind === 'cascade';
  const input = whole ? 'landsat_lr' : 'aviris_lr';
  const set = await openPatchSet([options.data], { sides: { input, target: 'aviris' } });
  for (const warning of set.warnings) report.warn(warning);
  const { inBands } = (before ?? model).spec;
  if (before) checkData(before, set, inBands);
  checkData(model, set, inBands);
  checkSize(set, model);
  const models = before ? [before, model] : [model];
  const good = countedBands(models, set);
  const chosen = choosePatches(model, set, options.split);
  const { patches, split, own } = chosen;
  if (before && own && split !== 'all' && isOwnData(before.contract, set)) checkUnseen(patches, before);
  report.line(
    `${own ? `${split} split` : 'other data'}: ${patches.length} of ${set.count} patches, ${set.inputHeight} x ${set.inputWidth} -> ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands`,
  );
  const seen = models
    .filter(({ contract }) => !isOwnData(contract, set))
    .flatMap(({ contract, path }) => overlapNotes(overlapOf(contract, set, patches), patches.length, path));
  for (const note of seen) report.warn(note);
  return withOpen(set, options, async (reader, pool) => {
    const data = measuredData(reader, patches, good);
    checkPixels(options.pixels ?? [], data);
    await checkValidPixels(data);
    // what training and predict know of the coarse pixels: the mask of that grid
    const coarse = whole
      ? await openReader(await openPatchSet([options.data], { sides: COARSE }), { workers: 1 })
      : undefined;
    try {
      const validity: CoarseValidity = async (patch) => (await coarse!.readPatch(patch)).valid;
      const plan = await makePlan({ model, before, chosen, data, validity, seen }, options, report);
      return await runEvaluation(plan, pool, report, options.pixels);
    } finally {
      await coarse?.close();
    }
  });
}

/** Both sides of stage 1 on Landsat's grid. */
const COARSE = { input: 'landsat_lr', target: 'aviris_lr' } as const;

interface Job {
  readonly model: FineModel;
  readonly before: SpectralModel | undefined;
  readonly chosen: Chosen;
  readonly data: MeasuredData;
  readonly validity: CoarseValidity;
  /** Notes about ground that the models have seen. */
  readonly seen: readonly string[];
}

async function makePlan(job: Job, options: EvaluationOptions, report: Reporter): Promise<EvaluationPlan> {
  const { model, before, chosen, data, validity, seen } = job;
  const { contract, ratio } = model;
  const { set } = data.reader;
  const machine = machineOf(options);
  const whole = before !== undefined || model.spec.kind === 'cascade';
  const coarse = { height: set.inputHeight, width: set.inputWidth };
  const directions = await oracleDirections(model, chosen, data, options, report);
  const source = before
    ? stage1Source(before, coarse, machine, validity)
    : ownCoarse('the true spectra degraded to the coarse grid');
  // what a regression in the place of stage 1 gives; a model of both stages shows nothing in between
  const first = before ?? model;
  const statistics = whole
    ? await baselineStatistics(first, isOwnData(first.contract, set), COARSE, options, report)
    : undefined;
  const regression = statistics && quadraticSource(statistics.fitted, set, coarse, machine, validity);
  const shownSource = model.spec.kind === 'cascade' ? regression! : source;
  const upsampled = (from: CoarseSource, count: number, bounded = false) =>
    bicubicMethod(from, set.outBands, ratio, { count, bounded }, coarse, machine, from === shownSource && !bounded);
  const factor = factorOf(ratio);
  const { wavelength } = set.files[0]!;
  return {
    stage: whole ? 'end to end' : 'stage 2',
    models: [...(before ? [await describeModel(1, before)] : []), await describeModel(2, model)],
    data,
    about: aboutData(set, options, chosen),
    ...(wavelength ? { wavelength } : {}),
    methods: [
      upsampled(shownSource, 0),
      upsampled(shownSource, BACK_PROJECTIONS),
      upsampled(shownSource, BOUNDED_ROUNDS, true),
      ...(before ? [upsampled(regression!, BACK_PROJECTIONS)] : []),
      model.spec.kind === 'cascade'
        ? cascadeModel(model, coarse, machine)
        : spatialModel(model, source, coarse, machine),
      ...(directions.fitted ? oracles(directions.fitted, set, machine) : []),
    ],
    ratio: factor,
    notes: [
      whole
        ? 'Input: Landsat on its own grid. Stage 1 predicts the spectra there, the spatial step brings them to the fine grid.'
        : 'Input: the true cube as a coarse sensor would see it (Gaussian of one coarse pixel FWHM, exact area average). Stage 1 has no part in these numbers.',
      ...splitNotes(chosen, contract.split.description, statistics?.on, directions.on),
      ...seen,
      ...unitNotes(contract.bands.units),
      ...definitionNotes(factor),
    ],
    input: whole ? coarseInput(set.inBands, coarse.height, coarse.width) : cubeInput(set, coarse),
    sceneOf: (patch) => sceneOf(set, patch),
  };
}

async function openFine(path: string): Promise<FineModel> {
  const known = await openModel(path);
  const spec = known.contract.model;
  if (spec.kind === 'cascade') return { ...known, spec, ratio: spec.stage2 };
  if ('up' in spec) return { ...known, spec, ratio: spec };
  throw new BandliftError(
    'not a spatial model',
    { file: path, found: spec.kind, hint: 'give it as --stage1' },
    EXIT.usage,
  );
}

async function openSpectral(path: string, next: FineModel): Promise<SpectralModel> {
  const known = await openModel(path);
  const spec = known.contract.model;
  if (spec.kind === 'cascade' || 'up' in spec)
    throw new BandliftError(
      'not a spectral model',
      { file: path, found: spec.kind, hint: 'give it as --stage2' },
      EXIT.usage,
    );
  if (next.spec.kind === 'cascade')
    throw new BandliftError('holds both stages', { file: next.path, hint: 'omit --stage1' }, EXIT.usage);
  if (spec.outBands !== next.spec.inBands)
    throw new BandliftError('predicts other bands than stage 2 takes', {
      file: path,
      found: `${spec.outBands} bands`,
      expected: `${next.spec.inBands} (${next.path})`,
    });
  return { ...known, spec };
}

const stage1Source = (
  known: SpectralModel,
  size: PatchSize,
  machine: Machine,
  validity: CoarseValidity,
): CoarseSource =>
  spectralSource(
    known.spec.kind,
    'stage 1 on the coarse grid',
    known.spec,
    usedParameters(known),
    size,
    machine,
    validity,
    known.contract.normalization,
  );

/** The regression that stands in for stage 1 in the baseline of the whole way. */
const quadraticSource = (
  statistics: TrainingStatistics,
  { inBands, outBands }: PatchSet,
  size: PatchSize,
  machine: Machine,
  validity: CoarseValidity,
): CoarseSource =>
  spectralSource(
    'quadratic ridge',
    'regression from the coarse bands, their squares and products, fitted on the training split',
    { kind: 'quadratic_ridge', inBands, outBands },
    baselinesOf(statistics, { inBands, outBands }).quadratic,
    size,
    machine,
    validity,
  );

function checkSize(set: PatchSet, { spec, path }: FineModel): void {
  const { height, width } = outputSize(spec, set.inputHeight, set.inputWidth);
  if (height === set.height && width === set.width) return;
  throw new BandliftError('makes patches of another size than the data hold', {
    file: path,
    field: 'ratio',
    found: `${set.inputHeight} x ${set.inputWidth} -> ${height} x ${width} pixels`,
    expected: `${set.height} x ${set.width}`,
  });
}

/** Throws when stage 1 has seen a patch that both stages are to be tested on. */
function checkUnseen(patches: readonly number[], stage1: SpectralModel): void {
  const train = new Set(stage1.contract.split.train);
  const seen = patches.find((patch) => train.has(patch));
  if (seen === undefined) return;
  throw new BandliftError('was trained on patches that it would be tested on', {
    file: stage1.path,
    field: 'split.train',
    found: `patch ${seen}`,
    hint: 'train both stages with the same split, or look at --split all',
  });
}

/** The coarse cube in the colours of the fine one. */
function cubeInput(set: PatchSet, size: { height: number; width: number }): InputPicture {
  const chosen = compositeBands(set.inBands, set.files[0]!.wavelength);
  return { label: 'input, coarse grid', bands: set.inBands, ...size, chosen };
}
