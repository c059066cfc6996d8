/** `bandlift predict`: from a Landsat scene to a cube of hundreds of bands at 30 m (stage 1) or 4 m (both stages). */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../base/errors.js';
import { peakMemory } from '../base/peak_memory.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import type { DeviceChoice } from '../engine/device.js';
import { outputPath } from '../predict/outputs.js';
import { type PredictOptions, type PredictResult, predict } from '../predict/predict.js';
import { Interrupted } from '../predict/segment_run.js';
import { isPatchFile, type OpenOptions, openScene } from '../scenes/open.js';
import type { Scene } from '../scenes/types.js';
import { parseBytes } from '../train/config.js';
import { DEVICE_HELP, type DeviceFlags, deviceChoice, PRECISION_CHOICES, PRECISION_HELP } from './device_options.js';
import { onInterrupt } from './interrupt.js';
import { integer, real, realAbove } from './options.js';
import { bytes, duration, Output } from './output.js';
import { checkCombination } from './predict_options.js';

interface Flags extends DeviceFlags {
  readonly stage1?: string;
  readonly stage2?: string;
  readonly stage1Stats?: string;
  readonly stage2Stats?: string;
  readonly backProjections?: number;
  readonly projection?: 'bounded' | 'plain';
  readonly out: string;
  readonly format: 'float32' | 'int16';
  readonly scale?: number;
  readonly interleave: 'bip' | 'bil';
  readonly roi?: [number, number, number, number];
  readonly roiMap?: [number, number, number, number];
  readonly clouds: 'mask' | 'keep';
  readonly patch?: number;
  readonly dataset?: 'landsat_lr' | 'landsat' | 'aviris_lr' | 'aviris';
  readonly inputScale?: number;
  readonly inputOffset?: number;
  readonly forceUnits?: boolean;
  readonly keepStage1?: boolean;
  readonly tile?: number;
  readonly maxMemory?: string;
  readonly resume?: boolean;
  readonly restart?: boolean;
  readonly overwrite?: boolean;
  readonly plan?: boolean;
  readonly json?: boolean;
}

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

export function addPredict(program: Command): void {
  program
    .command('predict')
    .description(
      'apply trained models to a whole scene: 7 Landsat bands to hundreds at 30 m (stage 1) and 4 m (stage 2)',
    )
    .argument(
      '<input...>',
      'Landsat Collection-2 level-2 folder or files, stacked GeoTIFF, ENVI cube or patch file; for --stage2 alone a 30 m cube',
    )
    .optionsGroup('Models:')
    .option('--stage1 <file>', 'checkpoint of stage 1')
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
    .option('--stage2-stats <source>', 'the same for stage 2')
    .optionsGroup('Input:')
    .option('--roi <x0,y0,width,height>', 'only this part, in pixels of the input', pixelRegion)
    .option(
      '--roi-map <xmin,ymin,xmax,ymax>',
      'only this part, in map coordinates; whole pixels that cover it',
      mapRegion,
    )
    .addOption(
      new Option('--clouds <what>', 'pixels that QA_PIXEL calls cloud, cirrus or shadow')
        .choices(['mask', 'keep'])
        .default('mask'),
    )
    .option('--patch <n>', 'which patch of a patch file', integer(0))
    .addOption(
      new Option('--dataset <name>', 'which images of a patch file').choices([
        'landsat_lr',
        'landsat',
        'aviris_lr',
        'aviris',
      ]),
    )
    .option('--input-scale <x>', 'of a stacked GeoTIFF: reflectance = stored * scale + offset', realAbove(0))
    .option('--input-offset <x>', 'the offset in that formula', real(Number.NEGATIVE_INFINITY))
    .option('--force-units', 'predict although units, values or bands are not those the model was trained on')
    .optionsGroup('Output:')
    .requiredOption('--out <path>', 'ENVI cube: PATH.img and PATH.hdr; in a folder: SCENE_predicted')
    .addOption(new Option('--format <type>', 'stored numbers').choices(['float32', 'int16']).default('float32'))
    .option('--scale <x>', 'int16: stored = value * scale (default: 10000 for reflectance)', real(Number.MIN_VALUE))
    .addOption(new Option('--interleave <order>', 'of the cube').choices(['bip', 'bil']).default('bip'))
    .option('--keep-stage1', 'with both stages: also keep the 30 m cube, PATH_stage1.img')
    .option('--overwrite', 'replace a cube of this name')
    .optionsGroup('Run:')
    .option('--tile <pixels>', 'side of the tiles, input pixels (default: as large as the memory allows)', integer(1))
    .option(
      '--max-memory <size>',
      'for the whole process, e.g. 1G (default: half of the machine, at most 4G); a GPU uses its own beside it',
    )
    .option('--device <name>', DEVICE_HELP, 'auto')
    .addOption(new Option('--precision <name>', PRECISION_HELP).choices(PRECISION_CHOICES).default('auto'))
    .option('--threads <n>', 'threads that compute on the CPU; results do not depend on it', integer(1))
    .option(
      '--resume',
      'go on with an interrupted prediction (done anyway when there is one), an error when there is none',
    )
    .option('--restart', 'begin again instead')
    .option('--plan', 'only say what would be done: tiles, passes, memory, disk')
    .option('--json', 'one JSON object a line on stdout instead of text')
    .addHelpText(
      'after',
      `
Means over the image that some networks use (band and channel attention) are taken over all valid pixels of the region that
is predicted, in passes of their own. The result does not depend on the tiles. A region (--roi, --roi-map) is predicted as if
the scene ended at its edges: within the reach of the network, which a warning tells in pixels, its outer pixels differ from
those of the whole scene. Where 7.5 times the size of the input is no whole number, the last half pixel is cut off. Ctrl-C finishes the tile and exits 130; the
same command then goes on. While it runs, PATH.work holds what is needed for that.`,
    )
    .action(run);
}

