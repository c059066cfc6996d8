/** Weights trained with PyTorch as a bandlift model. */
import { existsSync } from 'node:fs';
import { BandliftError, EXIT } from '../base/errors.js';
import { saveModel } from '../checkpoint/checkpoint.js';
import { type ImportedModel, type ImportOptions, importModel as readWeights } from '../checkpoint/import_model.js';

export interface ImportModelOptions extends ImportOptions {
  /** Checkpoint to write (.safetensors). Without it nothing is written. */
  readonly out?: string;
  /** Replaces `out` where it exists. */
  readonly force?: boolean;
}

/**
 * Reads a PyTorch checkpoint (.pth, .pt, .safetensors); tensors only, nothing in the file is executed.
 *
 * @returns the network with its sizes, its parameters by PyTorch's names, and what the user should know
 * @throws BandliftError that names the first parameter which does not fit, or the output file that exists
 */
export async function importModel(path: string, options: ImportModelOptions = {}): Promise<ImportedModel> {
  const { out, force, ...rest } = options;
  if (out !== undefined && existsSync(out) && !force)
    throw new BandliftError('the output file exists', { file: out, hint: 'add --force to replace it' }, EXIT.usage);
  const imported = await readWeights(path, rest);
  if (out !== undefined) await saveModel(out, imported.spec, imported.parameters);
  return imported;
}
