/**
 * Stage 1's predictions for every patch of a set, computed once: raw float32 files in physical units, beside a description.
 * The folder's name is a hash of all that decides their bits, so runs share it. One process at a time computes; others wait.
 * A file grows patch by patch under the name NAME.MACHINE.partial, which an interrupted run leaves for the next one, and gets
 * its name when it is complete. MACHINE changes with a restart, after which nobody knows what had reached the disk.
 */

import { createHash } from 'node:crypto';
import { constants, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeAt, writeFileAtomic } from '../base/atomic.js';
import { formatBytes, parseBytes } from '../base/bytes.js';
import { contentHashes } from '../base/content_hash.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { writeError } from '../base/files.js';
import { makeFolder } from '../base/folders.js';
import { waitForLock } from '../base/lock.js';
import { processSpace } from '../base/process_lock.mjs';
import type { Reporter } from '../base/reporter.js';
import { openReader, type PatchReader } from '../data/loader.js';
import { Normalizer } from '../data/normalize.js';
import { cachedPatchBytes } from '../data/stage1_cache.js';
import type { CachedInput, LoadedBatch, PatchSet } from '../data/types.js';
import { engineIdentity } from '../engine/identity.js';
import { createSession } from '../engine/session.js';
import type { Session } from '../engine/types.js';
import type { Stage2Config } from './config.js';
import { deviceOption } from './device_option.js';
import type { Stage1Model } from './stage1_model.js';

/** Of the layout and the meaning of the cache. */
const CACHE_FORMAT = 4;
/** From this size on it is told that a file is read, bytes. */
const LARGE = 2 ** 28;

/** A file of the cache and how many patches it holds when it is complete. */
interface CacheFile extends CachedInput {
  readonly patches: number;
}

/** A hash of what decides the bits of a prediction: the checkpoint, the engine with its precision, the patches. */
function cacheKey(checkpoint: string, engine: string, set: PatchSet, contents: readonly string[]): string {
  const hash = createHash('sha256').update(`format ${CACHE_FORMAT} ${set.sides.input}\n${checkpoint}\n${engine}`);
  set.files.forEach(({ path, patches }, i) => {
    hash.update(`\n${basename(path)} ${patches} ${contents[i]}`);
  });
  return hash.digest('hex').slice(0, 16);
}

const parentOf = (config: Stage2Config) =>
  config.cache_dir === '' ? join(dirname(config.output_dir), 'cache') : config.cache_dir;

function makeCache(config: Stage2Config, key: string): string {
  const folder = join(parentOf(config), `stage1-${key}`);
  makeFolder(folder, 'give another --cache-dir');
  return folder;
}

const partial = (file: CacheFile) => `${file.path}.${processSpace()}.partial`;
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const isComplete = (file: CacheFile) => sizeOf(file.path) === file.patches * cachedPatchBytes(file);

/** Whole patches that are there. */
function patchesIn(file: CacheFile): number {
  if (isComplete(file)) return file.patches;
  return Math.min(file.patches, Math.floor(sizeOf(partial(file)) / cachedPatchBytes(file)));
}

/**
 * The cached predictions of a set whose input is Landsat on its own grid; what is missing is computed. Pixels that are not
 * valid there are NaN. While another process computes the same, it is waited for.
 * Errors: BandliftError when the disk is too small, a prediction is not finite or `interrupted` says so (exit 130).
 */
export async function cacheStage1(
  config: Stage2Config,
  stage1: Stage1Model,
  landsat: PatchSet,
  report: Reporter,
  interrupted: () => boolean,
): Promise<CachedInput[]> {
  const paths = landsat.files.map(({ path }) => path);
  const contents = await contentHashes(paths, join(parentOf(config), 'content_hashes.json'), (path) => {
    if (sizeOf(path) >= LARGE) report.line(`reading ${path} to see whether its predictions are known`);
  });
  const engine = await engineIdentity(deviceOption(config));
  const folder = makeCache(config, cacheKey(stage1.hash, engine, landsat, contents));
  const size = { height: landsat.inputHeight, width: landsat.inputWidth, bands: landsat.outBands };
  const files: CacheFile[] = landsat.files.map(({ path, patches }, i) => ({
    path: join(folder, `${i}-${basename(path)}.f32`),
    patches,
    ...size,
  }));
  if (!files.every(isComplete)) {
    const lock = await waitForLock(
      join(folder, '.lock'),
      (holder, hint) =>
        report.line(`waiting for ${holder}, which computes stage 1's predictions in ${folder} (${hint})`),
      () => {
        if (interrupted()) throw stopped(folder);
      },
    );
    try {
      removePartials(folder, files);
      await computeMissing(config, stage1, landsat, { folder, files }, report, interrupted);
    } finally {
      lock.release();
    }
  }
  report.line(`stage 1's predictions: ${landsat.count} patches in ${folder}`);
  return files;
}

/** Removes unfinished files of another machine or of before a restart. */
function removePartials(folder: string, files: readonly CacheFile[]): void {
  const ours = new Set(files.map((file) => basename(partial(file))));
  for (const name of readdirSync(folder))
    if (name.endsWith('.partial') && !ours.has(name)) rmSync(join(folder, name), { force: true });
}

