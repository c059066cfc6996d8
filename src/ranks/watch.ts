/** The main thread's end of the watch over the ranks (watch_worker.ts). */
import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { BandliftError, EXIT } from '../base/errors.js';
import { workerUrl } from '../base/worker.js';
import { broadcastJson, type Communicator } from './communicator.js';
import { type Meeting, newNonce, ownAddresses } from './rendezvous.js';
import type { FromWatch, ToWatch, WatchStart } from './watch_protocol.js';

export class Watch {
  readonly #worker: Worker;
  readonly #step: Int32Array;
  readonly #said = new Map<FromWatch['kind'], FromWatch>();
  #waiting: { readonly kinds: readonly FromWatch['kind'][]; resolve(said: FromWatch): void }[] = [];

  private constructor(start: Omit<WatchStart, 'step'>) {
    const step = new SharedArrayBuffer(4);
    this.#step = new Int32Array(step);
    this.#worker = new Worker(workerUrl('ranks/watch_worker.js'), { workerData: { ...start, step } });
    this.#worker.unref();
    this.#worker.on('message', (message: FromWatch) => this.#hear(message));
    this.#worker.on('error', (error) => this.#hear({ kind: 'failed', message: (error as Error).message }));
  }

  /**
   * Begins to watch over the ranks of a communicator; rank 0 tells the others through it where to connect.
   *
   * @param oneHost whether all are on this host
   */
  static async begin(ranks: Communicator, oneHost: boolean, timeout: number): Promise<Watch> {
    const { rank, size } = ranks;
    const bind = oneHost ? '127.0.0.1' : '0.0.0.0';
    const who = { rank, size, bind, host: hostname(), process: process.pid };
    if (rank > 0) {
      const meeting = await broadcastJson<Meeting>(ranks, undefined);
      const watch = new Watch({ ...who, nonce: meeting.nonce });
      watch.#tell({ kind: 'join', meeting, timeout });
      await watch.#until('joined');
      return watch;
    }
    const nonce = newNonce();
    const watch = new Watch({ ...who, nonce });
    const { port } = (await watch.#until('listening')) as Extract<FromWatch, { kind: 'listening' }>;
    const addresses = oneHost ? ['127.0.0.1'] : ownAddresses();
    await broadcastJson<Meeting>(ranks, { host: hostname(), process: process.pid, addresses, port, nonce });
    const late = new Promise<never>((_, reject) => {
      const message = `not all ranks could connect to ${hostname()}, port ${port}, within ${timeout / 1000} s`;
      const hint = 'look at firewalls between the nodes';
      setTimeout(() => reject(new BandliftError(message, { hint }, EXIT.failure)), timeout).unref();
    });
    await Promise.race([watch.#until('joined'), late]);
    return watch;
  }

  /** For messages about this rank. */
  atStep(step: number): void {
    Atomics.store(this.#step, 0, step);
  }

  /** Rank 0: whether the others are at work. */
  called = false;

  /** Rank 0: calls the others to work. */
  announceBegin(): void {
    this.called = true;
    this.#tell({ kind: 'begin' });
  }

  /** Other ranks, asleep until then: true when rank 0 calls to work, false when there is nothing to do. */
  async begun(): Promise<boolean> {
    return (await this.#until('begin', 'end')).kind === 'begin';
  }

  /** Rank 0: the run is over in good order; the others exit with this code. */
  async announceEnd(code: number): Promise<void> {
    this.#tell({ kind: 'end', code });
    await this.#until('told');
  }

  /** Other ranks: the exit code of the run. */
  async ended(): Promise<number> {
    return ((await this.#until('end')) as Extract<FromWatch, { kind: 'end' }>).code;
  }

  /** This rank cannot go on: the others end at once, wherever they are. */
  async fail(code: number): Promise<void> {
    this.#tell({ kind: 'fail', code });
    await this.#until('told');
  }

  #tell(message: ToWatch): void {
    this.#worker.postMessage(message);
  }

  #hear(message: FromWatch): void {
    this.#said.set(message.kind, message);
    const served = this.#waiting.filter(({ kinds }) => kinds.includes(message.kind) || message.kind === 'failed');
    this.#waiting = this.#waiting.filter((one) => !served.includes(one));
    for (const { resolve } of served) resolve(message);
  }

  async #until(...kinds: FromWatch['kind'][]): Promise<FromWatch> {
    const known = kinds.map((kind) => this.#said.get(kind)).find((said) => said !== undefined);
    // an idle thread must not keep a process alive, one that is waited for must
    this.#worker.ref();
    const said = known ?? (await new Promise<FromWatch>((resolve) => this.#waiting.push({ kinds, resolve })));
    if (this.#waiting.length === 0) this.#worker.unref();
    if (said.kind === 'failed')
      throw new BandliftError(`the watch over the ranks failed: ${said.message}`, {}, EXIT.failure);
    return said;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
