/** Prediction as a function: a scene, one or two models, and where the result goes. */
import { BandliftError, EXIT } from '../base/errors.js';
import { checkDefaultModel, defaultModelPath } from '../predict/default_model.js';
import { outputPath } from '../predict/outputs.js';
import type { PlanRequest, PredictionPlan } from '../predict/plan.js';
import { type PredictOptions, type PredictResult, planOnly, predict as predictScene } from '../predict/predict.js';
import type { ResultFormat } from '../predict/result_description.js';
import type { Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';
import { loadModel, type Model } from './model.js';
import { abortable, type DeviceWork, deviceOf, interruptedBy, reporterOf } from './work.js';

export interface PredictSceneOptions extends DeviceWork, Omit<PlanRequest, 'inputKey'>, Partial<ResultFormat> {
  /** ENVI cube: PATH.img and PATH.hdr; in a folder: SCENE_predicted. */
  readonly out: string;
  /** Only this part, in pixels of the scene. */
  readonly region?: Window;
  /** Only this part, as two opposite corners in map coordinates; whole pixels that cover it are taken. */
  readonly mapRegion?: readonly [xmin: number, ymin: number, xmax: number, ymax: number];
  /** With two models: also keeps the first one's cube, OUT_stage1.img. */
  readonly keepStage1?: boolean;
  /**
   * Also writes OUT_uncertainty (standard deviations; or lower bounds of 90 % for all bands, then upper ones) and OUT_distance
   * from the training spectra, for the model that comes with bandlift and its like.
   */
  readonly uncertainty?: 'sd' | 'interval';
  /** Replaces a cube of this name. */
  readonly overwrite?: boolean;
  /** An interrupted prediction goes on by itself ('auto'); 'require': it is an error when there is none; 'restart': it is thrown away. */
  readonly resume?: 'auto' | 'require' | 'restart';
  /** Predicts although units, values or bands are not those the model was trained on. */
  readonly forceUnits?: boolean;
}

/**
 * Models in their order: of stage 1, of stage 2, or both; none: the model that comes with bandlift, for surface reflectance of
 * Landsat 8 and 9. Paths are loaded; 'bicubic' stands for stage 2 without training.
 */
export type Models = readonly [] | readonly [Model | string] | readonly [Model | string, Model | string];

/**
 * Predicts a scene: hundreds of bands at 30 m (stage 1), at 4 m (stage 2), one after the other with both.
 *
 * @returns the cube that was written, its description (wavelengths in nm, units, georeference), the plan, and counts
 * @throws BandliftError where models do not fit the scene or each other, or the result has no place; AbortError when the signal
 *   ended it: the same call goes on from there, to the same bytes
 */
export async function predict(scene: Scene, models: Models, options: PredictSceneOptions): Promise<PredictResult> {
  const request = await requestOf(scene, models, options);
  return abortable('the prediction', options, () =>
    predictScene(scene, request, { reporter: reporterOf(options), interrupted: interruptedBy(options) }),
  );
}

/** What `predict` would do: region, tiles, passes, memory and disk in bytes. Nothing is computed or written. */
export async function planPrediction(
  scene: Scene,
  models: Models,
  options: PredictSceneOptions,
): Promise<PredictionPlan> {
  return planOnly(scene, await requestOf(scene, models, options), reporterOf(options));
}

async function requestOf(scene: Scene, models: Models, options: PredictSceneOptions): Promise<PredictOptions> {
  const { out, region, mapRegion, dataType = 'float32', interleave = 'bip', scale } = options;
  const { tile, maxMemory, keepStage1, overwrite, resume, forceUnits } = options;
  const device = deviceOf(options);
  const stages: { stage1?: Model; stage2?: Model | 'bicubic' } = {};
  if (models.length === 0) {
    checkDefaultModel(scene, forceUnits === true);
    stages.stage1 = await loadModel(defaultModelPath());
  }
  for (const given of models) {
    const model = typeof given !== 'string' || given === 'bicubic' ? given : await loadModel(given);
    const name = model === 'bicubic' || model.stage === 2 ? 'stage2' : 'stage1';
    if (stages[name] !== undefined || (name === 'stage1' && stages.stage2 !== undefined))
      throw new BandliftError(
        'models are given in their order, one of each stage',
        { found: `${name} after another model` },
        EXIT.usage,
      );
    Object.assign(stages, { [name]: model });
  }
  return {
    ...stages,
    out: outputPath(out, scene.name, interleave),
    format: { dataType, interleave, ...(scale === undefined ? {} : { scale }) },
    device,
    ...(region && { roi: [region.x, region.y, region.width, region.height] as const }),
    ...(mapRegion && { roiMap: mapRegion }),
    ...(tile === undefined ? {} : { tile }),
    ...(maxMemory === undefined ? {} : { maxMemory }),
    ...(keepStage1 === undefined ? {} : { keepStage1 }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(resume === undefined ? {} : { resume }),
    ...(forceUnits === undefined ? {} : { forceUnits }),
    ...(options.uncertainty === undefined ? {} : { uncertainty: options.uncertainty }),
  };
}