async function run(input: string[], flags: Flags, command: Command): Promise<void> {
  const output = new Output(flags.json === true);
  checkCombination(flags);
  const device = deviceChoice(flags);
  const scene = await openInput(input, flags, command.getOptionValueSource('clouds') === 'cli');
  const interrupt = onInterrupt('stopping after this tile');
  try {
    const options = predictOptions(flags, scene, device);
    const result = await predict(scene, options, {
      reporter: output,
      openScene: (path) => openScene(path, { enviBands: 'all' }),
      interrupted: () => interrupt.requested,
    });
    if (result !== undefined) tell(result, output);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.stderr.write('interrupted; the same command goes on from here\n');
    output.event('interrupted', { out: flags.out });
    process.exitCode = EXIT.interrupted;
  } finally {
    interrupt.dispose();
    await scene.close();
  }
}

/** The input; for stage 2 alone of an airborne cube only the bands kept for stage 1, where that is what the model takes. */
async function openInput(input: string[], flags: Flags, cloudsGiven: boolean): Promise<Scene> {
  const path = input.length === 1 ? input[0]! : input;
  const options = openOptions(input, flags, cloudsGiven);
  const scene = await openScene(path, options);
  if (flags.stage1 !== undefined || flags.stage2 === undefined || flags.stage2 === 'bicubic') return scene;
  try {
    const { model } = await inspectCheckpoint(flags.stage2);
    if (scene.bands === model.inBands) return scene;
  } catch (error) {
    await scene.close();
    throw error;
  }
  await scene.close();
  return openScene(path, { ...options, enviBands: 'kept' });
}

function openOptions(input: string[], flags: Flags, cloudsGiven: boolean): OpenOptions {
  const narrow = flags.stage1 === undefined && input.every(isPatchFile);
  const dataset = flags.dataset ?? (narrow ? 'aviris_lr' : undefined);
  return {
    ...(cloudsGiven ? { clouds: flags.clouds } : {}),
    enviBands: 'all',
    ...(flags.maxMemory === undefined
      ? {}
      : { cacheBytes: Math.min(2 ** 26, parseBytes(flags.maxMemory, 'max-memory') / 16) }),
    ...(flags.patch === undefined ? {} : { patch: flags.patch }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(flags.inputScale === undefined ? {} : { scale: flags.inputScale }),
    ...(flags.inputOffset === undefined ? {} : { offset: flags.inputOffset }),
  };
}

function predictOptions(flags: Flags, scene: Scene, device: DeviceChoice): PredictOptions {
  const { stage1, stage2, stage1Stats, stage2Stats, backProjections, projection, roi, roiMap, tile, scale } = flags;
  return {
    ...(stage1 === undefined ? {} : { stage1 }),
    ...(stage2 === undefined ? {} : { stage2 }),
    ...(stage1Stats === undefined ? {} : { stage1Stats }),
    ...(stage2Stats === undefined ? {} : { stage2Stats }),
    ...(backProjections === undefined ? {} : { backProjections }),
    ...(projection === undefined ? {} : { projection }),
    ...(roi === undefined ? {} : { roi }),
    ...(roiMap === undefined ? {} : { roiMap }),
    ...(tile === undefined ? {} : { tile }),
    ...(flags.maxMemory === undefined ? {} : { maxMemory: parseBytes(flags.maxMemory, 'max-memory') }),
    out: outputPath(flags.out, scene.name, flags.interleave),
    format: { dataType: flags.format, interleave: flags.interleave, ...(scale === undefined ? {} : { scale }) },
    device,
    keepStage1: flags.keepStage1 === true,
    forceUnits: flags.forceUnits === true,
    overwrite: flags.overwrite === true,
    resume: flags.resume ? 'require' : flags.restart ? 'restart' : 'auto',
    planOnly: flags.plan === true,
    inputKey: JSON.stringify([flags.clouds, flags.patch, flags.dataset, flags.inputScale, flags.inputOffset]),
  };
}

function tell({ output: cube, stage1, description, seconds, bounded }: PredictResult, output: Output): void {
  const { counts } = cube;
  const values = counts.pixels * description.bands;
  if (counts.clamped > 0)
    output.warn(
      `${counts.clamped} values (${((100 * counts.clamped) / values).toFixed(3)} %) lie beyond int16 at scale ${description.scale} and were cut off; give a smaller --scale`,
    );
  if (counts.nodata === counts.pixels) output.warn('no pixel of the input is valid: the whole result is nodata');
  const valid = (counts.pixels - counts.nodata) * description.bands;
  if (bounded)
    output.line(
      `${valid === 0 ? '0' : ((100 * counts.bounded) / valid).toFixed(2)} % of the values were held at a bound of what the input allows`,
    );
  const peak = peakMemory();
  const rate = counts.pixels / seconds;
  output.line(
    `wrote ${cube.dataPath}: ${bytes(cube.bytes)}, ${((100 * counts.nodata) / counts.pixels).toFixed(1)} % nodata, in ${duration(seconds)} (${rate.toFixed(0)} px/s), ${bytes(peak)} of memory at most`,
  );
  if (stage1) output.line(`wrote ${stage1.dataPath}: ${bytes(stage1.bytes)}`);
  output.event('done', {
    data: cube.dataPath,
    header: cube.headerPath,
    bytes: cube.bytes,
    ...counts,
    bounded_share: bounded && valid > 0 ? counts.bounded / valid : null,
    seconds,
    peak_rss_bytes: peak,
    ...(stage1 ? { stage1: stage1.dataPath } : {}),
  });
}
