/** A training process that was launched with others: rank 0 runs the command, the others serve it. */
import { hostname } from 'node:os';
import { loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { dismiss, farewell, giveUp, joinRanks, type Ranks } from '../ranks/join.js';
import { followRun } from '../train/follow.js';
import { onInterrupt } from './interrupt.js';

/** @param lead the command, for rank 0 */
export async function trainTogether(stage: 1 | 2, lead: (ranks?: Ranks) => Promise<void>): Promise<void> {
  // from here on a signal is a request that all ranks agree on
  const interrupt = onInterrupt('');
  try {
    const ranks = await joinRanks(() => interrupt.requested, leave);
    if (ranks === undefined) return await lead();
    if (ranks.group.rank > 0) return await serve(stage, ranks);
    await leadAll(ranks, lead);
  } finally {
    interrupt.dispose();
  }
}

/** Ends a process that waits inside MPI. */
function leave(problem: string): void {
  process.stderr.write(`error: ${problem}\n`);
  loadAddon().exitNow(EXIT.failure);
}

async function leadAll(ranks: Ranks, lead: (ranks: Ranks) => Promise<void>): Promise<void> {
  try {
    await lead(ranks);
  } catch (error) {
    const code = error instanceof BandliftError ? error.exitCode : EXIT.failure;
    // where the others are asleep, or threw the same at the same step, all can leave in good order
    const agreed = !ranks.watch.called || code === EXIT.notFinite || code === EXIT.interrupted;
    if (agreed) await dismiss(ranks, code);
    else await ranks.watch.fail(code);
    throw error;
  }
  await dismiss(ranks, Number(process.exitCode ?? EXIT.ok));
}

async function serve(stage: 1 | 2, ranks: Ranks): Promise<void> {
  const { group, watch } = ranks;
  try {
    if (await watch.begun()) await followRun(stage, ranks);
    process.exitCode = await watch.ended();
    await farewell(group, watch);
  } catch (error) {
    const known = error instanceof BandliftError;
    const text = known ? error.message : ((error as Error)?.stack ?? String(error));
    process.stderr.write(`error: rank ${group.rank} (${hostname()}): ${text}\n`);
    await giveUp(ranks, known ? error.exitCode : EXIT.failure);
  }
}
