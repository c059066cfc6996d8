/**
 * Batches that are read anew in every epoch, uploaded while the step before them runs: two halves of the device's memory for
 * patches by turns. A step then waits for the slower of reading, uploading and computing instead of for their sum.
 */
import type { LoadedBatch, LoaderOptions } from '../data/types.js';
import type { Session } from '../engine/types.js';
import type { BatchSource, TrainingBatch } from './batch_source.js';

/** Makes room for two batches; undefined where they do not fit beside the plan: then a step uploads its own batch. */
export function stageBatches(session: Session): ((source: Streamed) => BatchSource) | undefined {
  const patches = 2 * session.options.batchSize;
  if (!session.hold({ inputs: patches, targets: patches })) return undefined;
  const halves: Halves = { session, next: 0 };
  return (source) => new StagedBatches(source, halves);
}

interface Streamed {
  batches(options: LoaderOptions): AsyncGenerator<LoadedBatch>;
}

/** Shared by all sources of a session, which take turns: validation begins where training left off. */
interface Halves {
  readonly session: Session;
  next: 0 | 1;
}

class StagedBatches implements BatchSource {
  readonly #source: Streamed;
  readonly #halves: Halves;

  constructor(source: Streamed, halves: Halves) {
    this.#source = source;
    this.#halves = halves;
  }

  async *batches(options: LoaderOptions): AsyncGenerator<TrainingBatch> {
    const source = this.#source.batches(options);
    let coming = this.#upload(source);
    try {
      for (;;) {
        const batch = await coming;
        if (batch === undefined) return;
        // begins before the step on `batch` and fills the half that the step before it has read
        coming = this.#upload(source);
        coming.catch(() => {}); // reported when its turn comes
        yield batch;
      }
    } finally {
      await coming.catch(() => {}); // its array must stay until it is copied
      await source.return(undefined);
    }
  }

  async #upload(source: AsyncGenerator<LoadedBatch>): Promise<TrainingBatch | undefined> {
    const read = await source.next();
    if (read.done === true) return undefined;
    const batch = read.value;
    const { session, next } = this.#halves;
    this.#halves.next = next === 0 ? 1 : 0;
    const first = next * session.options.batchSize;
    try {
      if (batch.size > 0) await session.keep('input', first, batch.input);
      if (batch.size > 0) await session.keep('target', first, batch.target);
      if (batch.size > 0 && batch.mask) await session.keep('mask', first, batch.mask);
    } finally {
      batch.release();
    }
    const { size, patches, whole, validPixels } = batch;
    const places = patches.flatMap((_, i) => [first + i, first + i, 0]); // turned by the loader
    return { size, patches, ...(whole && { whole }), validPixels, places: Float64Array.from(places), release() {} };
  }
}
