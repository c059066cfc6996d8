/**
 * The state a run goes on from: its `last` checkpoint, or the one it was told. A `last` that a disk or a copy has damaged
 * does not cost the run: the newest other checkpoint that can be read takes its place.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { type Checkpoint, inspectCheckpoint, loadCheckpoint } from '../checkpoint/checkpoint.js';
import type { TrainConfig } from './config.js';
import { pathsOf, type RunFolder } from './run_folder.js';

export interface ResumeState {
  readonly checkpoint: Checkpoint;
  /** The file it was read from. */
  readonly path: string;
}

/** Written by a newer or older bandlift, or unreadable for this user: nothing is damaged. */
const isWhole = ({ detail }: BandliftError) => detail.field === 'format' || /permissions/.test(detail.hint ?? '');

/**
 * The state in `file`, or without one that of the run's last checkpoint, else of the newest that can be read. Nothing is
 * written. Throws the first file's BandliftError when there is none.
 */
export async function readState(folder: RunFolder, file: string | undefined, report: Reporter): Promise<ResumeState> {
  const path = file ?? folder.last;
  try {
    return { checkpoint: await loadCheckpoint(path), path };
  } catch (error) {
    if (file !== undefined || !(error instanceof BandliftError) || isWhole(error)) throw error;
    const other = await newestReadable(folder);
    if (other === undefined) {
      const { message, exitCode } = error;
      throw new BandliftError(
        `${message}; no other checkpoint of this run can be read; start a new run in another --output-dir`,
        {},
        exitCode,
      );
    }
    const { epoch, batch, step } = other.checkpoint.state.progress;
    report.warn(
      `${error.message}; this run continues from ${other.path} instead (epoch ${epoch}, batch ${batch}, step ${step}); the steps after it are computed again`,
    );
    return other;
  }
}

/** Whether a run has made its last epoch (or stopped early) and its final table: there is nothing left to do. */
export async function isFinished({ output_dir, epochs, patience }: TrainConfig): Promise<boolean> {
  const { path, last } = pathsOf(output_dir);
  const [table, state] = [join(path, 'test_metrics.json'), last].map((file) =>
    statSync(file, { throwIfNoEntry: false }),
  );
  // the table of an earlier end is older than the state that came after it
  if (table === undefined || state === undefined || table.mtimeMs < state.mtimeMs) return false;
  const header = await inspectCheckpoint(last).catch(() => undefined);
  if (header?.content !== 'checkpoint') return false;
  const { progress, earlyStopping } = header.state;
  return progress.epoch > epochs || (patience > 0 && earlyStopping.badEpochs >= patience);
}

async function newestReadable({ last }: RunFolder): Promise<ResumeState | undefined> {
  const folder = dirname(last);
  const candidates: { path: string; step: number }[] = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!/^(best|epoch-\d+)\.safetensors$/.test(name)) continue;
    const header = await inspectCheckpoint(path).catch(() => undefined);
    if (header?.content === 'checkpoint') candidates.push({ path, step: header.state.progress.step });
  }
  // of the same step, `best` or a kept epoch hold the same state
  for (const { path } of candidates.sort((a, b) => b.step - a.step)) {
    const checkpoint = await loadCheckpoint(path).catch(() => undefined);
    if (checkpoint !== undefined) return { checkpoint, path };
  }
  return undefined;
}
