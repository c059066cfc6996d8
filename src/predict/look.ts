/**
 * The first act of a prediction: looking. What is asked for is held against the scene, the models and the places of the
 * results; a few pixels are read, nothing is opened for writing and no device is needed.
 */
import type { Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';
import { checkOutputs } from './outputs.js';
import { checkPlace, checkValues } from './plausibility.js';
import { chooseWindow, cropScene, type RegionChoice } from './region.js';
import { isOfUnfinished } from './stage_run.js';
import { chooseStages, type Stage, type StageOptions } from './stages.js';
import { readSettings, workFolder } from './work_folder.js';

export interface LookOptions extends StageOptions, RegionChoice {
  readonly overwrite?: boolean;
  readonly resume?: 'auto' | 'require' | 'restart';
}

/** What was found: all that planning needs to know. */
export interface Seen {
  readonly scene: Scene;
  /** The region that is predicted, in pixels of the scene. */
  readonly window: Window;
  /** That part of the scene. */
  readonly input: Scene;
  /** Models in their order, with the cubes they give. */
  readonly stages: readonly Stage[];
}

/**
 * Looks at scene, models and outputs. `warn` is told what is odd.
 * Errors: BandliftError for a region, models, bands, units, values or output names that do not serve.
 */
export async function look(scene: Scene, options: LookOptions, warn: (text: string) => void): Promise<Seen> {
  const window = chooseWindow(scene, options);
  scene.warnings.forEach(warn);
  const stages = await chooseStages(scene, window, options, warn);
  (await lookAtOutputs(scene, stages, options)).forEach(warn);
  checkPlace(scene.georeference).forEach(warn);
  (await checkValues(stages[0]!.model, scene, window, options.forceUnits === true)).forEach(warn);
  return { scene, window, input: cropScene(scene, window), stages };
}

/** Tells before anything is computed when a result could not be written to its place, or would take another file's. */
async function lookAtOutputs(scene: Scene, stages: readonly Stage[], options: LookOptions): Promise<string[]> {
  const { out, keepStage1, overwrite, resume } = options;
  const unfinishedOne = resume === 'restart' ? undefined : await readSettings(workFolder(out));
  const kept = stages.filter(({ side }, i) => side || keepStage1 === true || i === stages.length - 1);
  // what goes with an unfinished prediction that is discarded stands in nobody's way
  const discarded = resume === 'restart' ? await Promise.all(kept.map(isOfUnfinished)) : [];
  return checkOutputs({
    cubes: kept.map((stage) => stage.out),
    replaced: kept.filter((_, i) => discarded[i]).map((stage) => stage.out),
    out,
    inputs: [...(scene.files ?? [scene.path]), ...stages.map(({ model }) => model.path)],
    overwrite: overwrite === true,
    resumes: unfinishedOne !== undefined,
  });
}
