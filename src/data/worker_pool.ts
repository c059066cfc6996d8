/** The data workers of a set: opened, and each patch with a worker of its own. */
import { availableParallelism } from 'node:os';
import { BandliftError, EXIT } from '../base/errors.js';
import { DataWorker } from './data_worker.js';
import { locate } from './patches.js';
import type { PatchSet } from './types.js';
import type { PatchAddress, WindowSize } from './worker_protocol.js';

export interface ReaderOptions {
  /** Threads that decode; default one for every four cores, at most 4 (the engine wants the others). */
  readonly workers?: number;
  /** Decoded patches kept in memory, bytes over all workers; later epochs then need not inflate them again. Default 1 GiB. */
  readonly cacheBytes?: number;
  /** Asked 20 times a second; once it says yes, the threads end and whoever waits for them gets an error with exit code 130. */
  readonly interrupted?: () => boolean;
}

/** What one worker gets of a list of patches, and where in the list they are. */
export interface Share<T extends PatchAddress> {
  readonly worker: DataWorker;
  readonly patches: T[];
  readonly at: number[];
}

export class WorkerPool {
  readonly set: PatchSet;
  readonly window: WindowSize;
  readonly #workers: readonly DataWorker[];
  #chunkPatches: readonly number[] = [];
  #watch: NodeJS.Timeout | undefined;

  private constructor(set: PatchSet, workers: readonly DataWorker[]) {
    this.set = set;
    this.window = { height: set.height, width: set.width };
    this.#workers = workers;
  }

  /** Opens the files in every worker. Throws a BandliftError for files that have gone or changed. */
  static async open(set: PatchSet, options: ReaderOptions = {}): Promise<WorkerPool> {
    const count = options.workers ?? Math.max(1, Math.min(4, Math.floor(availableParallelism() / 4)));
    const pool = new WorkerPool(
      set,
      Array.from({ length: count }, () => new DataWorker()),
    );
    const { interrupted } = options;
    if (interrupted) pool.#watch = setInterval(() => interrupted() && void pool.close(interruption()), 50).unref();
    try {
      const cacheBytes = (options.cacheBytes ?? 2 ** 30) / count;
      const request = {
        paths: set.files.map((f) => f.path),
        cacheBytes,
        sides: set.sides,
        ...(set.cached && { cached: set.cached }),
      };
      const replies = await Promise.all(pool.#workers.map((worker) => worker.ask('open', request)));
      pool.#chunkPatches = replies[0]!.chunkPatches;
      replies[0]!.files.forEach((now, i) => {
        const { path, patches, height, width, tiles } = set.files[i]!;
        const each = tiles ? tiles.rows * tiles.columns : 1;
        if (
          now.patches * each !== patches ||
          now.height !== (tiles?.storedHeight ?? height) ||
          now.width !== (tiles?.storedWidth ?? width)
        )
          throw new BandliftError('has changed since it was opened', { file: path, hint: 'start again' });
      });
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  get size(): number {
    return this.#workers.length;
  }

  addresses(patches: readonly number[]): PatchAddress[] {
    return patches.map((patch) => locate(this.set, patch));
  }

  /** Patches by the worker that owns them: always the same one, and the same for patches that share chunks. */
  share<T extends PatchAddress>(patches: readonly T[]): Share<T>[] {
    const shares = this.#workers.map((worker) => ({ worker, patches: [] as T[], at: [] as number[] }));
    patches.forEach((address, i) => {
      const group = Math.floor(address.patch / this.#chunkPatches[address.file]!);
      const share = shares[(address.file + group) % shares.length]!;
      share.patches.push(address);
      share.at.push(i);
    });
    return shares.filter((share) => share.patches.length > 0);
  }

  /** Ends the workers at once; what is awaited of them is rejected with `why`. */
  async close(why = new BandliftError('the reader was closed', {}, EXIT.failure)): Promise<void> {
    clearInterval(this.#watch);
    await Promise.all(this.#workers.map((worker) => worker.close(why)));
  }
}

/** The error of whoever was stopped by a signal while data were read. */
export const interruption = () => new BandliftError('interrupted while data were read', {}, EXIT.interrupted);
export const isInterruption = (error: unknown) => error instanceof BandliftError && error.exitCode === EXIT.interrupted;
