/** One stage over its input: all passes, then the finished cube. */
import { bandScaling } from '../data/assemble.js';
import type { TilePrograms } from '../engine/tile_programs.js';
import { BandliftError, EXIT } from '../errors.js';
import type { CubeDescription } from '../scenes/cube_description.js';
import { EnviOutput, type OutputReport } from '../scenes/envi_output.js';
import type { Scene } from '../scenes/types.js';
import { Scratch } from './scratch.js';
import { Interrupted, mapName, SegmentRun } from './segment_run.js';
import type { Slab } from './slab.js';
import type { StageModel } from './stage_model.js';
import type { SegmentPlan, StagePlan } from './stage_plan.js';

export interface StageRun {
  readonly model: StageModel;
  readonly plan: StagePlan;
  readonly programs: TilePrograms;
  readonly input: Scene;
  /** Path and description of the cube. */
  readonly out: string;
  readonly description: CubeDescription;
  /** Folder of its scratch. */
  readonly folder: string;
  readonly key: string;
  readonly slab: Slab;
  /** An unfinished cube of this name is to be thrown away; a finished one may be replaced. */
  readonly begin: boolean;
  readonly overwrite: boolean;
  progress(segment: SegmentPlan, tiles: number): void;
  interrupted(): boolean;
}

/** Throws Interrupted when asked to stop: everything done so far is kept. On other errors the cube's file is removed. */
export async function runStage(stage: StageRun): Promise<OutputReport> {
  const { model, plan, programs, description, key, out } = stage;
  const options = { overwrite: stage.overwrite };
  const output = await (stage.begin
    ? EnviOutput.create(out, description, key, options)
    : EnviOutput.open(out, description, key, options));
  const scratch = await Scratch.open(stage.folder, key);
  try {
    programs.reserve(plan.arenaBytes);
    const parts = {
      scene: plan.scene,
      input: stage.input,
      inputScaling: bandScaling(model.normalization.input, model.spec.inBands),
      outputScaling: bandScaling(model.normalization.target, model.spec.outBands),
      programs,
      scratch,
      output,
      slab: stage.slab,
      progress: stage.progress,
      interrupted: stage.interrupted,
    };
    for (const segment of plan.segments.slice(scratch.state.segment)) {
      await new SegmentRun(parts, segment).run();
      await dropMaps(plan, segment.segment.index, scratch);
    }
    const report = await output.finish();
    scratch.state = { ...scratch.state, finished: true };
    await scratch.save();
    return report;
  } catch (error) {
    // the first error is the one to tell
    await output.abandon(isResumable(error)).catch(() => undefined);
    throw error;
  } finally {
    await scratch.close();
  }
}

/** What an interruption or a full disk stopped can go on; any other error would come again. */
export const isResumable = (error: unknown): boolean =>
  error instanceof Interrupted || (error instanceof BandliftError && error.exitCode === EXIT.failure);

/** Removes the maps that were read for the last time in segment `index`. */
async function dropMaps(plan: StagePlan, index: number, scratch: Scratch): Promise<void> {
  const { segments } = plan.scene;
  const later = new Set(segments.slice(index + 1).flatMap(({ reads }) => reads));
  for (const { maps } of segments.slice(0, index + 1))
    for (const id of maps) if (!later.has(id)) await scratch.drop(mapName(id));
}
