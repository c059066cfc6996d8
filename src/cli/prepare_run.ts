/** `bandlift prepare` at work: airborne cubes (ENVI) to files of paired patches (HDF5), with an account of what was kept and dropped. */
import { parseBytes } from '../base/bytes.js';
import { duration } from '../base/duration.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { alignRows } from '../base/text_table.js';
import { PreparationAbort, type PreparedScenes, prepareScenes } from '../library/prepare.js';
import type { SceneReport } from '../prepare/types.js';
import { onInterrupt } from './interrupt.js';
import { Output } from './output.js';

export interface PrepareFlags {
  out: string;
  pairs: 'spatial' | 'spectral';
  tile?: number;
  bands?: string;
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
  ortho?: boolean;
  workers?: number;
  shard?: string;
  maxMemory: string;
  resume?: boolean;
  report?: string;
  json?: boolean;
}

export async function runPrepare(paths: string[], flags: PrepareFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const started = Date.now();
  const { sensor, seed, maxNodata, patch, stride, phases, gsd, workers, wavelengths, shard, report } = flags;
  const interrupt = onInterrupt('stopping after these patches ...');
  let result: PreparedScenes;
  try {
    result = await prepareScenes(paths, {
      out: flags.out,
      ...{ sensor, seed, maxNodata, noise: flags.noise === true, keepGsd: flags.keepGsd === true },
      pairs: flags.pairs,
      ...(flags.tile !== undefined && { tile: flags.tile }),
      ...(flags.bands !== undefined && { bands: flags.bands }),
      ...(patch !== undefined && { patch }),
      ...(stride !== undefined && { stride }),
      ...(phases !== undefined && { phases }),
      ...(gsd !== undefined && { gsd }),
      ...(flags.ortho && { ortho: true }),
      ...(workers !== undefined && { workers }),
      ...(wavelengths !== undefined && { wavelengths }),
      ...(shard !== undefined && { shard }),
      ...(report !== undefined && { report }),
      maxMemory: parseBytes(flags.maxMemory, '--max-memory'),
      resume: flags.resume === true,
      reporter: output,
      signal: interrupt.signal,
    });
  } catch (error) {
    if (!(error instanceof PreparationAbort)) throw error;
    result = error.result;
  } finally {
    interrupt.dispose();
  }
  const { reportPath, scenes } = result;
  const reports = [...result.skipped, ...result.done];
  if (reports.length > 0) printTable(output, reports);
  const kept = reports.reduce((sum, { kept }) => sum + kept, 0);
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
  if (first && result.failures.length === 1 && scenes === 1) throw first;
  if (first)
    throw new BandliftError(
      `${result.failures.length} of ${scenes} scenes failed; the first: ${first.message}`,
      {},
      first.exitCode,
    );
  if (scenes === 0) output.warn('this shard has no scenes: there are fewer scenes than shards');
  // an empty shard of many is no failure, a whole list without a patch is
  else if (kept === 0 && flags.shard === undefined)
    throw new BandliftError('no patch was kept', { file: flags.out, hint: 'the table says why; see --max-nodata' });
}

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
