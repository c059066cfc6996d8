/** The main thread's end of a data worker: questions and answers, and a clear error when the thread dies. */
import { Worker } from 'node:worker_threads';
import { BandliftError, EXIT, type ExitCode } from '../base/errors.js';
import { workerUrl } from '../base/worker.js';
import type { Answer, Envelope, Kind, Replies, Requests } from './worker_protocol.js';

interface Waiting {
  resolve(reply: never): void;
  reject(error: Error): void;
}

export class DataWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;

  /** `url` is for tests. */
  constructor(url: URL = workerUrl('data/hdf5_worker.js')) {
    this.#worker = new Worker(url);
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('messageerror', (error) => this.#fail(`its answer cannot be read (${error.message})`));
    this.#worker.on('error', (error) => this.#fail((error as Error)?.message ?? String(error)));
    this.#worker.on('exit', (code) => this.#fail(`it ended with code ${code}`));
  }

  /** Asks; questions are answered in order. Rejects with a BandliftError for bad files and for a dead worker. */
  ask<K extends Kind>(kind: K, request: Requests[K]): Promise<Replies[K]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    // an unanswered question keeps the process alive, an idle worker does not
    this.#worker.ref();
    return new Promise<Replies[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, request } satisfies Envelope<K>);
    });
  }

  #settle({ id, reply, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) waiting.resolve(reply as never);
    else if (error.exitCode === undefined) waiting.reject(new Error(error.message));
    else waiting.reject(new BandliftError(error.message, {}, error.exitCode as ExitCode));
  }

  #fail(why: string): void {
    this.#failure ??= new BandliftError(
      `the thread that reads the data stopped: ${why}`,
      { hint: 'is there enough memory?' },
      EXIT.failure,
    );
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  /** Ends the thread at once, whatever it is doing; waiting questions are rejected with `why`, and so are later ones. */
  async close(why = new BandliftError('the reader was closed', {}, EXIT.failure)): Promise<void> {
    this.#failure ??= why;
    this.#fail('');
    await this.#worker.terminate();
  }
}
