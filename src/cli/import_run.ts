/** `bandlift import` at work: a PyTorch checkpoint becomes a bandlift one. Tensors only; nothing in the file is executed. */
import { importModel } from '../library/import_model.js';
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
  const { spec, parameters, notes } = await importModel(file, {
    out: flags.out,
    force: flags.force === true,
    ...(flags.model ? { model: flags.model as ModelKind } : {}),
  });
  const count = [...parameters.values()].reduce((sum, p) => sum + p.length, 0);
  for (const note of notes) output.warn(note);
  output.line(`${spec.kind}: ${count.toLocaleString('en')} parameters, ${spec.inBands} -> ${spec.outBands} bands`);
  output.line(`written: ${flags.out}`);
  output.event('import', { file, out: flags.out, spec, parameters: count, notes });
}
