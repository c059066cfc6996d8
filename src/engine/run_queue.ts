/** A session's calls, one at a time in their order, and the one run that can be aborted. */
import type { NativeProgram } from '../../bindings/addon.js';
import { BandliftError, EXIT } from '../base/errors.js';

type Numbers = Float32Array | Float64Array;

/** A run that was stopped by `abort`. */
export class AbortedError extends Error {
  override name = 'AbortedError';
  readonly code = 'ERR_ABORTED';
}

export class RunQueue {
  #last: Promise<unknown> = Promise.resolve();
  #running: NativeProgram | undefined;
  #aborted = false;
  #closed = false;
  /** Calls that have not ended. */
  #open = 0;

  /** Runs `work` after everything that was asked for before. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#open++;
    const result = this.#last.then(async () => {
      try {
        if (this.#closed) throw new BandliftError('the session was disposed', {}, EXIT.failure);
        this.#aborted = false;
        return await work();
      } finally {
        this.#open--;
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Throws while calls are going on: what they compute with must not change, and half of it must not be read. */
  requireIdle(what: string): void {
    if (this.#open > 0) throw new Error(`${what}: wait for the calls before it to end`);
  }

  /** A program of the work that is going on. */
  async run(program: NativeProgram, inputs: readonly Numbers[], outputs: readonly Numbers[]): Promise<void> {
    if (this.#aborted) throw new AbortedError('aborted');
    this.#running = program;
    try {
      await program.run(inputs, outputs);
    } finally {
      this.#running = undefined;
    }
  }

  abort(): void {
    this.#aborted = true;
    this.#running?.abort();
  }

  /** What waits is refused. False where it was closed before. */
  close(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.abort();
    return true;
  }
}
