/** Where a run's batches come from: with their numbers, or with their places on the device. */
import type { LoadedBatch, LoaderOptions } from '../data/types.js';
import type { Batch, HeldBatch } from '../engine/types.js';

/** A batch for a step. */
export type TrainingBatch = (Batch | HeldBatch) & Pick<LoadedBatch, 'patches' | 'whole' | 'release'>;

export interface BatchSource {
  batches(options: LoaderOptions): AsyncIterable<TrainingBatch>;
}

export interface BatchSources {
  readonly training: BatchSource;
  readonly validation: BatchSource;
}
