/**
 * Reads patches through data workers and delivers batches ahead of the engine. Order, flips and turns follow from
 * (seed, epoch) alone, so that a resumed epoch is the same epoch; the number of workers changes nothing but the speed.
 */
import { BandliftError, EXIT } from '../base/errors.js';
import { Random } from '../base/random.js';
import { bandsOf } from './band_masks.js';
import { locate } from './patches.js';
import { meanSpectra, type Quantiles, quantiles, type Spectra, sampleSpectra } from './statistics.js';
import type { LoadedBatch, LoaderOptions, Normalization, PatchSet } from './types.js';
import { type ReaderOptions, WorkerPool } from './worker_pool.js';
import type { Buffers, PatchAddress } from './worker_protocol.js';

export type { Spectra } from './statistics.js';
export type { ReaderOptions } from './worker_pool.js';

/** Batches' memory that waits for its next use. */
const MAX_SPARE = 8;
export class PatchReader {
  readonly set: PatchSet;
  readonly #pool: WorkerPool;
  #spare: Buffers[] = [];

  constructor(pool: WorkerPool) {
    this.set = pool.set;
    this.#pool = pool;
  }

  /**
   * Batches in order; the last one may be smaller. Ending the loop early is fine: what is being prepared is given up.
   * Throws a BandliftError for patches that cannot be read and for invalid pixels without a mask.
   */
  async *batches(options: LoaderOptions): AsyncGenerator<LoadedBatch> {
    const { batchSize, startBatch = 0, prefetch = 2 } = options;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1)
      throw new BandliftError('batch size', { found: batchSize, expected: 'a whole number >= 1' });
    const { order, turns, moves } = schedule(options, this.set.height === this.set.width);
    const cancelled = new Int32Array(new SharedArrayBuffer(4));
    const queue: Promise<LoadedBatch>[] = [];
    let next = startBatch * batchSize;
    const fill = () => {
      while (next < order.length && queue.length < Math.max(1, prefetch)) {
        const range = ownRange(options, next, order.length);
        const whole = options.part ? { whole: order.slice(next, next + batchSize) } : {};
        next += batchSize;
        const part = this.#assemble(
          order.slice(...range),
          turns.slice(...range),
          moves?.slice(...range),
          options,
          cancelled,
        );
        const batch = part.then((own) => ({ ...own, ...whole }));
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
    moves: readonly Move[] | undefined,
    options: LoaderOptions,
    cancelled: Int32Array,
  ): Promise<LoadedBatch> {
    const { normalize, batchSize, mask: masked = false, nonNegative = false } = options;
    const { inBands, outBands } = this.set;
    const pixels = this.set.height * this.set.width;
    const inputPixels = this.set.inputHeight * this.set.inputWidth;
    const buffers = this.#takeBuffers(Math.min(options.part?.size ?? batchSize, options.patches.length));
    const places = patches.map((patch, place) => ({
      ...this.#address(patch, options.movable?.has(patch) ? moves?.[place] : undefined),
      ...{ place, turn: turns[place]! },
    }));
    const request = {
      window: this.#pool.window,
      input: normalize?.input,
      target: normalize?.target,
      masked,
      nonNegative,
      buffers,
      cancelled,
    };
    const replies = await Promise.allSettled(
      this.#pool.share(places).map(({ worker, patches: own }) => worker.ask('batch', { ...request, patches: own })),
    );
    let validPixels = 0;
    for (const reply of replies) {
      if (reply.status === 'rejected') throw reply.reason;
      validPixels += reply.value.validPixels;
    }
    const n = patches.length * pixels;
    const bandMask = this.set.bandMasks === true ? this.#maskBands(patches, buffers.target) : undefined;
    let released = false;
    return {
      size: patches.length,
      patches,
      input: buffers.input.subarray(0, patches.length * inputPixels * inBands),
      target: buffers.target.subarray(0, n * outBands),
      ...(masked ? { mask: buffers.mask.subarray(0, n) } : {}),
      ...(bandMask ? { bandMask } : {}),
      ...(nonNegative ? { nonNegative: buffers.nonNegative.subarray(0, patches.length * inputPixels) } : {}),
      validPixels,
      release: () => {
        if (released) return;
        released = true;
        this.#spare.push(buffers);
        if (this.#spare.length > MAX_SPARE) this.#spare.shift();
      },
    };
  }

  /** A tile's own place, or another one in its stored patch. */
  #address(patch: number, move: Move | undefined): PatchAddress {
    const address = locate(this.set, patch);
    const { tiles } = this.set.files[address.file]!;
    if (move === undefined || tiles === undefined) return address;
    const from = (share: number, stored: number, side: number) => Math.floor(share * (stored - side + 1));
    return {
      ...address,
      y: from(move[0], tiles.storedHeight, this.set.height),
      x: from(move[1], tiles.storedWidth, this.set.width),
    };
  }

