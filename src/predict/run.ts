/** The third act of a prediction: running. It executes a plan and nothing else; stage 2 reads what stage 1 wrote. */
import { statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { cubePaths } from '../scenes/cube_description.js';
import type { OutputReport } from '../scenes/envi_output.js';
import { openScene } from '../scenes/open.js';
import { checkName } from '../scenes/output_file.js';
import type { Scene } from '../scenes/types.js';
import type { Monitor } from './monitor.js';
import { type Machine, type PredictionPlan, tilesOf } from './plan.js';
import { Slab } from './slab.js';
import { finishedStage, isOfUnfinished, isResumable, runStage } from './stage_run.js';
import { beginWork, endWork } from './work_folder.js';

export interface RunOptions {
  readonly out: string;
  readonly overwrite: boolean;
  /** Nothing of an earlier run is there to go on with. */
  readonly begin: boolean;
  readonly monitor: Monitor;
  /** Asked after every tile. */
  interrupted(): boolean;
}

/** Computes all stages; the reports of their cubes. Throws Interrupted when asked to stop. */
export async function runPlan(
  plan: PredictionPlan,
  machine: Machine,
  input: Scene,
  options: RunOptions,
): Promise<OutputReport[]> {
  const { out, begin, overwrite } = options;
  if (begin) {
    // another process may have finished it while this one came for the lock
    checkName(out, { overwrite });
    checkDisk(plan);
    await discardCubes(plan);
    await beginWork(out, { format: 1, key: plan.key, tiles: tilesOf(plan) });
  }
  const reports = await runStages(plan, machine, input, options);
  await endWork(out);
  return reports;
}

async function runStages(
  plan: PredictionPlan,
  { programs }: Machine,
  scene: Scene,
  { out: name, overwrite, begin, monitor, interrupted }: RunOptions,
): Promise<OutputReport[]> {
  const { stages, key } = plan;
  // one block for all stages: what the first leaves would not be given back in time
  const slab = new Slab(Math.max(...stages.map(({ plan }) => plan.bufferBytes)));
  const reports: OutputReport[] = [];
  let input = scene;
  try {
    for (const [i, { model, plan, out, description, folder }] of stages.entries()) {
      const stageKey = `${key} ${i + 1}`;
      const done = begin ? undefined : await finishedStage({ out, description, folder, key: stageKey });
      if (done) reports.push(done);
      else {
        monitor.beginStage(i);
        const report = await runStage({
          ...{ model, plan, programs: programs[i]!, input, out, description, folder, key: stageKey },
          ...{ slab, begin, overwrite, interrupted },
          progress: (segment, tiles) => monitor.update(i, segment, tiles),
        });
        reports.push(report);
        monitor.endStage(i);
      }
      programs[i]!.dispose();
      if (i < stages.length - 1 && !stages[i]!.side)
        input = await openScene(cubePaths(out).dataPath, { enviBands: 'all' });
    }
    return reports;
  } catch (error) {
    // what an earlier run has done is not lost to a wrong option of this one
    const isUsage = error instanceof BandliftError && error.exitCode === EXIT.usage;
    if (!isResumable(error) && (begin || !isUsage)) {
      await discardCubes(plan);
      await endWork(name);
    }
    throw error;
  } finally {
    monitor.stop();
    if (input !== scene) await input.close();
  }
}

/** Removes the cubes beside the result that an unfinished prediction has finished, before what tells them apart is removed. */
async function discardCubes({ stages }: PredictionPlan): Promise<void> {
  for (const stage of stages.slice(0, -1))
    if (await isOfUnfinished(stage))
      for (const path of Object.values(cubePaths(stage.out))) await rm(path, { force: true });
}

/** Throws when the disk cannot hold result, stage 1's output and scratch together. */
function checkDisk({ stages, diskBytes }: PredictionPlan): void {
  const folder = dirname(stages.at(-1)!.out);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= diskBytes) return;
  throw new BandliftError(
    'the disk is too small',
    {
      file: folder,
      found: `${formatBytes(bavail * bsize)} free`,
      expected: formatBytes(diskBytes),
      hint: 'a smaller region (--roi), --format int16, or another disk',
    },
    EXIT.failure,
  );
}
