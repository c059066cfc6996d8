/** One end of a TCP connection that carries whole arrays, in order. */
import type { Socket } from 'node:net';
import { BandliftError, EXIT } from '../base/errors.js';

/**
 * ms between the loss of a connection and the error: the watch (watch.ts) learns of it at the same time, knows who died, and
 * ends the process first.
 */
const PATIENCE = 5000;

interface Wanted {
  readonly into: Uint8Array;
  filled: number;
  resolve(): void;
  reject(error: Error): void;
}

const bytesOf = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

export class Link {
  readonly #socket: Socket;
  readonly #peer: string;
  #chunks: Uint8Array[] = [];
  #wanted: Wanted | undefined;
  #lost: Error | undefined;
  #ended = false;

  /** @param peer who is at the other end, for messages */
  constructor(socket: Socket, peer: string, begun: Uint8Array = new Uint8Array(0)) {
    this.#socket = socket;
    this.#peer = peer;
    socket.setNoDelay(true);
    if (begun.length > 0) this.#chunks.push(begun);
    socket.on('data', (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#pump();
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#lose());
  }

  /** Resolves when the numbers are on their way and the array may change. */
  send(values: ArrayBufferView): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return this.#later(reject, this.#lost);
      this.#socket.write(bytesOf(values), (error) => (error ? this.#later(reject, this.#error()) : resolve()));
    });
  }

  /** Fills the array with what comes next. One call at a time. */
  receive(values: ArrayBufferView): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wanted = { into: bytesOf(values), filled: 0, resolve, reject };
      this.#pump();
      if (this.#wanted && this.#lost) this.#later(reject, this.#lost);
    });
  }

  #pump(): void {
    const wanted = this.#wanted;
    if (!wanted) return;
    while (wanted.filled < wanted.into.length && this.#chunks.length > 0) {
      const chunk = this.#chunks[0]!;
      const count = Math.min(chunk.length, wanted.into.length - wanted.filled);
      wanted.into.set(chunk.subarray(0, count), wanted.filled);
      wanted.filled += count;
      if (count === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(count);
    }
    if (wanted.filled < wanted.into.length) return;
    this.#wanted = undefined;
    wanted.resolve();
  }

  #error(): Error {
    return new BandliftError(`lost the connection to ${this.#peer}`, {}, EXIT.failure);
  }

  #lose(): void {
    if (this.#ended) return;
    this.#lost ??= this.#error();
    const wanted = this.#wanted;
    if (wanted) this.#later(wanted.reject, this.#lost);
  }

  #later(reject: (error: Error) => void, error: Error): void {
    setTimeout(() => reject(error), PATIENCE);
  }

  end(): void {
    this.#ended = true;
    this.#socket.end();
  }
}