  /** [patches, bands], 1 = good; targets become 0 where it is 0, so that sums need no mask. */
  #maskBands(patches: readonly number[], target: Float32Array): Float32Array {
    const { outBands: bands, height, width } = this.set;
    const all = new Float32Array(patches.length * bands);
    patches.forEach((patch, i) => {
      const good = bandsOf(this.set, patch);
      all.set(good, i * bands);
      const bad = Array.from(good.keys()).filter((b) => good[b] === 0);
      if (bad.length === 0) return;
      const end = (i + 1) * height * width * bands;
      for (let at = i * height * width * bands; at < end; at += bands) for (const b of bad) target[at + b] = 0;
    });
    return all;
  }

  #takeBuffers(patches: number): Buffers {
    const pixels = patches * this.set.height * this.set.width;
    const inputPixels = patches * this.set.inputHeight * this.set.inputWidth;
    const found = this.#spare.findIndex((b) => b.mask.length === pixels);
    if (found >= 0) return this.#spare.splice(found, 1)[0]!;
    const { inBands, outBands } = this.set;
    try {
      const shared = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
      const nonNegative = new Uint8Array(new SharedArrayBuffer(inputPixels));
      const [input, target] = [shared(inputPixels * inBands), shared(pixels * outBands)];
      return { input, target, mask: shared(pixels), nonNegative };
    } catch {
      const bytes = (inputPixels * inBands + pixels * (outBands + 1)) * 4;
      throw new BandliftError(
        'no memory for a batch',
        { expected: `${bytes} bytes`, hint: 'use smaller batches' },
        EXIT.outOfMemory,
      );
    }
  }

  /** One patch, physical units, invalid pixels 0 in `valid` and in value: input, target and [h, w] of the target. */
  async readPatch(patch: number): Promise<{ input: Float32Array; target: Float32Array; valid: Uint8Array }> {
    for await (const batch of this.batches({ patches: [patch], batchSize: 1, mask: true })) {
      const copy = { input: batch.input.slice(), target: batch.target.slice(), valid: Uint8Array.from(batch.mask!) };
      batch.release();
      return copy;
    }
    throw new RangeError(`patch ${patch} of ${this.set.count}`);
  }

  /** Exact quantiles, counted by the workers. */
  readonly quantiles: Quantiles = (patches, fractions, perBand) => quantiles(this.#pool, patches, fractions, perBand);

  /** Mean spectra over the valid pixels of these patches, physical units. Throws a BandliftError when there are none. */
  meanSpectra(patches: readonly number[]) {
    return meanSpectra(this.#pool, patches);
  }

  /**
   * Spectra of `count` valid pixels drawn at random (with replacement) from these patches, physical or normalised (not
   * clipped). Fewer only where patches have no valid pixel at all.
   */
  sampleSpectra(
    patches: readonly number[],
    count: number,
    seed: number,
    normalization?: Normalization,
  ): Promise<Spectra> {
    return sampleSpectra(this.#pool, patches, count, seed, normalization);
  }

  /** Ends the workers at once; batches that are awaited are rejected. */
  async close(): Promise<void> {
    await this.#pool.close();
    this.#spare = [];
  }
}

/** Opens the set's files in worker threads of their own. */
export async function openReader(set: PatchSet, options?: ReaderOptions): Promise<PatchReader> {
  return new PatchReader(await WorkerPool.open(set, options));
}

/** Where in the order the part of a batch that begins at `start` begins and ends; without `part` all of it. */
export function ownRange({ batchSize, part }: LoaderOptions, start: number, count: number): [number, number] {
  const end = Math.min(start + batchSize, count);
  if (part === undefined) return [start, end];
  const own = Math.min(start + part.index * part.size, end);
  return [own, Math.min(own + part.size, end)];
}

/** Where in its stored patch a tile is read from: shares of the way down and across, from 0 to less than 1. */
type Move = readonly [down: number, across: number];

/** Order of the patches, and a turn 0..7 for each (assemble.ts); patches that are not square are only flipped. */
export function schedule(
  options: LoaderOptions,
  square: boolean,
): { order: number[]; turns: number[]; moves?: Move[] } {
  const order = [...options.patches];
  const { seed, epoch } = options.shuffle ?? { seed: 0, epoch: 0 };
  const random = new Random(seed, 1000 + epoch);
  if (options.shuffle) random.shuffle(order);
  const turns = order.map(() => random.integer(8));
  const moves = options.movable && order.map((): Move => [random.uniform(), random.uniform()]);
  return {
    order,
    turns: turns.map((turn) => (options.augment ? (square ? turn : turn & 6) : 0)),
    ...(moves && { moves }),
  };
}
