/** Airborne cubes to patches as a function: names instead of parsed settings, progress to a reporter. */
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { bandGridOf } from '../prepare/band_grid.js';
import { type RunResult, prepareScenes as runScenes, type SceneSettings } from '../prepare/run.js';
import { listScenes, parseShard } from '../prepare/scene_list.js';
import { loadBandCentres } from '../spectra/band_centres_csv.js';
import { LANDSAT8_OLI, LANDSAT9_OLI2, type SensorResponse } from '../spectra/response.js';
import { loadResponseCsv } from '../spectra/response_csv.js';
import { Watcher } from './prepare_watcher.js';
import { AbortError, interruptedBy, reporterOf, type WorkOptions } from './work.js';

export interface PrepareScenesOptions extends WorkOptions, Omit<SceneSettings, 'sensor' | 'bandCentres' | 'bands'> {
  /** Folder to write to: NAME.h5 for each scene. */
  readonly out: string;
  /** 'oli' (default), 'oli2', or a CSV file with the columns band, wavelength_nm, response. */
  readonly sensor?: string;
  /** CSV file with the columns wavelength_nm and fwhm_nm, a row for each stored band, instead of what the headers say. */
  readonly wavelengths?: string;
  /**
   * Brings all spectra to one list of bands: 'aviris_ng', a CSV file with wavelength_nm and fwhm_nm, or a scene. Then scenes of
   * several sensors make one training set.
   */
  readonly bands?: string;
  /** Bytes of the whole process; default 2 GiB. */
  readonly maxMemory?: number;
  /** Scenes at once; default one a core, as memory allows. */
  readonly workers?: number;
  /** 'i/n': every n-th scene of the list from the i-th on, for job arrays. */
  readonly shard?: string;
  /** Skips scenes that are finished with these options. */
  readonly resume?: boolean;
  /** JSON report of all scenes in the folder; default OUT/prepare_report.json. */
  readonly report?: string;
}

export interface PreparedScenes extends RunResult {
  /** Path of the report. */
  readonly reportPath: string;
  /** Scenes that were asked for, of this shard. */
  readonly scenes: number;
}

/** Ended by its signal; the scenes in `result.done` are complete. */
export class PreparationAbort extends AbortError {
  readonly result: PreparedScenes;
  constructor(result: PreparedScenes) {
    super('the preparation', 'the same call with `resume` does the scenes that are left');
    this.result = result;
  }
}

const DEFAULT_MEMORY = 2 * 2 ** 30;

function sensorOf(name: string): SensorResponse {
  if (/^oli$/i.test(name)) return LANDSAT8_OLI;
  if (/^oli-?2$/i.test(name)) return LANDSAT9_OLI2;
  if (/\.csv$/i.test(name)) return loadResponseCsv(name);
  throw new BandliftError(
    'unknown sensor',
    { field: '--sensor', found: name, expected: 'oli, oli2 or a .csv file of responses' },
    EXIT.usage,
  );
}

/**
 * Makes patch files (HDF5) of airborne cubes (ENVI): the cube at 4 m and what Landsat sees of it at 30 m.
 *
 * @param paths ENVI headers or data files
 * @returns what became of each scene: `done`, `skipped` (finished before), `failures` (a scene that fails leaves the others alone)
 * @throws BandliftError where nothing can be begun: names that clash, a folder that cannot be written, results that are there;
 *   AbortError (its `result` names the scenes that are complete) when the signal ended it; `resume: true` does the others
 */
export async function prepareScenes(paths: readonly string[], options: PrepareScenesOptions): Promise<PreparedScenes> {
  const {
    out,
    sensor = 'oli',
    wavelengths,
    bands,
    maxMemory = DEFAULT_MEMORY,
    workers,
    shard,
    resume,
    report,
    ...rest
  } = options;
  const { reporter: _, signal: __, ...settings } = rest;
  const scenes = listScenes(paths, shard === undefined ? undefined : parseShard(shard));
  const reportPath = report ?? join(out, 'prepare_report.json');
  const watcher = new Watcher(reporterOf(options), scenes.length, interruptedBy(options));
  try {
    const result = await runScenes({
      scenes,
      out,
      settings: {
        ...settings,
        sensor: sensorOf(sensor),
        ...(bands !== undefined && { bands: await bandGridOf(bands) }),
        ...(wavelengths !== undefined && { bandCentres: loadBandCentres(wavelengths) }),
      },
      maxMemory,
      ...(workers !== undefined && { workers }),
      resume: resume === true,
      report: reportPath,
      watch: watcher,
    });
    const prepared = { ...result, reportPath, scenes: scenes.length };
    if (result.interrupted) throw new PreparationAbort(prepared);
    return prepared;
  } finally {
    watcher.stop();
  }
}
