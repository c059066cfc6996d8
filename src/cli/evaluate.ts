/** `bandlift evaluate`: the options; evaluate_run.ts does what they say. */
import { existsSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import { addDeviceOptions, deviceChoice } from './device_options.js';
import type { EvaluateFlags } from './evaluate_run.js';

export function defineEvaluate(command: Command): void {
  addDeviceOptions(command)
    .requiredOption(
      '--data-dir <path>',
      "folder or file of HDF5 patches: those of the checkpoint's run, or others of the same bands and units",
    )
    .requiredOption('--out <folder>', 'for metrics.json, CSV files, pictures and report.html')
    .option('--stage1 <checkpoint>', 'spectral model')
    .option('--stage2 <checkpoint>', 'spatial model, on the degraded true cubes; with --stage1 both as one, end to end')
    .addOption(
      new Option(
        '--split <name>',
        "patches to evaluate, of the checkpoint's split (default: test; all of patches that are not of its run)",
      ).choices(['test', 'validation', 'all']),
    )
    .option('--baselines-from <path>', 'patches to fit the baselines on, instead of the training split')
    .option('--library <file>', 'ENVI library of reflectance: adds the nearest library spectrum as a baseline')
    .option('--pixels <patch:row,column...>', 'pixels whose spectra are shown besides the worst and the median one')
    .option('--max-memory <size>', 'limit for everything, e.g. 4G')
    .option('--json', 'print one JSON object instead of a table')
    .action(start);
}

async function start(flags: EvaluateFlags): Promise<void> {
  // before the work, not after it
  if (existsSync(flags.out) && !statSync(flags.out).isDirectory())
    throw new BandliftError('not a folder', { file: flags.out, hint: 'give another --out' });
  if (flags.stage1 === undefined && flags.stage2 === undefined)
    throw new BandliftError('nothing to evaluate', { expected: '--stage1 or --stage2, or both' }, EXIT.usage);
  if (flags.stage2 !== undefined && flags.library !== undefined)
    throw new BandliftError('is a baseline of stage 1 alone', { field: '--library' }, EXIT.usage);
  await deviceChoice(flags); // throws for a device that is not there
  const { runEvaluate } = await import('./evaluate_run.js');
  await runEvaluate(flags);
}
