/**
 * Reads patches through data workers and delivers batches ahead of the engine. Order, flips and turns follow from
 * (seed, epoch) alone, so that a resumed epoch is the same epoch; the number of workers changes nothing but the speed.
 */
import { availableParallelism } from 'node:os';
import { BandliftError, EXIT } from '../errors.js';
import { Random } from '../random.js';
import { DataWorker } from './data_worker.js';
import { normalizeValues } from './normalize.js';
import { locate } from './patches.js';
import { QuantileSearch } from './quantile.js';
import type { LoadedBatch, LoaderOptions, Normalization, PatchSet } from './types.js';
import type { Buffers, PatchAddress, WindowSize } from './worker_protocol.js';

export interface ReaderOptions {
  /** Threads that decode; default one for every four cores, at most 4 (the engine wants the others). */
  readonly workers?: number;
  /** Decoded patches kept in memory, bytes over all workers; later epochs then need not inflate them again. Default 1 GiB. */
  readonly cacheBytes?: number;
}

/** Spectra [count, bands]. */
export interface Spectra {
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly count: number;
}

/** Batches' memory that waits for its next use. */
const MAX_SPARE = 8;
/** Sampling spectra decodes at most this many patches. */
const MAX_SAMPLED_PATCHES = 256;
/** Counts of a request are 32-bit. */
const MAX_COUNTED = 2 ** 32 - 1;

export class PatchReader {
  readonly set: PatchSet;
  readonly #workers: readonly DataWorker[];
  readonly #window: WindowSize;
  #chunkPatches: readonly number[] = [];
  #spare: Buffers[] = [];

  private constructor(set: PatchSet, workers: readonly DataWorker[]) {
    this.set = set;
    this.#workers = workers;
    this.#window = { height: set.height, width: set.width };
  }

