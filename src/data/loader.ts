/**
 * Reads patches through the data worker and delivers batches ahead of the engine. Order, flips and turns follow from
 * (seed, epoch) alone, so that a resumed epoch is the same epoch.
 */
import { Worker } from 'node:worker_threads';
import { BandliftError, type ExitCode } from '../errors.js';
import { Random } from '../random.js';
import { workerUrl } from '../support/worker.js';
import { locate } from './patches.js';
import type { LoadedBatch, LoaderOptions, PatchSet } from './types.js';
import type { Answer, Buffers, Envelope, Reply, Request } from './worker_protocol.js';

export interface ReaderOptions {
  /** Decoded patches are kept in memory up to this many bytes, so that later epochs need not inflate them again. */
  readonly cacheBytes?: number;
}

interface Waiting {
  resolve(reply: never): void;
  reject(error: Error): void;
}

export class PatchReader {
  readonly set: PatchSet;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;
  /** Arrays given back by release(), for the next batch. */
  #spare: Buffers[] = [];

  private constructor(set: PatchSet) {
    this.set = set;
    this.#worker = new Worker(workerUrl('data/hdf5_worker.js'));
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#fail(new Error(`the data worker failed: ${error.message}`)));
    this.#worker.on('exit', () => this.#fail(new Error('the data worker ended before its work was done')));
  }

  static async open(set: PatchSet, options: ReaderOptions = {}): Promise<PatchReader> {
    const reader = new PatchReader(set);
    try {
      await reader.#ask('open', { kind: 'open', paths: set.files.map((f) => f.path), cacheBytes: options.cacheBytes ?? 2 ** 30 });
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (!waiting) return;
    if (answer.error === undefined) waiting.resolve(answer.reply as never);
    else if (answer.error.exitCode === undefined) waiting.reject(new Error(answer.error.message));
    else waiting.reject(new BandliftError(answer.error.message, {}, answer.error.exitCode as ExitCode));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  #ask<K extends keyof Reply>(_kind: K, request: Request & { kind: K }, transfer: ArrayBuffer[] = []): Promise<Reply[K]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    this.#worker.ref(); // an unanswered question keeps the process alive
    return new Promise<Reply[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (reply: never) => void, reject });
      this.#worker.postMessage({ id, request } satisfies Envelope, transfer);
    });
  }

  /**
   * Batches in order; the last one may be smaller. Each must be released before its arrays are used again. Ending the loop
   * early is fine.
   */
  async *batches(options: LoaderOptions): AsyncGenerator<LoadedBatch> {
    const { order, turns } = schedule(options, this.set.height === this.set.width);
    const count = Math.ceil(order.length / options.batchSize);
    const queue: Promise<LoadedBatch>[] = [];
    let asked = options.startBatch ?? 0;
    const ask = () => {
      const first = asked++ * options.batchSize;
      const patches = order.slice(first, first + options.batchSize);
      const batch = this.#batch(patches, turns.slice(first, first + options.batchSize), options);
      batch.catch(() => {}); // reported when its turn comes
      queue.push(batch);
    };
    while (asked < count && queue.length < (options.prefetch ?? 2)) ask();
    while (queue.length > 0) {
      const batch = await queue.shift()!;
      if (asked < count) ask();
      yield batch;
    }
  }

  async #batch(patches: readonly number[], turns: readonly number[], options: LoaderOptions): Promise<LoadedBatch> {
    const buffers = this.#spare.pop();
    const reply = await this.#ask(
      'batch',
      {
        kind: 'batch',
        patches: patches.map((p) => locate(this.set, p)),
        turns,
        mask: options.mask === true,
        ...(options.normalize?.input ? { input: options.normalize.input } : {}),
        ...(options.normalize?.target ? { target: options.normalize.target } : {}),
        ...(buffers ? { buffers } : {}),
      },
      buffers ? [buffers.input, buffers.target, ...(buffers.mask ? [buffers.mask] : [])].map((a) => a.buffer as ArrayBuffer) : [],
    );
    const { input, target, mask, validPixels } = reply;
    let released = false;
    return {
      size: patches.length,
      patches,
      input,
      target,
      validPixels,
      ...(mask ? { mask } : {}),
      release: () => {
        if (released || this.#spare.length >= 4) return;
        released = true;
        this.#spare.push({ input, target, ...(mask ? { mask } : {}) });
      },
    };
  }

  /** Exact quantiles of the valid values, per side; one list, or one per band. */
  quantiles(patches: readonly number[], fractions: readonly number[], perBand: boolean): Promise<Reply['quantiles']> {
    return this.#ask('quantiles', { kind: 'quantiles', patches: patches.map((p) => locate(this.set, p)), fractions, perBand });
  }

  /** Mean spectra over the valid pixels of these patches, in stored units. */
  meanSpectra(patches: readonly number[]): Promise<Reply['mean']> {
    return this.#ask('mean', { kind: 'mean', patches: patches.map((p) => locate(this.set, p)) });
  }

  /** Spectra of `count` pixels drawn at random from these patches (invalid ones left out), in stored units: [count, bands]. */
  sampleSpectra(patches: readonly number[], count: number, seed: number): Promise<Reply['spectra']> {
    const random = new Random(seed, 3);
    const size = this.set.height * this.set.width;
    const draws = Array.from({ length: count }, () => ({ patch: patches[random.integer(patches.length)]!, pixel: random.integer(size) }));
    draws.sort((a, b) => a.patch - b.patch || a.pixel - b.pixel); // one decoding per patch
    return this.#ask('spectra', { kind: 'spectra', pixels: draws.map((d) => ({ ...locate(this.set, d.patch), pixel: d.pixel })) });
  }

  async close(): Promise<void> {
    this.#failure ??= new Error('the reader is closed');
    await this.#worker.terminate();
  }
}

/** Opens the set's files in a worker of their own. */
export function openReader(set: PatchSet, options?: ReaderOptions): Promise<PatchReader> {
  return PatchReader.open(set, options);
}

/** Order of the patches, and a turn 0..7 for each (assemble.ts). */
export function schedule(options: LoaderOptions, square: boolean): { order: number[]; turns: number[] } {
  const order = [...options.patches];
  if (!options.shuffle) return { order, turns: order.map(() => 0) };
  const random = new Random(options.shuffle.seed, 1000 + options.shuffle.epoch);
  random.shuffle(order);
  const turns = order.map(() => random.integer(8)).map((turn) => (options.augment ? (square ? turn : turn & 6) : 0));
  return { order, turns };
}
