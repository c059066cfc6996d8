/** `evaluate` of stage 1: the spectral model on the patches of its run. */
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { openReader, type PatchReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { modelParameters, parameterCount } from '../models/index.js';
import { bandRegions } from './band_regions.js';
import { checkData, type KnownModel, openModel, patchesOf, type SplitName } from './evaluation_data.js';
import type { InputPicture } from './examples.js';
import { fitBaselines } from './fit_baselines.js';
import { openLibrary } from './library.js';
import type { MeasuredData } from './measure.js';
import type { Machine } from './method.js';
import { definitionNotes, splitNotes, unitNotes } from './notes.js';
import { checkPixels, type PixelChoice } from './picks.js';
import type { EvaluationResult } from './result.js';
import { compositeBands } from './rgb.js';
import { type EvaluationPlan, type EvaluationReporter, runEvaluation } from './run.js';
import { oracles, spectralBaselines, spectralModel } from './stage1_methods.js';
import { EvaluationPool } from './worker_pool.js';

export interface EvaluationOptions {
  /** Folder or file of patches. */
  readonly data: string;
  readonly split: SplitName;
  /** ENVI file of reflectance spectra. */
  readonly library?: string;
  readonly pixels?: readonly PixelChoice[];
  readonly machine: Machine;
  /** Threads that compute metrics. */
  readonly threads: number;
  /** Bytes of decoded patches that are kept; default 1 GiB. */
  readonly cacheBytes?: number;
}

/** The seven reflective OLI bands begin with coastal aerosol, blue, green, red. */
const OLI_BANDS = 7;
const OLI_RGB = [3, 2, 1] as const;

export async function describeModel(stage: 1 | 2, model: KnownModel): Promise<EvaluationResult['models'][number]> {
  const header = await inspectCheckpoint(model.path);
  const parameters = parameterCount(modelParameters(model.contract.model));
  const known = { stage, file: model.path, kind: model.contract.model.kind, parameters };
  // the epoch that is under way; those before it are done
  return header.content === 'checkpoint' ? { ...known, epoch: header.state.progress.epoch - 1 } : known;
}

/** Stage 1 of a checkpoint on its own data. Throws a BandliftError when they are not the data of its run. */
export async function evaluateStage1(
  path: string,
  options: EvaluationOptions,
  report: EvaluationReporter,
): Promise<EvaluationResult> {
  const model = await openModel(path);
  const set = await openPatchSet([options.data]);
  for (const warning of set.warnings) report.warn(warning);
  checkData(model, set);
  const library = options.library === undefined ? undefined : await openLibrary(options.library, set.files[0]!);
  const patches = patchesOf(model.contract, options.split, path);
  report.line(
    `${options.split} split: ${patches.length} of ${set.count} patches of ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands`,
  );
  const reader = await openReader(set, options.cacheBytes === undefined ? {} : { cacheBytes: options.cacheBytes });
  const pool = new EvaluationPool(options.threads);
  try {
    const data = measuredData(reader, patches);
    checkPixels(options.pixels ?? [], data);
    const { train, description } = model.contract.split;
    report.line(`fitting baselines on ${train.length} training patches`);
    const bar = report.progress(train.length, 'patches');
    let done = 0;
    const good = data.regions[0]!.mask;
    const fitted = await fitBaselines({ reader, train, masked: data.masked, good }, options.machine, () =>
      bar.update(++done, 'baselines'),
    ).finally(() => bar.stop());
    const { machine } = options;
    const first = set.files[0]!;
    const plan: EvaluationPlan = {
      stage: 'stage 1',
      models: [await describeModel(1, model)],
      data,
      about: aboutData(set, options, patches),
      ...(first.wavelength ? { wavelength: first.wavelength } : {}),
      methods: [
        ...spectralBaselines(fitted, set, set, machine, pool, library),
        spectralModel(model.stored, model.contract, set, machine),
        ...oracles(fitted, set, machine),
      ],
      ratio: 1,
      notes: [
        ...splitNotes(options.split, description),
        ...unitNotes(model.contract.bands.units),
        ...definitionNotes(1),
      ],
      input: coarseInput(set.inBands, set.height, set.width),
      sceneOf: (patch) => sceneOf(set, patch),
    };
    return await runEvaluation(plan, pool, report, options.pixels);
  } finally {
    await pool.close();
    await reader.close();
  }
}

export function measuredData(reader: PatchReader, patches: readonly number[]): MeasuredData {
  const { set } = reader;
  const { wavelength, goodBands } = set.files[0]!;
  return {
    reader,
    height: set.height,
    width: set.width,
    bands: set.outBands,
    masked: set.files.some((file) => file.masked),
    patches,
    regions: bandRegions(set.outBands, wavelength, goodBands),
  };
}

export function coarseInput(bands: number, height: number, width: number): InputPicture {
  const chosen = bands === OLI_BANDS ? ([...OLI_RGB] as [number, number, number]) : compositeBands(bands);
  return { label: `input, ${bands} bands`, bands, height, width, chosen };
}

export function aboutData(
  set: PatchSet,
  options: EvaluationOptions,
  patches: readonly number[],
): EvaluationResult['data'] {
  const first = set.files[0]!;
  return {
    path: options.data,
    files: set.files.map((file) => file.path),
    scenes: [...new Set(patches.map((patch) => sceneOf(set, patch)))],
    patches: patches.length,
    height: set.height,
    width: set.width,
    split: options.split,
    units: first.units ?? '',
    sensor: first.sensor ?? null,
  };
}

/** Name of the scene a patch was cut from. */
export function sceneOf(set: PatchSet, patch: number): string {
  let rest = patch;
  for (const file of set.files) {
    if (rest < file.patches) return file.scene;
    rest -= file.patches;
  }
  throw new RangeError(`patch ${patch} of ${set.count}`);
}
