/**
 * What was found out about each scene, a file each (OUT/reports/NAME.json), so that shards and later runs do not overwrite
 * each other, and one report of them all.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { makeFolder } from '../base/folders.js';
import { lineFiles } from '../scenes/open_line.js';
import { PREPARE_DEFAULTS, type PrepareOptions, type SceneReport } from './types.js';

/** Raised when the same options give other patches than before. */
const METHOD = 2;

export interface SceneRecord {
  /** Of the options and the source; equal keys, equal patches. */
  readonly key: string;
  readonly report: SceneReport;
}

export interface FailureRecord {
  readonly scene: string;
  readonly name: string;
  readonly error: string;
}

/** Everything that decides what the patches of a scene are. Errors: BandliftError for a scene that cannot be read. */
export async function sceneKey(options: PrepareOptions): Promise<string> {
  const { headerPath, dataPath } = await lineFiles(options.scene);
  try {
    const { size, mtimeMs } = await stat(dataPath);
    const header =
      headerPath &&
      createHash('sha256')
        .update(await readFile(headerPath))
        .digest('hex');
    const { patch, stride, phases, sensor, noise, seed, maxNodata, gsd, keepGsd } = options;
    const { bandCentres, ortho, pairs, tile, bands } = options;
    const settings = {
      patch: patch ?? null,
      stride: stride ?? null,
      phases: phases ?? 1,
      sensor: sensor?.hash ?? null,
      noise: noise === true,
      seed: seed ?? PREPARE_DEFAULTS.seed,
      maxNodata: maxNodata ?? PREPARE_DEFAULTS.maxNodata,
      gsd: gsd ?? null,
      keepGsd: keepGsd === true,
      ...(ortho && { ortho }),
      ...(pairs === 'spectral' && { pairs, tile: tile ?? null }),
      ...(bands && { bands: [[...bands.wavelength], [...bands.fwhm]] }),
      ...(bandCentres && { bandCentres: [[...bandCentres.wavelength], [...(bandCentres.fwhm ?? [])]] }),
    };
    const text = JSON.stringify({ METHOD, settings, header, size, mtimeMs });
    return createHash('sha256').update(text).digest('hex');
  } catch (error) {
    throw fileError(error, dataPath);
  }
}

const folderOf = (out: string) => join(out, 'reports');
const recordPath = (out: string, name: string) => join(folderOf(out), `${name}.json`);

export async function writeRecord(out: string, name: string, record: SceneRecord | FailureRecord): Promise<void> {
  makeFolder(folderOf(out));
  await writeFileAtomic(recordPath(out, name), `${JSON.stringify(record, null, 1)}\n`);
}

async function readRecord(path: string): Promise<SceneRecord | FailureRecord | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
  try {
    const record: unknown = JSON.parse(text);
    if (typeof record === 'object' && record !== null && ('report' in record || 'error' in record))
      return record as SceneRecord | FailureRecord;
  } catch {
    // told below
  }
  throw new BandliftError('is not a record of bandlift prepare', {
    file: path,
    hint: 'remove it; its scene is then done again',
  });
}

/** The report of a scene that was finished with the same key and whose file is still there. */
export async function finishedScene(out: string, name: string, key: string): Promise<SceneReport | undefined> {
  const record = await readRecord(recordPath(out, name));
  if (record === undefined || 'error' in record || record.key !== key) return undefined;
  const { report } = record;
  if (report.kept > 0 && !(await stat(join(out, `${name}.h5`)).catch(() => undefined))?.isFile()) return undefined;
  return report;
}

/** All scenes of a folder together. */
export interface PrepareReport {
  readonly scenes: readonly SceneReport[];
  readonly failed: readonly FailureRecord[];
  readonly totals: {
    readonly scenes: number;
    readonly candidates: number;
    readonly kept: number;
    readonly dropped: { readonly empty: number; readonly nodata: number; readonly outside: number };
  };
}

async function collect(out: string): Promise<PrepareReport> {
  // a run that was interrupted at once has written none
  const found = existsSync(folderOf(out)) ? await readdir(folderOf(out)) : [];
  const names = found.filter((name) => name.endsWith('.json')).sort();
  const records = await Promise.all(names.map((name) => readRecord(join(folderOf(out), name))));
  const scenes = records.flatMap((record) => (record && 'report' in record ? [record.report] : []));
  const failed = records.flatMap((record) => (record && 'error' in record ? [record] : []));
  const sum = (of: (report: SceneReport) => number) => scenes.reduce((total, report) => total + of(report), 0);
  const totals = {
    scenes: scenes.length,
    candidates: sum((report) => report.candidates),
    kept: sum((report) => report.kept),
    dropped: {
      empty: sum((report) => report.dropped.empty),
      nodata: sum((report) => report.dropped.nodata),
      outside: sum((report) => report.dropped.outside),
    },
  };
  return { scenes, failed, totals };
}

/**
 * Writes the report of everything under OUT. Another shard may write a record and its own report meanwhile: the last to
 * write looks once more whether it has seen everything.
 */
export async function writeReport(out: string, path: string): Promise<PrepareReport> {
  for (;;) {
    const report = await collect(out);
    const text = `${JSON.stringify(report, null, 1)}\n`;
    await writeFileAtomic(path, text);
    if (`${JSON.stringify(await collect(out), null, 1)}\n` === text) return report;
  }
}
