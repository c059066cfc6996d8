/** A trained model, ready to predict with. */
import { BandliftError, EXIT } from '../base/errors.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { type LoadOptions, loadStageModel, type StageModel } from '../predict/stage_model.js';

/** Network, weights, normalisation, and what is known of its bands. */
export interface Model extends StageModel {
  /** 1: Landsat's bands to those of the spectrometer, on one grid. 2: the bands at 30 m to the same bands at 4 m. */
  readonly stage: 1 | 2;
}

export type LoadModelOptions = Omit<LoadOptions, 'option'>;

/**
 * Reads a checkpoint that training wrote, or an imported model.
 *
 * @param path .safetensors
 * @throws BandliftError that names the file; for a model that knows no normalisation (imported ones never do) what to give
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<Model> {
  if (path === 'bicubic')
    throw new BandliftError("not a file; predict takes 'bicubic' by this name", { found: path }, EXIT.usage);
  const { model } = await inspectCheckpoint(path);
  const stage = 'up' in model ? 2 : 1;
  return { ...(await loadStageModel(path, model.inBands, { ...options, option: `stage${stage}` })), stage };
}
