/**
 * The folder of one run: config.yaml, split.json, environment.json, metrics.jsonl, tensorboard/, checkpoints/. A folder
 * that already holds a run is never written over: it is resumed, or another one is taken.
 */
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';
import { takeLock } from '../base/lock.js';

export interface RunFolder {
  readonly path: string;
  readonly config: string;
  readonly split: string;
  readonly environment: string;
  readonly metrics: string;
  readonly baselines: string;
  readonly tensorboard: string;
  readonly last: string;
  readonly best: string;
  epochCheckpoint(epoch: number): string;
  /** Gives the folder free for another process. */
  unlock(): void;
}

export const checkpointsOf = (run: string) => join(run, 'checkpoints');

/** The first of `base`, `base-002`, `base-003`, ... that holds no run yet. */
export function freeRunPath(base: string): string {
  for (let i = 1; ; i++) {
    const path = i === 1 ? base : `${base}-${String(i).padStart(3, '0')}`;
    if (!existsSync(join(path, 'config.yaml'))) return path;
  }
}

/** Takes away folders that were made for a run which then wrote nothing. */
function removeEmpty(folders: readonly string[]): void {
  for (const folder of [...folders].reverse()) if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Throws where a new run would meet one that is there, or a resumed run would find none. */
function checkRun(path: string, resume: boolean): void {
  const exists = existsSync(join(path, 'config.yaml'));
  if (resume && !exists)
    throw new BandliftError(
      'there is no run to resume in this folder',
      { file: path, hint: 'give the folder of a run with --output-dir, or omit --resume to start a new run' },
      EXIT.usage,
    );
  if (exists && !resume)
    throw new BandliftError(
      'this folder already holds a run',
      { file: path, hint: `add --resume to continue it, or give another --output-dir` },
      EXIT.usage,
    );
}

/** Opens the folder of a new run (must not hold one) or of a run to resume (must hold one). */
export function openRunFolder(path: string, resume: boolean): RunFolder {
  // nothing there, or a path that cannot be (below a file): making the folder will tell
  const stat = existsSync(path) ? statSync(path) : undefined;
  if (stat && !stat.isDirectory())
    throw new BandliftError('the output folder is a file', { file: path, hint: 'give another --output-dir' });
  checkRun(path, resume);
  const made: string[] = [];
  const make = (folder: string) => {
    if (makeFolder(folder, 'choose a folder you may write to with --output-dir') !== undefined) made.push(folder);
  };
  let release = () => {};
  try {
    make(path);
    const lock = takeLock(
      join(path, '.lock'),
      'another process is training in this folder',
      path,
      'give another --output-dir',
    );
    release = lock.release;
    checkRun(path, resume); // another run may have begun and ended meanwhile
    // only under the lock: who is refused removes what it made while it is empty, and it may not be its own by then
    for (const name of ['checkpoints', 'tensorboard']) make(join(path, name));
  } catch (error) {
    release();
    removeEmpty(made);
    throw error;
  }
  return {
    ...pathsOf(path),
    unlock: () => {
      release();
      removeEmpty(made);
    },
  };
}

/** What lies where in a run folder; nothing is opened. */
export function pathsOf(path: string): Omit<RunFolder, 'unlock'> {
  return {
    path,
    config: join(path, 'config.yaml'),
    split: join(path, 'split.json'),
    environment: join(path, 'environment.json'),
    metrics: join(path, 'metrics.jsonl'),
    baselines: join(path, 'baselines.json'),
    tensorboard: join(path, 'tensorboard'),
    last: join(path, 'checkpoints', 'last.safetensors'),
    best: join(path, 'checkpoints', 'best.safetensors'),
    epochCheckpoint: (epoch) => join(path, 'checkpoints', `epoch-${String(epoch).padStart(4, '0')}.safetensors`),
  };
}
