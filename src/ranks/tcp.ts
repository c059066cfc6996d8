/**
 * Ranks that are joined by TCP, a star with rank 0 in its middle: for the ranks of one host where there is no MPI. Rank 0 adds
 * by rank from left to right, so sums are always in order. Each number passes through rank 0 twice: for many ranks or hosts
 * use MPI.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Communicator } from './communicator.js';
import { Link } from './link.js';
import { connectTo, type Meeting, NONCE_LENGTH } from './rendezvous.js';

/** Numbers that are added while the next ones are on their way. */
const PIECE = 1 << 16;

class TcpCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly name = 'TCP through rank 0';
  /** Rank 0: to ranks 1, 2, ...; others: to rank 0. */
  readonly #links: readonly Link[];

  constructor(rank: number, size: number, links: readonly Link[]) {
    this.rank = rank;
    this.size = size;
    this.#links = links;
  }

  sum(values: Float32Array): Promise<void> {
    return this.sumInOrder(values);
  }

  async sumInOrder(values: Float32Array): Promise<void> {
    const pieces: Float32Array[] = [];
    for (let start = 0; start < values.length; start += PIECE) pieces.push(values.subarray(start, start + PIECE));
    if (this.rank > 0) {
      const link = this.#links[0]!;
      const sent = Promise.all(pieces.map((piece) => link.send(piece)));
      for (const piece of pieces) await link.receive(piece);
      await sent;
      return;
    }
    const other = new Float32Array(Math.min(PIECE, values.length));
    const sent: Promise<unknown>[] = [];
    for (const piece of pieces) {
      const part = other.subarray(0, piece.length);
      for (const link of this.#links) {
        await link.receive(part);
        for (let i = 0; i < part.length; i++) piece[i]! += part[i]!;
      }
      for (const link of this.#links) sent.push(link.send(piece));
    }
    await Promise.all(sent);
  }

  async allGather(own: Float64Array, all: Float64Array): Promise<void> {
    const row = (rank: number) => all.subarray(rank * own.length, (rank + 1) * own.length);
    if (this.rank === 0) {
      row(0).set(own);
      for (let rank = 1; rank < this.size; rank++) await this.#links[rank - 1]!.receive(row(rank));
    } else await this.#links[0]!.send(own);
    await this.broadcast(all);
  }

  async broadcast(values: Float32Array | Float64Array | Uint8Array): Promise<void> {
    if (this.rank === 0) await Promise.all(this.#links.map((link) => link.send(values)));
    else if (values.length > 0) await this.#links[0]!.receive(values);
  }

  async barrier(): Promise<void> {
    await this.allGather(new Float64Array(1), new Float64Array(this.size));
  }

  async finish(): Promise<void> {
    await this.barrier();
    for (const link of this.#links) link.end();
  }
}

/** First bytes of a connection: the nonce, then the rank as four bytes. */
const GREETING = NONCE_LENGTH + 4;

/**
 * Rank 0 of `size` ranks: listens first, then `publish` tells the others the port. Waits `timeout` ms for all.
 *
 * @param bind address to listen on: '127.0.0.1' where all ranks are on this host
 * @param port 0: any
 */
export async function hostTcp(
  size: number,
  { bind, port, nonce, timeout }: { bind: string; port: number; nonce: string; timeout: number },
  publish: (port: number) => Promise<void> | void,
): Promise<Communicator> {
  const server = createServer();
  const links = new Map<number, Link>();
  const complete = new Promise<void>((resolve, reject) => {
    server.on('connection', (socket) =>
      greet(socket, nonce, (rank, rest) => {
        if (rank < 1 || rank >= size || links.has(rank)) return socket.destroy();
        links.set(rank, new Link(socket, `rank ${rank}`, rest));
        if (links.size === size - 1) resolve();
      }),
    );
    server.on('error', reject);
    if (size === 1) resolve();
  });
  complete.catch(() => {}); // reported below
  await listen(server, bind, port);
  await publish((server.address() as { port: number }).port);
  const timer = new Promise<never>((_, reject) => {
    setTimeout(() => {
      const missing = Array.from({ length: size - 1 }, (_, i) => i + 1).filter((rank) => !links.has(rank));
      const names = missing.length === 1 ? `rank ${missing[0]} has` : `ranks ${missing.join(', ')} have`;
      reject(new BandliftError(`${names} not come within ${timeout / 1000} s`, {}, EXIT.failure));
    }, timeout).unref();
  });
  try {
    await Promise.race([complete, timer]);
  } finally {
    server.close();
  }
  return new TcpCommunicator(
    0,
    size,
    Array.from({ length: size - 1 }, (_, i) => links.get(i + 1)!),
  );
}

function listen(server: Server, bind: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const hint = 'set MASTER_PORT to another one';
      const taken = error.code === 'EADDRINUSE';
      reject(
        new BandliftError(
          taken ? 'the port is taken' : error.message,
          { field: 'MASTER_PORT', found: port, ...(taken ? { hint } : {}) },
          EXIT.failure,
        ),
      );
    });
    server.listen(port, bind, resolve);
  });
}

/** Reads who is there; a stranger is sent away. */
function greet(socket: Socket, nonce: string, known: (rank: number, rest: Uint8Array) => void): void {
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    if (head.length < GREETING) return;
    socket.off('data', read);
    if (head.toString('latin1', 0, NONCE_LENGTH) !== nonce) return socket.destroy();
    known(head.readUInt32LE(NONCE_LENGTH), head.subarray(GREETING));
  };
  socket.on('data', read);
  socket.on('error', () => {});
}

/** Another rank: connects to rank 0. */
export async function joinTcp(rank: number, size: number, meeting: Meeting, timeout: number): Promise<Communicator> {
  const socket = await connectTo(meeting, timeout);
  const greeting = Buffer.alloc(GREETING);
  greeting.write(meeting.nonce, 0, NONCE_LENGTH, 'latin1');
  greeting.writeUInt32LE(rank, NONCE_LENGTH);
  const link = new Link(socket, 'rank 0');
  await link.send(greeting);
  return new TcpCommunicator(rank, size, [link]);
}
