/** The main thread's end of the evaluation workers: each question goes to the worker with the fewest open ones. */
import { Worker } from 'node:worker_threads';
import { BandliftError, EXIT } from '../base/errors.js';
import { workerUrl } from '../base/worker.js';
import type { Answer, Envelope, Kind, Replies, Requests } from './worker_protocol.js';

interface Waiting {
  resolve(reply: never): void;
  reject(error: Error): void;
}

class EvaluationWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;

  constructor() {
    this.#worker = new Worker(workerUrl('evaluate/evaluate_worker.js'));
    this.#worker.unref();
    this.#worker.on('message', ({ id, reply, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (error === undefined) waiting?.resolve(reply as never);
      else waiting?.reject(new Error(error));
    });
    this.#worker.on('messageerror', (error) => this.#fail(`its answer cannot be read (${error.message})`));
    this.#worker.on('error', (error) => this.#fail((error as Error)?.message ?? String(error)));
    this.#worker.on('exit', (code) => this.#fail(`it ended with code ${code}`));
  }

  get open(): number {
    return this.#waiting.size;
  }

  ask<K extends Kind>(kind: K, request: Requests[K], transfer: ArrayBuffer[]): Promise<Replies[K]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    // an unanswered question keeps the process alive, an idle worker does not
    this.#worker.ref();
    return new Promise<Replies[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, request } satisfies Envelope<K>, transfer);
    });
  }

  #fail(why: string): void {
    this.#failure ??= new BandliftError(
      `a thread that computes metrics stopped: ${why}`,
      { hint: 'is there enough memory?' },
      EXIT.failure,
    );
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    this.#fail('it was closed');
    await this.#worker.terminate();
  }
}

export class EvaluationPool {
  readonly #workers: readonly EvaluationWorker[];

  constructor(threads: number) {
    this.#workers = Array.from({ length: Math.max(1, threads) }, () => new EvaluationWorker());
  }

  get size(): number {
    return this.#workers.length;
  }

  /** @param transfer buffers that are handed over: they are empty here afterwards */
  ask<K extends Kind>(kind: K, request: Requests[K], transfer: ArrayBuffer[] = []): Promise<Replies[K]> {
    const worker = this.#workers.reduce((least, w) => (w.open < least.open ? w : least));
    return worker.ask(kind, request, transfer);
  }

  /** Ends the threads at once; open questions are rejected. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
