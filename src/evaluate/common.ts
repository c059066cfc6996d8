/** What evaluations of both stages share: options, what is said of data and models, opening and closing. */

import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { openReader, type PatchReader, type ReaderOptions } from '../data/loader.js';
import type { PatchSet } from '../data/types.js';
import { bandRegions } from '../metrics/band_regions.js';
import { modelParameters, parameterCount } from '../models/index.js';
import type { Chosen, KnownModel, SplitName } from './evaluation_data.js';
import type { InputPicture } from './examples.js';
import type { MeasuredData } from './measure.js';
import type { Machine } from './method.js';
import type { PixelChoice } from './picks.js';
import type { EvaluationResult } from './result.js';
import { compositeBands } from './rgb.js';
import { EvaluationPool } from './worker_pool.js';

export interface EvaluationOptions {
  /** Folder or file of patches. */
  readonly data: string;
  /** Default: test of the checkpoint's own data, all patches of any other. */
  readonly split?: SplitName;
  /** Folder or file of patches that the baselines are fitted on, instead of the checkpoint's training split. */
  readonly baselinesFrom?: string;
  /** ENVI file of reflectance spectra. */
  readonly library?: string;
  readonly pixels?: readonly PixelChoice[];
  readonly machine: Machine;
  /** Threads that compute metrics. */
  readonly threads: number;
  /** Bytes for everything; see shares below. Without it the engine takes what it needs, and 1 GiB of patches is kept. */
  readonly maxMemory?: number;
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

/** @param good [bands], 1 = counted */
export function measuredData(reader: PatchReader, patches: readonly number[], good: ArrayLike<number>): MeasuredData {
  const { set } = reader;
  const { wavelength } = set.files[0]!;
  return {
    reader,
    height: set.height,
    width: set.width,
    bands: set.outBands,
    masked: set.files.some((file) => file.masked),
    patches,
    regions: bandRegions(set.outBands, wavelength, good),
  };
}

export function coarseInput(bands: number, height: number, width: number): InputPicture {
  const chosen = bands === OLI_BANDS ? ([...OLI_RGB] as [number, number, number]) : compositeBands(bands);
  return { label: `input, ${bands} bands`, bands, height, width, chosen };
}

export function aboutData(
  set: PatchSet,
  options: EvaluationOptions,
  { patches, split }: Chosen,
): EvaluationResult['data'] {
  const first = set.files[0]!;
  return {
    path: options.data,
    files: set.files.map((file) => file.path),
    scenes: [...new Set(patches.map((patch) => sceneOf(set, patch)))],
    patches: patches.length,
    height: set.height,
    width: set.width,
    split,
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

/** Of a memory limit: the engine's, that of decoded patches, that of patches on their way through the workers. */
const SHARES = { engine: 0.4, cache: 0.1, patches: 0.3 };
/** Patches held beside those that the workers hold: read ahead, and being predicted. */
const AHEAD = 2;

export const machineOf = ({ machine, maxMemory }: EvaluationOptions): Machine =>
  maxMemory === undefined ? machine : { ...machine, maxMemory: Math.floor(SHARES.engine * maxMemory) };

/** One thread reads: decoding is quick beside the metrics. */
export const evaluationReading = ({ maxMemory }: EvaluationOptions): ReaderOptions => ({
  workers: 1,
  ...(maxMemory === undefined ? {} : { cacheBytes: SHARES.cache * maxMemory }),
});

/** The program itself with its report, and how many times a patch of the truth is in memory at least, measured. */
const [BASE_BYTES, LEAST_PATCHES] = [0.3 * 2 ** 30, 10];

/** Throws an out-of-memory error when the limit cannot be kept with patches of this size. */
function checkMemory(set: PatchSet, maxMemory: number | undefined): void {
  const least = BASE_BYTES + LEAST_PATCHES * 4 * set.height * set.width * set.outBands;
  if (maxMemory === undefined || maxMemory >= least) return;
  throw new BandliftError(
    'too little memory for patches of this size',
    { field: '--max-memory', found: formatBytes(maxMemory), expected: `at least ${formatBytes(least)}` },
    EXIT.outOfMemory,
  );
}

/** Each thread holds a patch and its prediction. */
function metricThreads(set: PatchSet, { threads, maxMemory }: EvaluationOptions): number {
  if (maxMemory === undefined) return threads;
  const bytes = 2 * 4 * set.height * set.width * set.outBands;
  return Math.max(1, Math.min(threads, Math.floor((SHARES.patches * maxMemory) / bytes) - AHEAD));
}

/** Opens the patches and the workers, gives them to `use` and closes them. */
export async function withOpen<T>(
  set: PatchSet,
  options: EvaluationOptions,
  use: (reader: PatchReader, pool: EvaluationPool) => Promise<T>,
): Promise<T> {
  checkMemory(set, options.maxMemory);
  const reader = await openReader(set, evaluationReading(options));
  const pool = new EvaluationPool(metricThreads(set, options));
  try {
    return await use(reader, pool);
  } finally {
    await pool.close();
    await reader.close();
  }
}

/** Runs `work` under a progress bar over so many patches. */
export async function withProgress<T>(
  report: Reporter,
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
