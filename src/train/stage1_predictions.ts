/**
 * Stage 1's predictions for every patch of a set, computed once: raw float32 files in physical units, beside a description.
 * The folder's name is a hash of the checkpoint and of the data, so runs share it; a file is extended patch by patch, so what
 * was computed before an interruption is kept.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openReader, type PatchReader } from '../data/loader.js';
import { denormalizeValues } from '../data/normalize.js';
import { cachedPatchBytes } from '../data/stage1_cache.js';
import type { CachedInput, PatchSet } from '../data/types.js';
import { createSession } from '../engine/session.js';
import type { Session } from '../engine/types.js';
import { BandliftError, EXIT } from '../errors.js';
import { writeAll, writeFileAtomic } from '../io/atomic.js';
import { writeError } from '../io/files.js';
import type { Stage2Config } from './config.js';
import { deviceOption } from './model_setup.js';
import type { Reporter } from './reporter.js';
import type { Stage1Model } from './stage2_data.js';

/** Of the layout of the cache. */
const CACHE_FORMAT = 1;

/** SHA-256 of the checkpoint's bytes, and of every file's path, size and time of change. */
async function cacheKey(checkpoint: string, set: PatchSet): Promise<string> {
  const hash = createHash('sha256').update(`format ${CACHE_FORMAT}\n`);
  for await (const chunk of createReadStream(checkpoint)) hash.update(chunk as Buffer);
  for (const { path, patches } of set.files) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`\n${basename(path)} ${patches} ${size} ${mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 16);
}

function makeFolder(config: Stage2Config, key: string): string {
  const parent = config.cache_dir === '' ? join(dirname(config.output_dir), 'cache') : config.cache_dir;
  const folder = join(parent, `stage1-${key}`);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new BandliftError(`cannot make the folder of the cache (${(error as NodeJS.ErrnoException).code})`, {
      file: folder,
      hint: 'give another --cache-dir',
    });
  }
  return folder;
}

/** Whole patches that a cache file holds. */
function patchesIn(cached: CachedInput): number {
  return existsSync(cached.path) ? Math.floor(statSync(cached.path).size / cachedPatchBytes(cached)) : 0;
}

/**
 * The cached predictions of a set whose input is Landsat on its own grid; what is missing is computed.
 * Errors: BandliftError when the disk is too small or a prediction is not finite.
 */
export async function cacheStage1(
  config: Stage2Config,
  stage1: Stage1Model,
  landsat: PatchSet,
  report: Reporter,
): Promise<CachedInput[]> {
  const folder = makeFolder(config, await cacheKey(config.stage1, landsat));
  const size = { height: landsat.inputHeight, width: landsat.inputWidth, bands: landsat.outBands };
  const files = landsat.files.map((file, i) => ({ path: join(folder, `${i}-${basename(file.path)}.f32`), ...size }));
  const missing = landsat.files.reduce((sum, file, i) => sum + file.patches - patchesIn(files[i]!), 0);
  if (missing === 0) {
    report.line(`stage 1's predictions: ${landsat.count} patches in ${folder}`);
    return files;
  }
  const bytes = missing * cachedPatchBytes(files[0]!);
  checkDisk(folder, bytes);
  const done = landsat.count - missing;
  report.line(
    `stage 1's predictions: ${missing} patches to compute${done > 0 ? ` (${done} kept)` : ''}, ${(bytes / 2 ** 20).toFixed(0)} MiB in ${folder}`,
  );
  const description = { checkpoint: config.stage1, files: landsat.files.map((f) => f.path), ...size };
  await writeFileAtomic(join(folder, 'description.json'), `${JSON.stringify(description, null, 1)}\n`);
  await predictMissing(config, stage1, landsat, files, report);
  return files;
}

function checkDisk(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  throw new BandliftError(
    'not enough space for the predictions of stage 1',
    { file: folder, found: `${bavail * bsize} bytes free`, expected: `${bytes}`, hint: 'give another --cache-dir' },
    EXIT.failure,
  );
}

async function predictMissing(
  config: Stage2Config,
  { model, contract, tensors }: Stage1Model,
  landsat: PatchSet,
  files: readonly CachedInput[],
  report: Reporter,
): Promise<void> {
  const session = await createSession({
    model,
    loss: contract.loss,
    height: landsat.inputHeight,
    width: landsat.inputWidth,
    batchSize: 1,
    mode: 'infer',
    device: deviceOption(config),
  });
  const reader = await openReader(landsat);
  const bar = report.progress(landsat.count, 'patches');
  try {
    session.write('parameters', tensors.ema ? new Map([...tensors.parameters, ...tensors.ema]) : tensors.parameters);
    let first = 0;
    for (const [i, file] of landsat.files.entries()) {
      await predictFile({ session, reader, contract, cached: files[i]!, first, patches: file.patches }, (done) =>
        bar.update(first + done, "stage 1's predictions"),
      );
      first += file.patches;
    }
  } finally {
    bar.stop();
    await reader.close();
    session.dispose();
  }
}

interface FileJob {
  readonly session: Session;
  readonly reader: PatchReader;
  readonly contract: Stage1Model['contract'];
  readonly cached: CachedInput;
  /** Number of the file's first patch in the set. */
  readonly first: number;
  readonly patches: number;
}

async function predictFile(job: FileJob, progress: (done: number) => void): Promise<void> {
  const { session, reader, contract, cached, first, patches } = job;
  const done = patchesIn(cached);
  if (done >= patches) return;
  const bytes = cachedPatchBytes(cached);
  const handle: FileHandle = await open(cached.path, 'a').catch((error: unknown) => {
    throw writeError(error, cached.path, bytes);
  });
  try {
    // a patch that was cut off is computed again
    await handle.truncate(done * bytes);
    const rest = Array.from({ length: patches - done }, (_, p) => first + done + p);
    const options = { patches: rest, batchSize: 1, normalize: { input: contract.normalization.input }, mask: true };
    let count = done;
    for await (const batch of reader.batches(options)) {
      const prediction = await session.predict(batch.input, 1);
      batch.release();
      denormalizeValues(prediction, cached.bands, contract.normalization.target);
      const bad = prediction.findIndex((v) => !Number.isFinite(v));
      if (bad >= 0)
        throw new BandliftError(
          `stage 1 predicts something that is not a number for patch ${batch.patches[0]}`,
          { field: `band ${bad % cached.bands}`, found: prediction[bad]! },
          EXIT.notFinite,
        );
      await writeAll(handle, new Uint8Array(prediction.buffer)).catch((error: unknown) => {
        throw writeError(error, cached.path, patches * bytes);
      });
      progress(++count);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
