/** `bandlift verify`: the options; verify_run.ts does what they say. */
import type { Command } from 'commander';
import { addDeviceOptions, deviceChoice } from './device_options.js';
import type { VerifyFlags } from './verify_run.js';

export function defineVerify(command: Command): void {
  addDeviceOptions(command)
    .argument('<file>', 'safetensors file with param.*, input, target, output, grad.*, after.* (sizes in its `doc`)')
    .option(
      '--net <name>',
      'network, when the file name does not say: spectral_sr, spectral_unmixing, spatial_sr, spatial_lightweight',
    )
    .option('--json', 'print one JSON object instead of a table')
    .addHelpText(
      'after',
      '\nTolerance: |a-b| <= 1e-5 + 1e-4 |b| for outputs and losses, 1e-5 + 1e-3 |b| for gradients and parameters.\nExit 1 when anything lies beyond it.',
    )
    .action(async (file: string, flags: VerifyFlags) => {
      const device = await deviceChoice(flags);
      const { runVerify } = await import('./verify_run.js');
      await runVerify(file, flags, device);
    });
}
