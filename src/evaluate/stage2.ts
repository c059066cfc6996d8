/** `evaluate` of stage 2: the spatial model on the degraded true cubes, or behind stage 1 from Landsat to the fine cube. */
import { openReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { CovarianceFit } from '../engine/covariance_fit.js';
import { BandliftError, EXIT } from '../errors.js';
import { outputSize } from '../models/index.js';
import type { CascadeSpec, SpatialModelSpec, SpectralSpec } from '../models/spec.js';
import {
  aboutData,
  coarseInput,
  describeModel,
  type EvaluationOptions,
  machineOf,
  measuredData,
  readerOptions,
  sceneOf,
  withOpen,
  withProgress,
} from './common.js';
import { checkData, type KnownModel, openModel, patchesOf } from './evaluation_data.js';
import type { InputPicture } from './examples.js';
import { fitBaselines } from './fit_baselines.js';
import { type MeasuredData, READING } from './measure.js';
import type { Machine } from './method.js';
import { definitionNotes, splitNotes, unitNotes } from './notes.js';
import { type PrincipalDirections, principalDirections } from './pca.js';
import { checkPixels } from './picks.js';
import type { EvaluationResult } from './result.js';
import { compositeBands } from './rgb.js';
import { type EvaluationPlan, type EvaluationReporter, runEvaluation } from './run.js';
import { oracles, type PatchSize, usedParameters } from './stage1_methods.js';
import {
  BACK_PROJECTIONS,
  bicubicMethod,
  type CoarseSource,
  cascadeModel,
  type SpatialRatio,
  spatialModel,
  spectralSource,
  trueCoarse,
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
 * data are not those of the checkpoints' runs, when the two do not fit each other, or when stage 1 was trained on patches
 * that both are tested on.
 */
export async function evaluateStage2(
  paths: { readonly stage1?: string; readonly stage2: string },
  options: EvaluationOptions,
  report: EvaluationReporter,
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
  const patches = patchesOf(model.contract, options.split, model.path);
  if (before && options.split !== 'all') checkUnseen(patches, before);
  report.line(
    `${options.split} split: ${patches.length} of ${set.count} patches, ${set.inputHeight} x ${set.inputWidth} -> ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands`,
  );
  return withOpen(set, options, async (reader, pool) => {
    const data = measuredData(reader, patches);
    checkPixels(options.pixels ?? [], data);
    const plan = await makePlan(model, before, data, options, report);
    return runEvaluation(plan, pool, report, options.pixels);
  });
}

async function makePlan(
  model: FineModel,
  before: SpectralModel | undefined,
  data: MeasuredData,
  options: EvaluationOptions,
  report: EvaluationReporter,
): Promise<EvaluationPlan> {
  const { contract, ratio } = model;
  const { set } = data.reader;
  const { split } = options;
  const machine = machineOf(options);
  const { train, description } = contract.split;
  const whole = before !== undefined || model.spec.kind === 'cascade';
  const coarse = { height: set.inputHeight, width: set.inputWidth };
  report.line(`fitting baselines on ${train.length} training patches`);
  const directions = await fitDirections(data, train, machine, report);
  const source = before ? stage1Source(before, coarse, machine) : trueCoarse;
  // what a regression in the place of stage 1 gives; a model of both stages shows nothing in between
  const regression = whole ? await quadraticSource(train, options, data, report) : undefined;
  const shownSource = model.spec.kind === 'cascade' ? regression! : source;
  const upsampled = (from: CoarseSource, count: number) =>
    bicubicMethod(from, set.outBands, ratio, count, coarse, machine, from === shownSource);
  const factor = ratio.up / ratio.down;
  const { wavelength } = set.files[0]!;
  return {
    stage: whole ? 'end to end' : 'stage 2',
    models: [...(before ? [await describeModel(1, before)] : []), await describeModel(2, model)],
    data,
    about: aboutData(set, options, data.patches),
    ...(wavelength ? { wavelength } : {}),
    methods: [
      upsampled(shownSource, 0),
      upsampled(shownSource, BACK_PROJECTIONS),
      ...(before ? [upsampled(regression!, BACK_PROJECTIONS)] : []),
      model.spec.kind === 'cascade'
        ? cascadeModel(model, coarse, machine)
        : spatialModel(model, source, coarse, machine),
      ...oracles(directions, set, machine),
    ],
    ratio: factor,
    notes: [
      whole
        ? 'Input: Landsat on its own grid. Stage 1 predicts the spectra there, the spatial step brings them to the fine grid.'
        : 'Input: the true cube as a coarse sensor would see it (Gaussian of one coarse pixel FWHM, exact area average). Stage 1 has no part in these numbers.',
      ...splitNotes(split, description),
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
    'is no spatial model',
    { file: path, found: spec.kind, hint: 'give it as --stage1' },
    EXIT.usage,
  );
}

async function openSpectral(path: string, next: FineModel): Promise<SpectralModel> {
  const known = await openModel(path);
  const spec = known.contract.model;
  if (spec.kind === 'cascade' || 'up' in spec)
    throw new BandliftError(
      'is no spectral model',
      { file: path, found: spec.kind, hint: 'give it as --stage2' },
      EXIT.usage,
    );
  if (next.spec.kind === 'cascade')
    throw new BandliftError('holds both stages', { file: next.path, hint: 'leave --stage1 away' }, EXIT.usage);
  if (spec.outBands !== next.spec.inBands)
    throw new BandliftError('gives other bands than stage 2 takes', {
      file: path,
      found: `${spec.outBands} bands`,
      expected: `${next.spec.inBands} (${next.path})`,
    });
  return { ...known, spec };
}

const stage1Source = (known: SpectralModel, size: PatchSize, machine: Machine): CoarseSource =>
  spectralSource(
    known.spec.kind,
    'stage 1 on the coarse grid',
    known.spec,
    usedParameters(known),
    size,
    machine,
    known.contract.normalization,
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

async function fitDirections(
  data: MeasuredData,
  train: readonly number[],
  { device }: Machine,
  report: EvaluationReporter,
): Promise<PrincipalDirections> {
  const { bands, height, width, masked, reader } = data;
  const fit = await CovarianceFit.create({ bands, height, width, pixelMask: masked, ...(device ? { device } : {}) });
  try {
    return await withProgress(report, train.length, 'oracle', async (done) => {
      for await (const batch of reader.batches({ patches: train, ...READING, mask: masked })) {
        await fit.add(batch.target, batch.mask);
        batch.release();
        done();
      }
      return principalDirections(fit.result(), data.regions[0]!.mask);
    });
  } finally {
    fit.dispose();
  }
}

/** The regression that stands in for stage 1 in the baseline of the whole way: fitted on the coarse grid. */
async function quadraticSource(
  train: readonly number[],
  options: EvaluationOptions,
  data: MeasuredData,
  report: EvaluationReporter,
): Promise<CoarseSource> {
  const set = await openPatchSet([options.data], { sides: { input: 'landsat_lr', target: 'aviris_lr' } });
  const machine = machineOf(options);
  const reader = await openReader(set, readerOptions(options));
  try {
    const masked = set.files.some((file) => file.masked);
    const training = { reader, train, masked, good: data.regions[0]!.mask };
    const fitted = await withProgress(report, train.length, 'regression', (done) =>
      fitBaselines(training, machine, done),
    );
    const { inBands, outBands } = set;
    return spectralSource(
      'quadratic ridge',
      'regression from the coarse bands, their squares and products, fitted on the training split',
      { kind: 'quadratic_ridge', inBands, outBands },
      fitted.quadratic,
      set,
      machine,
    );
  } finally {
    await reader.close();
  }
}

/** The coarse cube in the colours of the fine one. */
function cubeInput(set: PatchSet, size: { height: number; width: number }): InputPicture {
  const chosen = compositeBands(set.inBands, set.files[0]!.wavelength);
  return { label: 'input, coarse grid', bands: set.inBands, ...size, chosen };
}
