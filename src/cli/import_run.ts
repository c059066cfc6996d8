/** `bandlift import` at work: a PyTorch checkpoint becomes a bandlift one. Tensors only; nothing in the file is executed. */
import { existsSync } from 'node:fs';
import { BandliftError, EXIT } from '../base/errors.js';
import { saveModel } from '../checkpoint/checkpoint.js';
import { importModel } from '../checkpoint/import_model.js';
import type { ModelKind } from '../models/spec.js';
import { Output } from './output.js';

export interface ImportFlags {
  model?: string;
  out: string;
  force?: boolean;
  json?: boolean;
}

export async function runImport(file: string, flags: ImportFlags): Promise<void> {
  const output = new Output(flags.json === true);
  if (existsSync(flags.out) && !flags.force)
    throw new BandliftError(
      'the output file exists',
      { file: flags.out, hint: 'add --force to replace it' },
      EXIT.usage,
    );
  const { spec, parameters, notes } = await importModel(file, flags.model ? { model: flags.model as ModelKind } : {});
  await saveModel(flags.out, spec, parameters);
  const count = [...parameters.values()].reduce((sum, p) => sum + p.length, 0);
  for (const note of notes) output.warn(note);
  output.line(`${spec.kind}: ${count.toLocaleString('en')} parameters, ${spec.inBands} -> ${spec.outBands} bands`);
  output.line(`written: ${flags.out}`);
  output.event('import', { file, out: flags.out, spec, parameters: count, notes });
}
