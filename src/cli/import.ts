/** `bandlift import`: the options; import_run.ts does what they say. */
import type { Command } from 'commander';
import type { ImportFlags } from './import_run.js';

export function defineImport(command: Command): void {
  command
    .argument('<file>', 'checkpoint: a state dict, or {model_state_dict, ...}')
    .requiredOption('--out <file>', 'checkpoint to write (.safetensors)')
    .option(
      '--model <name>',
      'network: spectral_sr, spectral_unmixing, spatial_sr, spatial_lightweight (default: from the parameter names)',
    )
    .option('--force', 'replace --out if it exists')
    .option('--json', 'print one JSON object instead of text')
    .action(async (file: string, flags: ImportFlags) => {
      const { runImport } = await import('./import_run.js');
      await runImport(file, flags);
    });
}
