/**
 * bandlift as a library: Landsat scenes to cubes of hundreds of bands, and everything that trains and measures the models for it.
 * Silent unless a reporter is given; long work ends by its AbortSignal. The compiler alone is in 'bandlift/graph'.
 */
export { BandliftError, type ErrorDetail, EXIT, type ExitCode } from './base/errors.js';
export { type Progress, type Reporter, silentReporter } from './base/reporter.js';
export type { EvaluationResult } from './evaluate/result.js';
export { type EvaluateOptions, evaluate } from './library/evaluate.js';
export { type ImportModelOptions, importModel } from './library/import_model.js';
export { type LoadModelOptions, loadModel, type Model } from './library/model.js';
export { type Models, type PredictSceneOptions, planPrediction, predict } from './library/predict.js';
export { PreparationAbort, type PreparedScenes, type PrepareScenesOptions, prepareScenes } from './library/prepare.js';
export { type TrainOptions, type TrainStage1Options, type TrainStage2Options, train } from './library/train.js';
export { AbortError, type DeviceWork, type WorkOptions } from './library/work.js';
export type { MethodResult, RegionMetrics } from './metrics/types.js';
export type { PlannedStage, PredictionPlan } from './predict/plan.js';
export type { PredictResult } from './predict/predict.js';
export type { GeoReference, Window } from './raster/types.js';
export { writeReport } from './report/index.js';
export type { CubeDescription } from './scenes/cube_description.js';
export type { OutputReport } from './scenes/envi_output.js';
export { type OpenOptions, openScene } from './scenes/open.js';
export type { Pixels, Scene } from './scenes/types.js';
export type { TrainResult } from './train/run.js';
