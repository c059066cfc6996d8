/**
 * Ranks that compute together, whatever carries their numbers: MPI (native/comm), or TCP on one host (tcp.ts). Every rank
 * makes the same calls in the same order. A transport between GPUs (NCCL) would implement the same calls over memory of its
 * device.
 */
import { BandliftError, EXIT } from '../base/errors.js';

export interface Communicator {
  /** 0 to size - 1. */
  readonly rank: number;
  readonly size: number;
  /** What carries the numbers, for people. */
  readonly name: string;
  /** Sums over ranks in place; every rank has the same bits afterwards. */
  sum(values: Float32Array): Promise<void>;
  /** The same from left to right: rank 0's + rank 1's + ... */
  sumInOrder(values: Float32Array): Promise<void>;
  /** `all` gets `own` of every rank, one rank after the other. */
  allGather(own: Float64Array, all: Float64Array): Promise<void>;
  /** Rank 0's numbers to all. */
  broadcast(values: Float32Array | Float64Array | Uint8Array): Promise<void>;
  barrier(): Promise<void>;
  /** The last call. */
  finish(): Promise<void>;
}

/** Longest text of gatherTexts, bytes. */
const MOST_TEXT = 2040;

/** A short text of every rank, by rank. */
export async function gatherTexts(ranks: Communicator, text: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MOST_TEXT)
    throw new BandliftError('text is too long for all ranks', { found: text }, EXIT.failure);
  const words = (MOST_TEXT + 8) / 8;
  const own = new Float64Array(words);
  own[0] = bytes.length;
  new Uint8Array(own.buffer).set(bytes, 8);
  const all = new Float64Array(words * ranks.size);
  await ranks.allGather(own, all);
  return Array.from({ length: ranks.size }, (_, rank) => {
    const row = all.slice(rank * words, (rank + 1) * words);
    return new TextDecoder().decode(new Uint8Array(row.buffer, 8, row[0]!));
  });
}

/** A value that JSON can hold, from rank 0 to all; others give undefined. */
export async function broadcastJson<T>(ranks: Communicator, value: T | undefined): Promise<T> {
  const bytes = ranks.rank === 0 ? new TextEncoder().encode(JSON.stringify(value)) : undefined;
  const length = Float64Array.of(bytes?.length ?? 0);
  await ranks.broadcast(length);
  const all = bytes ?? new Uint8Array(length[0]!);
  await ranks.broadcast(all);
  return JSON.parse(new TextDecoder().decode(all)) as T;
}
