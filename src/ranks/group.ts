/**
 * What a training step asks of the other ranks: its share of a batch, sums of gradients, and one row of numbers from each, from
 * which every rank draws the same conclusions.
 */
import type { Communicator } from './communicator.js';

/** A rank's share of each batch: `size` patches from place `index * size` on; the last ones may be short or empty. */
export interface Part {
  readonly index: number;
  readonly size: number;
}

export class RankGroup {
  readonly communicator: Communicator;
  #stop = false;
  /** Gradients are summed from left to right by rank: the same bits every time. */
  ordered = false;
  /** Whether this rank was asked to stop (by a signal). */
  stopAsked: () => boolean;

  constructor(communicator: Communicator, stopAsked: () => boolean) {
    this.communicator = communicator;
    this.stopAsked = stopAsked;
  }

  get rank(): number {
    return this.communicator.rank;
  }

  get size(): number {
    return this.communicator.size;
  }

  /** Whether any rank had been asked to stop at the last exchange of rows: the same on all ranks at the same step. */
  get stop(): boolean {
    return this.#stop;
  }

  part(batchSize: number): Part {
    return { index: this.rank, size: Math.ceil(batchSize / this.size) };
  }

  sum(values: Float32Array): Promise<void> {
    const { communicator } = this;
    return this.ordered ? communicator.sumInOrder(values) : communicator.sum(values);
  }

  /** The row of every rank, by rank. A request to stop goes with it. */
  async rows(own: readonly number[]): Promise<Float64Array[]> {
    const width = own.length + 1;
    const all = new Float64Array(width * this.size);
    await this.communicator.allGather(Float64Array.of(...own, this.stopAsked() ? 1 : 0), all);
    const rows = Array.from({ length: this.size }, (_, rank) => all.subarray(rank * width, (rank + 1) * width));
    this.#stop ||= rows.some((row) => row[own.length] !== 0);
    return rows;
  }
}
