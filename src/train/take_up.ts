/** Brings a run to the state of a checkpoint, and its folder to what a run holds that has just reached that state. */
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Checkpoint, inspectCheckpoint } from '../checkpoint/checkpoint.js';
import type { CheckpointState } from '../checkpoint/schema.js';
import { Averages } from './averages.js';
import { type QuietRun, saveBoth, saveLast, validate } from './epochs.js';
import type { ResumeState } from './resume_state.js';
import type { RunFolder } from './run_folder.js';
import { restoreSession } from './snapshot.js';

/** Everything that goes on in memory. */
export function restoreRun(run: QuietRun, checkpoint: Checkpoint): void {
  restoreSession(run.session, checkpoint);
  restoreProgress(run, checkpoint.state);
}

/** All of it but the tensors. */
export function restoreProgress(
  { session, schedule, stopping, at }: Pick<QuietRun, 'session' | 'schedule' | 'stopping' | 'at'>,
  state: CheckpointState,
): void {
  schedule.load(state.schedule);
  stopping.load(state.earlyStopping);
  const { lossScale } = state;
  if (lossScale !== undefined && session.lossScale() !== undefined) session.setLossScale(lossScale);
  const { epoch, batch, step, best, averages } = state.progress;
  Object.assign(at, { epoch, batch, step, best: best ?? Number.POSITIVE_INFINITY, averages: new Averages(averages) });
}

async function progressOfBest(folder: RunFolder) {
  const best = await inspectCheckpoint(folder.best).catch(() => undefined);
  return best?.content === 'checkpoint' ? best.state.progress : undefined;
}

/** Whether a run that goes on from this state has to validate it before its first step. */
export async function needsBest(folder: RunFolder, { checkpoint, path }: ResumeState): Promise<boolean> {
  if (path === folder.last) return false;
  const found = await progressOfBest(folder);
  const { progress } = checkpoint.state;
  return !(found !== undefined && found.step <= progress.step && found.best === progress.best);
}

/**
 * The checkpoints of the folder, where the state is not that of `last`: `last` becomes this state, so that the next plain
 * --resume goes on from it. A `best` that this state has not reached yet is kept under another name; the state itself is
 * then the first candidate.
 */
export async function takeUp(run: QuietRun, state: ResumeState): Promise<void> {
  const { folder, report, at } = run;
  if (state.path === folder.last) return;
  if (!(await needsBest(folder, state))) return saveLast(run);
  const found = await progressOfBest(folder);
  if (found !== undefined) {
    const name = `best-epoch-${String(found.epoch - 1).padStart(4, '0')}.safetensors`;
    await copyFile(folder.best, join(dirname(folder.best), name));
    report.line(`best.safetensors is of a later step (${found.step}): kept as ${name}`);
  }
  at.best = (await validate(run)).terms().total;
  await saveBoth(run);
}
