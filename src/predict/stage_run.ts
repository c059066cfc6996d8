/** One stage over its input: all passes, then the finished cube. */
import { readFile } from 'node:fs/promises';
import { BandliftError, EXIT } from '../base/errors.js';
import { Normalizer } from '../data/normalize.js';
import { isSpectral } from '../models/spec.js';
import { type CubeDescription, cubeBytes, cubePaths } from '../scenes/cube_description.js';
import { EnviOutput, isFinished, type OutputReport } from '../scenes/envi_output.js';
import type { Scene } from '../scenes/types.js';
import type { TilePrograms } from '../tiling/tile_programs.js';
import { readScratch, Scratch } from './scratch.js';
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

/** The report of a stage whose cube an earlier run has finished; undefined where there is something left to do. */
export async function finishedStage(stage: Pick<StageRun, 'out' | 'description' | 'folder' | 'key'>) {
  const { out, description, folder, key } = stage;
  const state = await readScratch(folder);
  if (state?.key !== key || state.result === null) return undefined;
  if (!(await isFinished(out, description, state.result.header))) return undefined;
  const report: OutputReport = { ...cubePaths(out), bytes: cubeBytes(description), counts: state.result.counts };
  return report;
}

/** Whether the cube of this name is the finished one of an unfinished prediction, and no other's. */
export async function isOfUnfinished({ out, folder }: Pick<StageRun, 'out' | 'folder'>): Promise<boolean> {
  const header = (await readScratch(folder))?.result?.header;
  return header !== undefined && (await readFile(cubePaths(out).headerPath, 'utf8').catch(() => undefined)) === header;
}

/**
 * Computes what is left of a stage. That every pixel is on the disk is noted before anything is given up that the pixels were
 * made from, and before the cube gets its name: a run killed at any moment goes on from there.
 * Throws Interrupted when asked to stop: everything done so far is kept. On other errors the cube's file is removed.
 */
export async function runStage(stage: StageRun): Promise<OutputReport> {
  const { model, plan, programs, description, key, out } = stage;
  const options = { overwrite: stage.overwrite };
  const output = await (stage.begin
    ? EnviOutput.create(out, description, key, options)
    : EnviOutput.open(out, description, key, options));
  let scratch: Scratch | undefined;
  try {
    scratch = await Scratch.open(stage.folder, key);
    // the cube has gone, and with it what it was made from
    if (scratch.state.result !== null && !output.resumed) {
      await scratch.close();
      scratch = await Scratch.begin(stage.folder, key);
    }
    programs.reserve(plan.arenaBytes);
    const parts = {
      scene: plan.scene,
      input: stage.input,
      inputNumbers: new Normalizer(model.normalization.input, model.spec.inBands),
      outputNumbers: model.numbers ?? new Normalizer(model.normalization.target, model.spec.outBands),
      heldAtZero: isSpectral(model.spec),
      programs,
      scratch,
      output,
      slab: stage.slab,
      progress: stage.progress,
      interrupted: stage.interrupted,
    };
    if (scratch.state.result === null) {
      for (const segment of plan.segments.slice(scratch.state.segment)) {
        await new SegmentRun(parts, segment).run();
        if (segment !== plan.segments.at(-1)) await dropMaps(plan, segment.segment.index, scratch);
      }
      scratch.state = { ...scratch.state, result: { header: output.header, counts: output.counts } };
      await scratch.save();
    }
    await dropMaps(plan, plan.segments.at(-1)!.segment.index, scratch);
    return await output.finish();
  } catch (error) {
    // the first error is the one to tell
    await output.abandon(isResumable(error)).catch(() => undefined);
    throw error;
  } finally {
    await scratch?.close();
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
