/** `bandlift predict`: the options; predict_run.ts does what they say. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEVICE_HELP, deviceChoice, PRECISION_CHOICES, PRECISION_HELP } from './device_options.js';
import { integer, real, realAbove } from './options.js';
import { checkCombination } from './predict_options.js';
import type { PredictFlags } from './predict_run.js';

function four(expected: string, isValid: (values: number[]) => boolean) {
  return (text: string): number[] => {
    const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    if (values.length !== 4 || !values.every(Number.isFinite) || !isValid(values))
      throw new InvalidArgumentError(`expected ${expected}.`);
    return values;
  };
}

const pixelRegion = four(
  'four whole numbers x0,y0,width,height',
  ([x, y, width, height]) =>
    [x, y, width, height].every(Number.isInteger) && x! >= 0 && y! >= 0 && width! > 0 && height! > 0,
);
const mapRegion = four('four numbers xmin,ymin,xmax,ymax', ([x0, y0, x1, y1]) => x0! < x1! && y0! < y1!);

export function definePredict(command: Command): void {
  command
    .argument(
      '<input...>',
      'Landsat Collection-2 level-2 folder, .tar or files, HLS L30, stacked GeoTIFF, ENVI cube or patch file; for --stage2 alone a 30 m cube (ENVI, or a product of EMIT, NEON ...)',
    )
    .optionsGroup('Models:')
    .option(
      '--stage1 <file>',
      'checkpoint of stage 1 (without --stage1 and --stage2: the model that comes with bandlift, for surface reflectance of Landsat 8 and 9)',
    )
    .option('--stage2 <file>', "checkpoint of stage 2, or 'bicubic'")
    .option('--back-projections <n>', 'back-projections after stage 2, whatever it was trained with', integer(0, 100))
    .addOption(
      new Option(
        '--projection <how>',
        "how stage 2 ends: back-projections bounded by what the input allows, or plain ones (default: as the checkpoint says; bounded for 'bicubic')",
      ).choices(['bounded', 'plain']),
    )
    .option(
      '--stage1-stats <source>',
      'normalisation of a model without one: none, a checkpoint, or JSON {input, target}',
    )
    .option('--stage2-stats <source>', 'the same for a model of stage 2')
    .optionsGroup('Input:')
    .option('--roi <x0,y0,width,height>', 'only this part, in pixels of the input', pixelRegion)
    .option(
      '--roi-map <xmin,ymin,xmax,ymax>',
      'only this part, in map coordinates; whole pixels that cover it',
      mapRegion,
    )
    .addOption(
      new Option('--clouds <what>', 'leave out or predict pixels that QA_PIXEL calls cloud, cirrus or shadow')
        .choices(['mask', 'keep'])
        .default('mask'),
    )
    .option('--ortho', "lay an EMIT product on the ground by its own lookup table (default: the sensor's own lines)")
    .option(
      '--wavelengths <file>',
      'of a cube: CSV with the columns wavelength_nm and fwhm_nm, a row for each stored band, instead of what the file says',
    )
    .option('--patch <n>', 'number of the patch in a patch file, from 0', integer(0))
    .addOption(
      new Option('--dataset <name>', 'dataset of a patch file').choices([
        'landsat_lr',
        'landsat',
        'aviris_lr',
        'aviris',
      ]),
    )
    .option('--input-scale <x>', 'scale of a stacked GeoTIFF: reflectance = stored * scale + offset', realAbove(0))
    .option('--input-offset <x>', 'offset of a stacked GeoTIFF (see --input-scale)', real(Number.NEGATIVE_INFINITY))
    .option('--force-units', 'predict even if units, values or bands differ from those the model was trained on')
    .optionsGroup('Output:')
    .requiredOption('--out <path>', 'ENVI cube: PATH.img and PATH.hdr; in a folder: SCENE_predicted')
    .addOption(
      new Option('--format <type>', 'type of the stored numbers').choices(['float32', 'int16']).default('float32'),
    )
    .option('--scale <x>', 'int16: stored = value * scale (default: 10000 for reflectance)', real(Number.MIN_VALUE))
    .addOption(
      new Option('--interleave <order>', 'order of the numbers in the file').choices(['bip', 'bil']).default('bip'),
    )
    .option('--keep-stage1', 'with both stages: also keep the 30 m cube, PATH_stage1.img')
    .addOption(
      new Option(
        '--uncertainty <what>',
        'also how far the model in the box can be trusted, PATH_uncertainty.img (sd: a standard deviation for each band; interval: the lower bounds of intervals of 90 % for all bands, then the upper ones), and PATH_distance.img, the distance from the training spectra',
      ).choices(['sd', 'interval']),
    )
    .option('--overwrite', 'replace a cube of this name')
    .optionsGroup('Run:')
    .option('--tile <pixels>', 'side of the tiles, input pixels (default: as large as the memory allows)', integer(1))
    .option(
      '--max-memory <size>',
      'memory limit of the whole process, e.g. 1G (default: half of the machine, at most 4G); GPU memory does not count',
    )
    .option('--device <name>', DEVICE_HELP, 'auto')
    .addOption(new Option('--precision <name>', PRECISION_HELP).choices(PRECISION_CHOICES).default('auto'))
    .option('--threads <n>', 'threads that compute on the CPU; results do not depend on it', integer(1))
    .option(
      '--resume',
      'continue an interrupted prediction; an error when there is none (without --resume, one that exists is continued too)',
    )
    .option('--restart', 'discard an interrupted prediction and begin again')
    .option('--plan', 'only print what would be done: tiles, passes, memory, disk')
    .option('--json', 'print one JSON object per line instead of text')
    .addHelpText(
      'after',
      `
Means over the image that some networks use (band and channel attention) are taken over all valid pixels of the region that
is predicted, in passes of their own. The result does not depend on the tiles. A region (--roi, --roi-map) is predicted as if
the scene ended at its edges: within the reach of the network, which a warning tells in pixels, its outer pixels differ from
those of the whole scene. Where 7.5 times the size of the input is not a whole number, the last half pixel is cut off. Ctrl-C finishes the tile and exits 130; the
same command then continues. While it runs, PATH.work holds what is needed for that.`,
    )
    .action(start);
}

async function start(input: string[], flags: PredictFlags, command: Command): Promise<void> {
  checkCombination(flags);
  const device = await deviceChoice(flags);
  const { runPredict } = await import('./predict_run.js');
  await runPredict(input, flags, { device, cloudsGiven: command.getOptionValueSource('clouds') === 'cli' });
}
