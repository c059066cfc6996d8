/** `bandlift prepare` at work: airborne cubes (ENVI) to files of paired patches (HDF5), with an account of what was kept and dropped. */

import { join } from 'node:path';
import { parseBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Progress } from '../base/reporter.js';
import { alignRows } from '../base/text_table.js';
import { prepareScenes, type RunResult, type RunWatcher } from '../prepare/run.js';
import { listScenes, parseShard } from '../prepare/scene_list.js';
import type { SceneReport } from '../prepare/types.js';
import { loadBandCentres } from '../spectra/band_centres_csv.js';
import { LANDSAT8_OLI, LANDSAT9_OLI2, type SensorResponse } from '../spectra/response.js';
import { loadResponseCsv } from '../spectra/response_csv.js';
import { onInterrupt } from './interrupt.js';
import { duration, Output } from './output.js';

export interface PrepareFlags {
  out: string;
  patch?: number;
  stride?: number;
  phases?: number;
  sensor: string;
  noise?: boolean;
  seed: number;
  maxNodata: number;
  gsd?: number;
  keepGsd?: boolean;
  wavelengths?: string;
  workers?: number;
  shard?: string;
  maxMemory: string;
  resume?: boolean;
  report?: string;
  json?: boolean;
}

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

export async function runPrepare(paths: string[], flags: PrepareFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const started = Date.now();
  const scenes = listScenes(paths, flags.shard === undefined ? undefined : parseShard(flags.shard));
  const { patch, stride, phases, gsd, workers } = flags;
  const interrupt = onInterrupt('stopping after these patches ...');
  const watcher = new Watcher(output, scenes.length, () => interrupt.requested);
  let result: RunResult;
  try {
    result = await prepareScenes({
      scenes,
      out: flags.out,
      settings: {
        ...(patch !== undefined && { patch }),
        ...(stride !== undefined && { stride }),
        ...(phases !== undefined && { phases }),
        sensor: sensorOf(flags.sensor),
        noise: flags.noise === true,
        seed: flags.seed,
        maxNodata: flags.maxNodata,
        ...(gsd !== undefined && { gsd }),
        keepGsd: flags.keepGsd === true,
        ...(flags.wavelengths !== undefined && { bandCentres: loadBandCentres(flags.wavelengths) }),
      },
      maxMemory: parseBytes(flags.maxMemory, '--max-memory'),
      ...(workers !== undefined && { workers }),
      resume: flags.resume === true,
      report: flags.report ?? join(flags.out, 'prepare_report.json'),
      watch: watcher,
    });
  } finally {
    watcher.stop();
    interrupt.dispose();
  }
  const reports = [...result.skipped, ...result.done];
  if (reports.length > 0) printTable(output, reports);
  const kept = reports.reduce((sum, { kept }) => sum + kept, 0);
  const reportPath = flags.report ?? join(flags.out, 'prepare_report.json');
  if (reports.length > 0)
    output.line(
      `${kept} patches of ${reports.length} scene${reports.length === 1 ? '' : 's'} in ${flags.out} (${duration((Date.now() - started) / 1000)}); report: ${reportPath}`,
    );
  output.event('prepared', {
    out: flags.out,
    report: reportPath,
    scenes: reports.length,
    skipped: result.skipped.length,
    failed: result.failures.length,
    patches: kept,
    interrupted: result.interrupted,
  });
  if (result.interrupted) {
    output.line('interrupted; the scenes named above are complete. The same command with --resume does the others');
    process.exitCode = EXIT.interrupted;
    return;
  }
  const [first] = result.failures;
  if (first && result.failures.length === 1 && scenes.length === 1) throw first;
  if (first)
    throw new BandliftError(
      `${result.failures.length} of ${scenes.length} scenes failed; the first: ${first.message}`,
      {},
      first.exitCode,
    );
  if (scenes.length === 0) output.warn('this shard has no scenes: there are fewer scenes than shards');
  // an empty shard of many is no failure, a whole list without a patch is
  else if (kept === 0 && flags.shard === undefined)
    throw new BandliftError('no patch was kept', { file: flags.out, hint: 'the table says why; see --max-nodata' });
}

/** Lines as scenes are done, a bar on a terminal, a line now and then elsewhere. */
class Watcher implements RunWatcher {
  readonly #output: Output;
  readonly #single: boolean;
  readonly interrupted: () => boolean;
  readonly #settled = new Map<string, number>();
  #bar: Progress | undefined;
  #spoken = Date.now();

  constructor(output: Output, scenes: number, interrupted: () => boolean) {
    this.#output = output;
    this.#single = scenes === 1;
    this.interrupted = interrupted;
  }

  warn(text: string): void {
    this.#output.warn(text);
  }

  begin(candidates: number, workers: number): void {
    if (workers > 1) this.#output.line(`${workers} scenes at once`);
    if (candidates > 0) this.#bar = this.#output.progress(candidates, 'patches');
  }

  progress(scene: string, settled: number, candidates: number, kept: number): void {
    this.#settled.set(scene, settled);
    this.#bar?.update(
      [...this.#settled.values()].reduce((a, b) => a + b, 0),
      scene,
    );
    if (process.stdout.isTTY || Date.now() - this.#spoken < SILENCE) return;
    this.#spoken = Date.now();
    this.#output.line(`${scene}: ${settled} of ${candidates} places, ${kept} patches kept`);
  }

  finished(report: SceneReport, skipped: boolean): void {
    this.#spoken = Date.now();
    if (!skipped) for (const warning of report.warnings) this.#output.warn(warning);
    const how = skipped ? 'finished before' : duration(report.seconds);
    this.#output.line(`${report.name}: ${report.kept} of ${report.candidates} patches kept, ${how}`);
    this.#output.event('scene', { ...report, skipped });
  }

  failed(scene: string, error: BandliftError): void {
    // of one scene alone it is the command's own error
    if (!this.#single) this.#output.warn(`failed: ${error.message}`);
    this.#output.event('failed', { scene, error: error.message });
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** ms between lines on the state of long scenes. */
const SILENCE = 20_000;

function printTable(output: Output, reports: readonly SceneReport[]): void {
  const head = ['scene', 'pixels', 'bands', 'patch', 'places', 'kept', 'empty', 'nodata', 'outside', 'valid'];
  const rows = reports.map((r) => [
    r.name,
    `${r.lines} x ${r.samples}`,
    `${r.bands.stored} -> ${r.bands.kept}${r.bands.withoutData > 0 ? ` (${r.bands.withoutData} bad)` : ''}`,
    `${r.patch}`,
    `${r.candidates}`,
    `${r.kept}`,
    `${r.dropped.empty}`,
    `${r.dropped.nodata}`,
    `${r.dropped.outside}`,
    r.validShare === undefined ? '-' : `${(100 * r.validShare).toFixed(1)} %`,
  ]);
  output.line();
  for (const line of alignRows([head, ...rows])) output.line(line);
  output.line(
    'dropped: empty = no data at all, nodata = more than --max-nodata, outside = beyond the edge of the scene',
  );
}
