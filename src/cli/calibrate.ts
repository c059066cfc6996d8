/** `bandlift calibrate`: the options; calibrate_run.ts does what they say. */
import type { Command } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import type { CalibrateFlags } from './calibrate_run.js';
import { real, realAbove } from './options.js';

export function defineCalibrate(command: Command): void {
  command
    .requiredOption(
      '--scene <path>',
      'Landsat product, stacked GeoTIFF or ENVI cube of the 7 bands, as predict takes it',
    )
    .requiredOption('--out <file>', 'checkpoint to write (.safetensors), for predict --stage1')
    .option(
      '--spectra <file>',
      'known spectra (CSV): columns x,y in map coordinates or row,column in pixels from 0, then wavelengths in nm; reflectance 0 to 1',
    )
    .option('--cube <path>', 'known spectra: a cube of reflectance that overlaps the scene, in its coordinate system')
    .option('--input-scale <x>', 'scale of a stacked GeoTIFF: reflectance = stored * scale + offset', realAbove(0))
    .option('--input-offset <x>', 'offset of a stacked GeoTIFF (see --input-scale)', real(Number.NEGATIVE_INFINITY))
    .option('--model <file>', 'model to calibrate (default: the one that comes with bandlift)')
    .option('--keep-outliers', 'take known spectra that contradict the others')
    .option('--force', 'replace --out if it exists')
    .option('--json', 'print one JSON object instead of text')
    .addHelpText(
      'after',
      `
The result is for this scene: predict --stage1 FILE. The correction is linear in the 7 bands and starts from how scenes differ from
each other, so that few pixels move it little and none at all leave the same file. Choose pixels of all kinds of ground in the scene.`,
    )
    .action(async (flags: CalibrateFlags) => {
      if ((flags.spectra === undefined) === (flags.cube === undefined))
        throw new BandliftError('give --spectra or --cube, one of them', {}, EXIT.usage);
      const { runCalibrate } = await import('./calibrate_run.js');
      await runCalibrate(flags);
    });
}