  static async open(set: PatchSet, options: ReaderOptions = {}): Promise<PatchReader> {
    const count = options.workers ?? Math.max(1, Math.min(4, Math.floor(availableParallelism() / 4)));
    const reader = new PatchReader(
      set,
      Array.from({ length: count }, () => new DataWorker()),
    );
    try {
      const cacheBytes = (options.cacheBytes ?? 2 ** 30) / count;
      const paths = set.files.map((f) => f.path);
      const replies = await Promise.all(reader.#workers.map((worker) => worker.ask('open', { paths, cacheBytes })));
      reader.#chunkPatches = replies[0]!.chunkPatches;
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
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /**
   * Batches in order; the last one may be smaller. Ending the loop early is fine: what is being prepared is given up.
   * Throws a BandliftError for patches that cannot be read and for invalid pixels without a mask.
   */
  async *batches(options: LoaderOptions): AsyncGenerator<LoadedBatch> {
    const { batchSize, startBatch = 0, prefetch = 2 } = options;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1)
      throw new BandliftError('batch size', { found: batchSize, expected: 'a whole number >= 1' });
    const { order, turns } = schedule(options, this.set.height === this.set.width);
    const cancelled = new Int32Array(new SharedArrayBuffer(4));
    const queue: Promise<LoadedBatch>[] = [];
    let next = startBatch * batchSize;
    const fill = () => {
      while (next < order.length && queue.length < Math.max(1, prefetch)) {
        const range = [next, next + batchSize] as const;
        next += batchSize;
        const batch = this.#assemble(order.slice(...range), turns.slice(...range), options, cancelled);
        batch.catch(() => {}); // reported when its turn comes
        queue.push(batch);
      }
    };
    try {
      for (fill(); queue.length > 0; ) {
        const batch = await queue.shift()!;
        fill();
        yield batch;
      }
    } finally {
      Atomics.store(cancelled, 0, 1);
      for (const batch of queue)
        batch.then(
          (b) => b.release(),
          () => {},
        );
    }
  }

  async #assemble(
    patches: readonly number[],
    turns: readonly number[],
    options: LoaderOptions,
    cancelled: Int32Array,
  ): Promise<LoadedBatch> {
    const { normalize, batchSize, mask: masked = false } = options;
    const { inBands, outBands } = this.set;
    const pixels = this.set.height * this.set.width;
    const buffers = this.#takeBuffers(Math.min(batchSize, options.patches.length) * pixels);
    const places = patches.map((patch, place) => ({ ...locate(this.set, patch), place, turn: turns[place]! }));
    const request = {
      window: this.#window,
      input: normalize?.input,
      target: normalize?.target,
      masked,
      buffers,
      cancelled,
    };
    const replies = await Promise.allSettled(
      this.#share(places).map(({ worker, patches: own }) => worker.ask('batch', { ...request, patches: own })),
    );
    let validPixels = 0;
    for (const reply of replies) {
      if (reply.status === 'rejected') throw reply.reason;
      validPixels += reply.value.validPixels;
    }
    const n = patches.length * pixels;
    let released = false;
    return {
      size: patches.length,
      patches,
      input: buffers.input.subarray(0, n * inBands),
      target: buffers.target.subarray(0, n * outBands),
      ...(masked ? { mask: buffers.mask.subarray(0, n) } : {}),
      validPixels,
      release: () => {
        if (released) return;
        released = true;
        this.#spare.push(buffers);
        if (this.#spare.length > MAX_SPARE) this.#spare.shift();
      },
    };
  }

  #takeBuffers(pixels: number): Buffers {
    const found = this.#spare.findIndex((b) => b.mask.length === pixels);
    if (found >= 0) return this.#spare.splice(found, 1)[0]!;
    const { inBands, outBands } = this.set;
    try {
      const shared = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
      return { input: shared(pixels * inBands), target: shared(pixels * outBands), mask: shared(pixels) };
    } catch {
      const bytes = pixels * (inBands + outBands + 1) * 4;
      throw new BandliftError(
        'no memory for a batch',
        { expected: `${bytes} bytes`, hint: 'use smaller batches' },
        EXIT.outOfMemory,
      );
    }
  }

  /** Patches by the worker that owns them: always the same one, and the same for patches that share chunks. */
  #share<T extends PatchAddress>(patches: readonly T[]): { worker: DataWorker; patches: T[]; at: number[] }[] {
    const shares = this.#workers.map((worker) => ({ worker, patches: [] as T[], at: [] as number[] }));
    patches.forEach((address, i) => {
      const group = Math.floor(address.patch / this.#chunkPatches[address.file]!);
      const share = shares[(address.file + group) % shares.length]!;
      share.patches.push(address);
      share.at.push(i);
    });
    return shares.filter((share) => share.patches.length > 0);
  }

  /** One patch, physical units, invalid pixels 0 in `valid` and in value: [h, w, bands] and [h, w]. */
  async readPatch(patch: number): Promise<{ input: Float32Array; target: Float32Array; valid: Uint8Array }> {
    for await (const batch of this.batches({ patches: [patch], batchSize: 1, mask: true })) {
      const copy = { input: batch.input.slice(), target: batch.target.slice(), valid: Uint8Array.from(batch.mask!) };
      batch.release();
      return copy;
    }
    throw new RangeError(`patch ${patch} of ${this.set.count}`);
  }

  /**
   * Exact quantiles (as numpy.quantile, linear) of the valid values of good bands, physical units: per side one list, or one
   * per band (NaN for a bad band). Throws a BandliftError when there is no valid pixel.
   */
  async quantiles(
    patches: readonly number[],
    fractions: readonly number[],
    perBand: boolean,
  ): Promise<{ input: number[][]; target: number[][] }> {
    const { inBands, outBands } = this.set;
    const pixels = this.set.height * this.set.width;
    const values = patches.length * pixels * outBands;
    const searches = [inBands, outBands].map(
      (bands) => new QuantileSearch(perBand ? bands : 1, fractions, this.#workers.length),
    );
    const [input, target] = searches as [QuantileSearch, QuantileSearch];
    const slice = Math.max(1, Math.floor(MAX_COUNTED / (pixels * Math.max(inBands, outBands))));
    while (input.plan || target.plan) {
      const plans = { input: input.plan, target: target.plan };
      const passes = this.#share(patches.map((p) => locate(this.set, p))).map(async ({ worker, patches: own }) => {
        for (let i = 0; i < own.length; i += slice) {
          const counts = await worker.ask('count', {
            window: this.#window,
            patches: own.slice(i, i + slice),
            ...plans,
          });
          if (counts.input) input.add(counts.input, values);
          if (counts.target) target.add(counts.target, values);
        }
      });
      await Promise.all(passes);
      for (const search of searches) if (search.plan) search.advance();
      if (input.counts[0] === 0) throw this.#nothingValid();
    }
    return { input: input.result(), target: target.result() };
  }

