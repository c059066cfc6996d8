/** `bandlift import`: a PyTorch checkpoint becomes a bandlift one. Tensors only; nothing in the file is executed. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import { saveModel } from '../checkpoint/checkpoint.js';
import { importModel } from '../checkpoint/import_model.js';
import type { ModelKind } from '../models/spec.js';
import { Output } from './output.js';

interface Flags {
  model?: string;
  out: string;
  force?: boolean;
  json?: boolean;
}

export function addImport(program: Command): void {
  program
    .command('import')
    .description('convert a PyTorch checkpoint (.pth, .pt or .safetensors) to a bandlift checkpoint')
    .argument('<file>', 'checkpoint: a state dict, or {model_state_dict, ...}')
    .requiredOption('--out <file>', 'checkpoint to write (.safetensors)')
    .option(
      '--model <name>',
      'network: spectral_sr, spectral_unmixing, spatial_sr, spatial_lightweight (default: from the parameter names)',
    )
    .option('--force', 'replace --out if it exists')
    .option('--json', 'one JSON object on stdout instead of text')
    .action(async (file: string, flags: Flags) => {
      const output = new Output(flags.json === true);
      if (existsSync(flags.out) && !flags.force)
        throw new BandliftError(
          'the output file exists',
          { file: flags.out, hint: 'add --force to replace it' },
          EXIT.usage,
        );
      const { spec, parameters, notes } = await importModel(
        file,
        flags.model ? { model: flags.model as ModelKind } : {},
      );
      await saveModel(flags.out, spec, parameters);
      const count = [...parameters.values()].reduce((sum, p) => sum + p.length, 0);
      for (const note of notes) output.warn(note);
      output.line(`${spec.kind}: ${count.toLocaleString('en')} parameters, ${spec.inBands} -> ${spec.outBands} bands`);
      output.line(`written: ${flags.out}`);
      output.event('import', { file, out: flags.out, spec, parameters: count, notes });
    });
}
