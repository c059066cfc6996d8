/** `bandlift sample`: the options; sample_run.ts does what they say. */
import { type Command, Option } from 'commander';
import { SAMPLE_DEFAULTS } from '../sample/defaults.js';
import { integer } from './options.js';
import type { SampleFlags } from './sample_run.js';

export function defineSample(command: Command): void {
  command
    .option('--out <dir>', 'folder to write to', 'sample')
    .option('--seed <n>', 'random seed of the scene', integer(0, 0xffffffff), SAMPLE_DEFAULTS.seed)
    .option('--patch-size <pixels>', 'side of a patch in pixels', integer(4, 1024), SAMPLE_DEFAULTS.patchSize)
    .option('--patches <n>', 'patches over all flight lines', integer(3, 10000), SAMPLE_DEFAULTS.patches)
    .addOption(
      new Option(
        '--units <name>',
        'reflectance of the surface, as Landsat Collection-2 level-2, or radiance at the sensor',
      )
        .choices(['reflectance', 'radiance'])
        .default('reflectance'),
    )
    .option(
      '--no-fine',
      'leave out the 4 m part: patches of both grids for stage 2, and a Landsat scene to predict from',
    )
    .option('--json', 'print one JSON object instead of text')
    .action(async (flags: SampleFlags) => {
      const { runSample } = await import('./sample_run.js');
      await runSample(flags);
    });
}
