/**
 * A run's checkpoints on their way to the disk, in the background: the next epoch begins while the last one is written. Writing
 * takes at most a share of the time, so that short epochs do not wait for the disk; what is best is kept until then. A file
 * is always written after those that a resumed run would need with it (best before last), whole or not at all.
 */
import { type Checkpoint, saveCheckpoint } from '../checkpoint/checkpoint.js';
import type { Snapshot } from '../engine/types.js';

/** A checkpoint whose numbers are safe from what the run does next, but perhaps not here yet. */
export interface Captured {
  readonly contract: Omit<Checkpoint, 'tensors'>;
  readonly numbers: () => Promise<Snapshot>;
}

/** A write that took a second is followed by at least so many without. */
const REST = 10;

export class CheckpointWriter {
  /** By path, waiting for the next write. */
  #kept = new Map<string, Captured>();
  #writing: Promise<void> = Promise.resolve();
  #busy = 0;
  #failure: { readonly error: unknown } | undefined;
  #ended = Number.NEGATIVE_INFINITY;
  #took = 0;
  readonly #now: () => number;

  /** `now` in milliseconds is for tests. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether it is time to write again. */
  get due(): boolean {
    return this.#busy === 0 && this.#now() - this.#ended >= REST * this.#took;
  }

  /** Keeps a checkpoint for the next write, in place of an older one for the same path. Throws what went wrong before. */
  keep(path: string, captured: Captured): void {
    this.#check();
    this.#kept.set(path, captured);
  }

  /** Begins to write what is kept, then this. Throws what went wrong before. */
  write(path: string, captured: Captured): void {
    this.keep(path, captured);
    this.#begin();
  }

  /** Writes what is kept; resolves when everything is on the disk. Throws what went wrong. */
  async flush(): Promise<void> {
    if (this.#kept.size > 0) this.#begin();
    await this.#writing;
    this.#check();
  }

  #begin(): void {
    const files = this.#kept;
    this.#kept = new Map();
    this.#busy++;
    this.#writing = this.#writing.then(async () => {
      const started = this.#now();
      try {
        // after a failure nothing may be written that would be newer than what is missing
        if (this.#failure === undefined)
          for (const [path, { contract, numbers }] of files)
            await saveCheckpoint(path, { ...contract, tensors: await numbers() });
      } catch (error) {
        this.#failure = { error };
      }
      this.#ended = this.#now();
      this.#took = this.#ended - started;
      this.#busy--;
    });
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
