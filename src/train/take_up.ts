/** Brings a run to the state of a checkpoint, and its folder to what a run holds that has just reached that state. */
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Checkpoint, inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { Averages } from './averages.js';
import { type QuietRun, saveBoth, saveLast, validate } from './epochs.js';
import type { ResumeState } from './resume_state.js';
import { restoreSession } from './snapshot.js';

/** Everything that goes on in memory. */
export function restoreRun({ session, schedule, stopping, at }: QuietRun, checkpoint: Checkpoint): void {
  restoreSession(session, checkpoint);
  schedule.load(checkpoint.state.schedule);
  stopping.load(checkpoint.state.earlyStopping);
  const { lossScale } = checkpoint.state;
  if (lossScale !== undefined && session.lossScale() !== undefined) session.setLossScale(lossScale);
  const { epoch, batch, step, best, averages } = checkpoint.state.progress;
  Object.assign(at, { epoch, batch, step, best: best ?? Number.POSITIVE_INFINITY, averages: new Averages(averages) });
}

/**
 * The checkpoints of the folder, where the state is not that of `last`: `last` becomes this state, so that the next plain
 * --resume goes on from it. A `best` that this state has not reached yet is kept under another name; the state itself is
 * then the first candidate.
 */
export async function takeUp(run: QuietRun, { checkpoint, path }: ResumeState): Promise<void> {
  const { folder, report, at } = run;
  if (path === folder.last) return;
  const { progress } = checkpoint.state;
  const best = await inspectCheckpoint(folder.best).catch(() => undefined);
  const found = best?.content === 'checkpoint' ? best.state.progress : undefined;
  if (found !== undefined && found.step <= progress.step && found.best === progress.best) return saveLast(run);
  if (found !== undefined) {
    const name = `best-epoch-${String(found.epoch - 1).padStart(4, '0')}.safetensors`;
    await copyFile(folder.best, join(dirname(folder.best), name));
    report.line(`best.safetensors is of a later step (${found.step}): kept as ${name}`);
  }
  at.best = (await validate(run)).terms().total;
  await saveBoth(run);
}
