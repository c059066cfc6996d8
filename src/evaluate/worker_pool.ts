/** The main thread's end of the evaluation workers: each question goes to the worker with the fewest open ones. */
import { workerUrl } from '../base/worker.js';
import { WorkerClient } from '../base/worker_rpc.js';
import type { Replies, Requests } from './worker_protocol.js';

export class EvaluationPool {
  readonly #workers: readonly WorkerClient<Requests, Replies>[];

  constructor(threads: number) {
    const url = workerUrl('evaluate/evaluate_worker.js');
    const open = () => new WorkerClient<Requests, Replies>(url, 'a thread that computes metrics');
    this.#workers = Array.from({ length: Math.max(1, threads) }, open);
  }

  get size(): number {
    return this.#workers.length;
  }

  /** @param transfer buffers that are handed over: they are empty here afterwards */
  ask<K extends keyof Requests>(kind: K, request: Requests[K], transfer: ArrayBuffer[] = []): Promise<Replies[K]> {
    const worker = this.#workers.reduce((least, w) => (w.open < least.open ? w : least));
    return worker.ask(kind, request, transfer);
  }

  /** Ends the threads at once; open questions are rejected. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
