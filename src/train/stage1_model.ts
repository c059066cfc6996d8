/** The model of stage 1 that a stage 2 stands on. */
import { fileHash } from '../base/content_hash.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { type CheckpointContract, loadModel, type StoredModel } from '../checkpoint/checkpoint.js';

/** Stage 1's checkpoint with all that stage 2 needs of it. */
export interface Stage1Model extends StoredModel {
  readonly contract: CheckpointContract;
  /** SHA-256 of the file. */
  readonly hash: string;
}

/** Reads stage 1's checkpoint. Errors: a usage error when none is given, or one that cannot be a first stage. */
export async function loadStage1(path: string): Promise<Stage1Model> {
  if (path === '')
    throw new BandliftError(
      'stage 2 takes the predictions of a stage-1 model as its input',
      { field: '--stage1', found: 'nothing', hint: 'give its checkpoint, or --input simulated' },
      EXIT.usage,
    );
  const model = await loadModel(path);
  const { contract } = model;
  if ('up' in model.model || model.model.kind === 'cascade')
    throw new BandliftError('is not a model of stage 1', { file: path, found: model.model.kind });
  if (!contract)
    throw new BandliftError('holds weights only: their normalisation is unknown', {
      file: path,
      hint: 'train stage 1 from it with --init, and give that checkpoint',
    });
  return { ...model, contract, hash: await fileHash(path) };
}
