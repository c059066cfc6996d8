/**
 * Questions to a thread and its answers. `Requests` and `Replies` give, by the kind of question, what is sent and what comes
 * back. A question is answered by its reply or by an error; a BandliftError stays one, with its exit code. A thread that dies
 * rejects all that is open and all that comes later.
 */
import { type MessagePort, type TransferListItem, Worker } from 'node:worker_threads';
import { BandliftError, EXIT, type ExitCode } from './errors.js';

interface Envelope {
  readonly id: number;
  readonly kind: PropertyKey;
  readonly request: unknown;
}

interface Answer {
  readonly id: number;
  readonly reply?: unknown;
  /** Sent before the answer, any number of times. */
  readonly progress?: unknown;
  /** `exitCode`: the message is meant for the user. */
  readonly error?: { readonly message: string; readonly exitCode?: number };
}

interface Waiting {
  resolve(reply: never): void;
  reject(error: Error): void;
  progress?(value: never): void;
}

/** The asking end. An open question keeps the process alive, an idle thread does not. */
export class WorkerClient<Requests, Replies extends { [K in keyof Requests]: unknown }> {
  readonly #worker: Worker;
  readonly #what: string;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;

  /** @param what names the thread in messages: 'the thread that reads the data' */
  constructor(url: URL, what: string) {
    this.#what = what;
    this.#worker = new Worker(url);
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('messageerror', (error) => this.#die(`its answer cannot be read (${error.message})`));
    this.#worker.on('error', (error) => this.#die((error as Error)?.message ?? String(error)));
    this.#worker.on('exit', (code) => this.#die(`it ended with code ${code}`));
  }

  /** Questions without an answer yet. */
  get open(): number {
    return this.#waiting.size;
  }

  /**
   * @param transfer buffers that are handed over: they are empty here afterwards
   * @param progress told what the thread sends before its answer
   */
  ask<K extends keyof Requests>(
    kind: K,
    request: Requests[K],
    transfer: readonly TransferListItem[] = [],
    progress?: (value: never) => void,
  ): Promise<Replies[K]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    this.#worker.ref();
    return new Promise<Replies[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, ...(progress && { progress }) });
      this.#worker.postMessage({ id, kind, request } satisfies Envelope, transfer);
    });
  }

  #settle({ id, reply, progress, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    if (progress !== undefined) {
      waiting.progress?.(progress as never);
      return;
    }
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) waiting.resolve(reply as never);
    else if (error.exitCode === undefined) waiting.reject(new Error(error.message));
    else waiting.reject(new BandliftError(error.message, {}, error.exitCode as ExitCode));
  }

  #die(why: string): void {
    this.#fail(
      new BandliftError(`${this.#what} stopped: ${why}`, { hint: 'check that there is enough memory' }, EXIT.failure),
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  /** Ends the thread at once, whatever it is doing; open questions are rejected with `why`, and so are later ones. */
  async close(why: Error = new BandliftError(`${this.#what} was closed`, {}, EXIT.failure)): Promise<void> {
    this.#fail(why);
    await this.#worker.terminate();
  }
}

export type Handlers<Requests, Replies extends { [K in keyof Requests]: unknown }> = {
  readonly [K in keyof Requests]: (
    request: Requests[K],
    progress: (value: unknown) => void,
  ) => Replies[K] | Promise<Replies[K]>;
};

/** The answering end: one question at a time, in order. Arrays that a reply holds at its top are handed over. */
export function serve<Requests, Replies extends { [K in keyof Requests]: unknown }>(
  port: MessagePort,
  handlers: Handlers<Requests, Replies>,
): void {
  const answer = async ({ id, kind, request }: Envelope): Promise<void> => {
    try {
      const handle = handlers[kind as keyof Requests];
      const reply = await handle(request as never, (progress) => port.postMessage({ id, progress } satisfies Answer));
      const views = Object.values(reply as object).filter((value): value is ArrayBufferView =>
        ArrayBuffer.isView(value),
      );
      const buffers = new Set(views.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer));
      port.postMessage({ id, reply } satisfies Answer, [...buffers]);
    } catch (error) {
      const text =
        error instanceof BandliftError
          ? { message: error.message, exitCode: error.exitCode }
          : { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      port.postMessage({ id, error: text } satisfies Answer);
    }
  };
  let last: Promise<void> = Promise.resolve();
  port.on('message', (envelope: Envelope) => {
    last = last.then(() => answer(envelope));
  });
}
