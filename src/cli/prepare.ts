/** `bandlift prepare`: the options; prepare_run.ts does what they say. */
import { type Command, Option } from 'commander';
import { DEFAULT_SIDE, PREPARE_DEFAULTS } from '../prepare/types.js';
import { integer, real } from './options.js';
import type { PrepareFlags } from './prepare_run.js';

export function definePrepare(command: Command): void {
  command
    .argument(
      '<scenes...>',
      'ENVI headers or data files, GeoTIFF cubes, products of EMIT, AVIRIS, NEON, PRISMA or EnMAP',
    )
    .requiredOption('--out <dir>', 'folder to write to: NAME.h5 for each scene, and a report')
    .addOption(
      new Option(
        '--pairs <kind>',
        "spatial: the cube at 4 m with what Landsat sees of it at 30 m; spectral: both on the cube's own grid, for stage 1, e.g. of cubes of 30 or 60 m",
      )
        .choices(['spatial', 'spectral'])
        .default('spatial'),
    )
    .option(
      '--tile <pixels>',
      `side of a patch of spectral pairs; what is left at the edges is filled up with masked pixels (default: ${DEFAULT_SIDE})`,
      integer(1, 4096),
    )
    .option(
      '--patch <pixels>',
      `side of a patch in Landsat pixels, even (default: ${DEFAULT_SIDE} = 255 pixels of 4 m, less in smaller scenes)`,
      integer(2, 1024),
    )
    .option('--stride <pixels>', 'Landsat pixels from patch to patch, even (default: no overlap)', integer(2, 65536))
    .option(
      '--phases <n>',
      "lay Landsat's grid n x n times, 15/n fine pixels apart: more patches of the same ground (1, 3, 5, 15)",
      integer(1, 15),
      1,
    )
    .option(
      '--bands <grid>',
      'bring all spectra to one list of bands: aviris_ng, a CSV file with wavelength_nm,fwhm_nm, or a scene; scenes of several sensors then make one training set',
    )
    .option('--sensor <name>', 'oli, oli2, or a CSV file with columns band, wavelength_nm, response', 'oli')
    .option('--noise', "add OLI's noise to the simulated bands")
    .option('--seed <n>', 'random seed of the noise', integer(0, 0xffffffff), PREPARE_DEFAULTS.seed)
    .option(
      '--max-nodata <share>',
      'largest share of nodata pixels in a patch',
      real(0, 0.999),
      PREPARE_DEFAULTS.maxNodata,
    )
    .option(
      '--gsd <metres>',
      "size of the scenes' pixels, instead of what their headers say; with --pairs spectral the size they are averaged to",
      real(0.01, 10000),
    )
    .option('--keep-gsd', 'take pixels of other sizes as they are instead of averaging them to 4 m')
    .option(
      '--wavelengths <file>',
      'CSV with the columns wavelength_nm and fwhm_nm, a row for each stored band, instead of what the headers say',
    )
    .option('--ortho', "lay EMIT products on the ground by their own lookup tables (default: the sensor's own lines)")
    .option(
      '--workers <n>',
      'scenes prepared at the same time (default: one per core, as memory allows)',
      integer(1, 1024),
    )
    .option('--shard <i/n>', 'every n-th scene of the list from the i-th on, for job arrays')
    .addOption(new Option('--max-memory <size>', 'limit for the whole process, e.g. 1G').default('2G'))
    .option('--resume', 'skip scenes that are finished with these options, do the others')
    .option('--report <file>', 'JSON report of all scenes in the folder (default: DIR/prepare_report.json)')
    .option('--json', 'print one JSON object per line instead of text')
    .action(async (scenes: string[], flags: PrepareFlags) => {
      const { runPrepare } = await import('./prepare_run.js');
      await runPrepare(scenes, flags);
    });
}
