/** What all ranks of a run have in common: how it begins, and its parameters. */
import { createHash } from 'node:crypto';
import { BandliftError, EXIT } from '../base/errors.js';
import type { CheckpointState } from '../checkpoint/schema.js';
import type { Normalization, Split } from '../data/types.js';
import type { Session, SessionOptions } from '../engine/types.js';
import type { ModelSpec } from '../models/spec.js';
import { broadcastJson } from '../ranks/communicator.js';
import type { RankGroup } from '../ranks/group.js';
import type { TrainConfig } from './config.js';

/** Rank 0 decides all of this alone; the others take it as it is. */
export interface SharedStart {
  readonly config: TrainConfig;
  readonly spec: ModelSpec;
  readonly split: Split;
  readonly normalization: Normalization;
  /** Names and numbers of patches of the files, which every rank must find. */
  readonly files: readonly { readonly name: string; readonly patches: number }[];
  readonly state: CheckpointState;
  /** Whether the parameters are validated before the first step. */
  readonly judged: boolean;
}

/** What a session needs in order to train with these ranks. Throws (exit 2) where a batch has fewer patches than ranks. */
export function rankedOptions(config: TrainConfig, ranks: RankGroup): Partial<SessionOptions> {
  if (config.batch_size < ranks.size)
    throw new BandliftError(
      'a batch has fewer patches than there are ranks',
      { field: '--batch-size', found: config.batch_size, expected: `at least ${ranks.size}` },
      EXIT.usage,
    );
  ranks.ordered = config.deterministic_ranks;
  return { batchSize: ranks.part(config.batch_size).size, ranks };
}

/** Rank 0's beginning and parameters to all. */
export async function shareStart(ranks: RankGroup, start: SharedStart, session: Session): Promise<void> {
  await broadcastJson(ranks.communicator, start);
  await shareTensors(session, ranks);
}

export const receiveStart = (ranks: RankGroup): Promise<SharedStart> =>
  broadcastJson<SharedStart>(ranks.communicator, undefined);

/** Rank 0's parameters, moments and average to all. */
export async function shareTensors(session: Session, { communicator, rank }: RankGroup): Promise<void> {
  const kept = ['parameters', 'm', 'v', ...(session.options.ema ? (['ema'] as const) : [])] as const;
  for (const what of kept) {
    const values = session.read(what);
    for (const array of values.values()) await communicator.broadcast(array);
    if (rank > 0) session.write(what, values);
  }
}

/**
 * Every rank takes the same step, so their parameters are the same to the bit where their processors round alike. Where they
 * do not (other instruction sets), the differences would grow unseen: all take rank 0's. True where that was so.
 */
export async function shareAgain(session: Session): Promise<boolean> {
  const { ranks } = session.options;
  if (ranks === undefined) return false;
  const hash = createHash('sha256');
  for (const values of session.read('parameters').values()) hash.update(values);
  const own = hash.digest().readUIntBE(0, 6);
  const rows = await ranks.rows([own]);
  if (rows.every(([other]) => other === own)) return false;
  await shareTensors(session, ranks);
  return true;
}