  #nothingValid(): BandliftError {
    return new BandliftError('the patches hold no valid pixel', {
      file: this.set.files[0]!.path,
      hint: "check 'mask' and nodata",
    });
  }

  /** Mean spectra over the valid pixels of these patches, physical units. Throws a BandliftError when there are none. */
  async meanSpectra(
    patches: readonly number[],
  ): Promise<{ input: Float64Array; target: Float64Array; pixels: number }> {
    const { inBands, outBands } = this.set;
    const all = {
      input: new Float64Array(patches.length * inBands),
      target: new Float64Array(patches.length * outBands),
    };
    let pixels = 0;
    const shares = this.#share(patches.map((p) => locate(this.set, p))).map(async ({ worker, patches: own, at }) => {
      const sums = await worker.ask('sums', { window: this.#window, patches: own });
      at.forEach((patch, i) => {
        all.input.set(sums.input.subarray(i * inBands, (i + 1) * inBands), patch * inBands);
        all.target.set(sums.target.subarray(i * outBands, (i + 1) * outBands), patch * outBands);
        pixels += sums.pixels[i]!;
      });
    });
    await Promise.all(shares);
    if (pixels === 0) throw this.#nothingValid();
    // added in the order of the patches, whoever read them
    const mean = (sums: Float64Array, bands: number) => {
      const total = new Float64Array(bands);
      for (let i = 0; i < sums.length; i++) total[i % bands]! += sums[i]!;
      return total.map((sum) => sum / pixels);
    };
    return { input: mean(all.input, inBands), target: mean(all.target, outBands), pixels };
  }

  /**
   * Spectra of `count` valid pixels drawn at random (with replacement) from these patches, physical or normalised (not
   * clipped). Fewer only where patches have no valid pixel at all.
   */
  async sampleSpectra(
    patches: readonly number[],
    count: number,
    seed: number,
    normalization?: Normalization,
  ): Promise<Spectra> {
    const { inBands, outBands } = this.set;
    const random = new Random(seed, 3);
    const chosen = random.shuffle([...patches]).slice(0, MAX_SAMPLED_PATCHES);
    const counts = chosen.map(() => 0);
    for (let i = 0; i < count; i++) counts[random.integer(chosen.length)]!++;
    const draws = chosen.map((p, i) => ({ ...locate(this.set, p), count: counts[i]!, seed: random.uint32() }));
    const found: { input: Float32Array; target: Float32Array }[] = new Array(draws.length);
    const shares = this.#share(draws).map(async ({ worker, patches: own, at }) => {
      const reply = await worker.ask('spectra', { window: this.#window, patches: own });
      at.forEach((draw, i) => {
        found[draw] = reply.patches[i]!;
      });
    });
    await Promise.all(shares);
    const total = found.reduce((sum, f) => sum + f.input.length / inBands, 0);
    const spectra = {
      input: new Float32Array(total * inBands),
      target: new Float32Array(total * outBands),
      count: total,
    };
    let done = 0;
    for (const f of found) {
      spectra.input.set(f.input, done * inBands);
      spectra.target.set(f.target, done * outBands);
      done += f.input.length / inBands;
    }
    if (normalization) {
      normalizeValues(spectra.input, inBands, normalization.input);
      normalizeValues(spectra.target, outBands, normalization.target);
    }
    return spectra;
  }

  /** Ends the workers at once; batches that are awaited are rejected. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
    this.#spare = [];
  }
}

/** Opens the set's files in worker threads of their own. */
export function openReader(set: PatchSet, options?: ReaderOptions): Promise<PatchReader> {
  return PatchReader.open(set, options);
}

/** Order of the patches, and a turn 0..7 for each (assemble.ts); patches that are not square are only flipped. */
export function schedule(options: LoaderOptions, square: boolean): { order: number[]; turns: number[] } {
  const order = [...options.patches];
  const { seed, epoch } = options.shuffle ?? { seed: 0, epoch: 0 };
  const random = new Random(seed, 1000 + epoch);
  if (options.shuffle) random.shuffle(order);
  const turns = order.map(() => random.integer(8));
  return { order, turns: turns.map((turn) => (options.augment ? (square ? turn : turn & 6) : 0)) };
}
