/** What evaluations of both stages share: options, what is said of data and models, opening and closing. */
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { openReader, type PatchReader } from '../data/loader.js';
import type { PatchSet } from '../data/types.js';
import { modelParameters, parameterCount } from '../models/index.js';
import { bandRegions } from './band_regions.js';
import type { KnownModel, SplitName } from './evaluation_data.js';
import type { InputPicture } from './examples.js';
import type { MeasuredData } from './measure.js';
import type { Machine } from './method.js';
import type { PixelChoice } from './picks.js';
import type { EvaluationResult } from './result.js';
import { compositeBands } from './rgb.js';
import type { EvaluationReporter } from './run.js';
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

/** Opens the patches and the workers, gives them to `use` and closes them. */
export async function withOpen<T>(
  set: PatchSet,
  options: EvaluationOptions,
  use: (reader: PatchReader, pool: EvaluationPool) => Promise<T>,
): Promise<T> {
  const { cacheBytes, threads } = options;
  const reader = await openReader(set, cacheBytes === undefined ? {} : { cacheBytes });
  const pool = new EvaluationPool(threads);
  try {
    return await use(reader, pool);
  } finally {
    await pool.close();
    await reader.close();
  }
}

/** Runs `work` under a progress bar over so many patches. */
export async function withProgress<T>(
  report: EvaluationReporter,
  total: number,
  status: string,
  work: (done: () => void) => Promise<T>,
): Promise<T> {
  const bar = report.progress(total, 'patches');
  let done = 0;
  try {
    return await work(() => bar.update(++done, status));
  } finally {
    bar.stop();
  }
}