const stopped = (folder: string) =>
  new BandliftError(
    "stopped before stage 1's predictions were complete",
    { file: folder, hint: 'what is done is kept; run the same command again to continue' },
    EXIT.interrupted,
  );

interface Cache {
  readonly folder: string;
  readonly files: readonly CacheFile[];
}

async function computeMissing(
  config: Stage2Config,
  stage1: Stage1Model,
  landsat: PatchSet,
  { folder, files }: Cache,
  report: Reporter,
  interrupted: () => boolean,
): Promise<void> {
  const done = files.reduce((sum, file) => sum + patchesIn(file), 0);
  const missing = landsat.count - done;
  const bytes = missing * cachedPatchBytes(files[0]!);
  checkDisk(folder, bytes);
  if (missing > 0)
    report.line(
      `stage 1's predictions: ${missing} patches to compute${done > 0 ? ` (${done} kept)` : ''}, ${formatBytes(bytes)} in ${folder}`,
    );
  const { height, width, bands } = files[0]!;
  const about = { checkpoint: config.stage1, files: landsat.files.map((f) => f.path), height, width, bands };
  await writeFileAtomic(join(folder, 'description.json'), `${JSON.stringify(about, null, 1)}\n`);
  const session = await openStage1(config, stage1, landsat);
  const reader = await openReader(landsat);
  const bar = report.progress(landsat.count, 'patches', done);
  let count = done;
  const predicted = () => {
    bar.update(++count, "stage 1's predictions");
    if (interrupted()) throw stopped(folder);
  };
  try {
    let first = 0;
    for (const file of files) {
      if (!isComplete(file)) await predictFile({ session, reader, contract: stage1.contract, file, first }, predicted);
      first += file.patches;
    }
  } finally {
    bar.stop();
    await reader.close();
    session.dispose();
  }
}

function checkDisk(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  throw new BandliftError(
    'not enough space for the predictions of stage 1',
    {
      file: folder,
      found: `${formatBytes(bavail * bsize)} free`,
      expected: formatBytes(bytes),
      hint: 'give another --cache-dir',
    },
    EXIT.failure,
  );
}

async function openStage1(
  config: Stage2Config,
  { model, contract, tensors }: Stage1Model,
  landsat: PatchSet,
): Promise<Session> {
  const maxMemory = parseBytes(config.max_memory, '--max-memory');
  const session = await createSession({
    model,
    loss: contract.loss,
    height: landsat.inputHeight,
    width: landsat.inputWidth,
    batchSize: 1,
    mode: 'infer',
    device: deviceOption(config),
    ...(maxMemory > 0 ? { maxMemory } : {}),
  });
  // frozen parameters may be missing in the average
  session.write('parameters', new Map([...tensors.parameters, ...(tensors.ema ?? [])]));
  return session;
}

interface FileJob {
  readonly session: Session;
  readonly reader: PatchReader;
  readonly contract: Stage1Model['contract'];
  readonly file: CacheFile;
  /** Number of the file's first patch in the set. */
  readonly first: number;
}

async function predictFile(job: FileJob, predicted: () => void): Promise<void> {
  const { reader, contract, file, first } = job;
  const done = patchesIn(file);
  const bytes = cachedPatchBytes(file);
  const written = async <T>(work: Promise<T>) => {
    try {
      return await work;
    } catch (error) {
      throw writeError(error, file.path, (file.patches - done) * bytes);
    }
  };
  const handle: FileHandle = await written(open(partial(file), constants.O_RDWR | constants.O_CREAT));
  try {
    // a patch that was cut off is computed again
    await handle.truncate(done * bytes);
    const rest = Array.from({ length: file.patches - done }, (_, p) => first + done + p);
    const options = {
      patches: rest,
      batchSize: 1,
      normalize: { input: contract.normalization.input },
      mask: true,
      nonNegative: true,
    };
    let next = done;
    for await (const batch of reader.batches(options)) {
      const prediction = await predictPatch(job, batch);
      batch.release();
      await written(writeAt(handle, new Uint8Array(prediction.buffer), next++ * bytes));
      predicted();
    }
    await written(handle.sync());
  } finally {
    await handle.close();
  }
  await written(rename(partial(file), file.path));
}

/** [height, width, bands] in physical units, NaN where the patch is not valid. */
async function predictPatch({ session, contract, file }: FileJob, batch: LoadedBatch): Promise<Float32Array> {
  const { bands } = file;
  const prediction = await session.predict(batch.input, 1);
  new Normalizer(contract.normalization.target, bands).denormalize(prediction, batch.nonNegative);
  const bad = prediction.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw new BandliftError(
      `stage 1 predicted NaN or infinity for patch ${batch.patches[0]}`,
      { field: `band ${bad % bands}`, found: prediction[bad]! },
      EXIT.notFinite,
    );
  batch.mask!.forEach((valid, pixel) => {
    if (valid === 0) prediction.fill(Number.NaN, pixel * bands, (pixel + 1) * bands);
  });
  return prediction;
}
