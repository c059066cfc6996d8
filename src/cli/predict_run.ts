/** `bandlift predict` at work: from a Landsat scene to a cube of hundreds of bands at 30 m (stage 1) or 4 m (both stages). */
import { formatBytes, parseBytes } from '../base/bytes.js';
import { duration } from '../base/duration.js';
import { EXIT } from '../base/errors.js';
import { peakMemory } from '../base/peak_memory.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { checkDefaultModel, defaultModelPath } from '../predict/default_model.js';
import { outputPath } from '../predict/outputs.js';
import { boundedShare, type PredictOptions, type PredictResult, planOnly, predict } from '../predict/predict.js';
import { Interrupted } from '../predict/segment_run.js';
import { type OpenOptions, openScene } from '../scenes/open.js';
import { isPatchFile, isProduct } from '../scenes/scene_kind.js';
import type { Scene } from '../scenes/types.js';
import { loadBandCentres } from '../spectra/band_centres_csv.js';
import type { DeviceFlags } from './device_options.js';
import { onInterrupt } from './interrupt.js';
import { Output } from './output.js';

export interface PredictFlags extends DeviceFlags {
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
  readonly ortho?: boolean;
  readonly wavelengths?: string;
  readonly patch?: number;
  readonly dataset?: 'landsat_lr' | 'landsat' | 'aviris_lr' | 'aviris';
  readonly inputScale?: number;
  readonly inputOffset?: number;
  readonly forceUnits?: boolean;
  readonly keepStage1?: boolean;
  readonly uncertainty?: 'sd' | 'interval';
  readonly tile?: number;
  readonly maxMemory?: string;
  readonly resume?: boolean;
  readonly restart?: boolean;
  readonly overwrite?: boolean;
  readonly plan?: boolean;
  readonly json?: boolean;
}

interface Chosen {
  readonly device: DeviceChoice;
  /** Whether --clouds was given, which scenes without QA_PIXEL refuse. */
  readonly cloudsGiven: boolean;
}

export async function runPredict(input: string[], flags: PredictFlags, { device, cloudsGiven }: Chosen): Promise<void> {
  const output = new Output(flags.json === true);
  const scene = await openInput(input, flags, cloudsGiven);
  const interrupt = onInterrupt('stopping after this tile');
  try {
    if (usesDefault(flags)) checkDefaultModel(scene, flags.forceUnits === true);
    const options = predictOptions(flags, scene, device);
    if (flags.plan) await planOnly(scene, options, output);
    else tell(await predict(scene, options, { reporter: output, interrupted: () => interrupt.requested }), output);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.stderr.write('interrupted; run the same command again to continue\n');
    output.event('interrupted', { out: flags.out });
    process.exitCode = EXIT.interrupted;
  } finally {
    interrupt.dispose();
    await scene.close();
  }
}

/** Whether no model was named: then the one that comes with bandlift is used. */
const usesDefault = ({ stage1, stage2 }: PredictFlags): boolean => stage1 === undefined && stage2 === undefined;

/** The input; for stage 2 alone of an airborne cube only the bands kept for stage 1, where that is what the model takes. */
async function openInput(input: string[], flags: PredictFlags, cloudsGiven: boolean): Promise<Scene> {
  const path = input.length === 1 ? input[0]! : input;
  const options = await openOptions(input, flags, cloudsGiven);
  const scene = await openScene(path, options);
  if (flags.stage2 === undefined || flags.stage1 !== undefined || flags.stage2 === 'bicubic') return scene;
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

async function openOptions(input: string[], flags: PredictFlags, cloudsGiven: boolean): Promise<OpenOptions> {
  const patches = flags.stage1 === undefined && flags.stage2 !== undefined && input.every(isPatchFile);
  const narrow = patches && !(await isProduct(input[0]!));
  const dataset = flags.dataset ?? (narrow ? 'aviris_lr' : undefined);
  return {
    ...(cloudsGiven ? { clouds: flags.clouds } : {}),
    enviBands: 'all',
    ...(flags.maxMemory === undefined
      ? {}
      : { cacheBytes: Math.min(2 ** 26, parseBytes(flags.maxMemory, 'max-memory') / 16) }),
    ...(flags.ortho ? { ortho: true } : {}),
    ...(flags.wavelengths === undefined ? {} : { bandCentres: loadBandCentres(flags.wavelengths) }),
    ...(flags.patch === undefined ? {} : { patch: flags.patch }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(flags.inputScale === undefined ? {} : { scale: flags.inputScale }),
    ...(flags.inputOffset === undefined ? {} : { offset: flags.inputOffset }),
  };
}

function predictOptions(flags: PredictFlags, scene: Scene, device: DeviceChoice): PredictOptions {
  const { stage2, stage1Stats, stage2Stats, backProjections, projection, roi, roiMap, tile, scale } = flags;
  const stage1 = usesDefault(flags) ? defaultModelPath() : flags.stage1;
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
    ...(flags.uncertainty === undefined ? {} : { uncertainty: flags.uncertainty }),
    overwrite: flags.overwrite === true,
    resume: flags.resume ? 'require' : flags.restart ? 'restart' : 'auto',
    inputKey: JSON.stringify([
      flags.clouds,
      flags.patch,
      flags.dataset,
      flags.inputScale,
      flags.inputOffset,
      ...(flags.ortho ? ['ortho'] : []),
      ...(flags.wavelengths === undefined ? [] : [flags.wavelengths]),
    ]),
  };
}

function tell(result: PredictResult, output: Output): void {
  const { output: cube, stage1, description, seconds, bounded, stage1Bounded, uncertainty } = result;
  const { counts } = cube;
  tellClamped(cube, description.scale, '', output);
  if (uncertainty) tellClamped(uncertainty.cube, description.scale, 'uncertainty: ', output);
  if (counts.nodata === counts.pixels) output.warn('no pixel of the input is valid: the whole result is nodata');
  const share = boundedShare(cube, description.bands);
  const held = (part: number) =>
    `${(100 * part).toFixed(2)} % of the values were held at a bound of what the input allows`;
  if (stage1Bounded !== undefined) output.line(`stage 1: ${held(stage1Bounded)}`);
  if (bounded) output.line(held(share));
  const peak = peakMemory();
  const rate = counts.pixels / seconds;
  output.line(
    `wrote ${cube.dataPath}: ${formatBytes(cube.bytes)}, ${((100 * counts.nodata) / counts.pixels).toFixed(1)} % nodata, in ${duration(seconds)} (${rate.toFixed(0)} px/s), ${formatBytes(peak)} of memory at most`,
  );
  if (uncertainty) tellUncertainty(uncertainty, output);
  if (stage1) output.line(`wrote ${stage1.dataPath}: ${formatBytes(stage1.bytes)}`);
  output.event('done', {
    data: cube.dataPath,
    header: cube.headerPath,
    bytes: cube.bytes,
    ...counts,
    bounded_share: bounded && counts.nodata < counts.pixels ? share : null,
    ...(stage1Bounded === undefined ? {} : { stage1_bounded_share: stage1Bounded }),
    seconds,
    peak_rss_bytes: peak,
    ...(stage1 ? { stage1: stage1.dataPath } : {}),
    ...(uncertainty
      ? {
          uncertainty: uncertainty.cube.dataPath,
          distance: uncertainty.distance.dataPath,
          beyond_training_share: uncertainty.beyond,
          calibration_scenes: uncertainty.scenes,
        }
      : {}),
  });
}

const INT16_BYTES = 2;

function tellClamped(
  { counts: { clamped }, bytes }: PredictResult['output'],
  scale: number | undefined,
  what: string,
  output: Output,
): void {
  if (clamped === 0) return;
  const share = ((100 * clamped * INT16_BYTES) / bytes).toFixed(3);
  output.warn(
    `${what}${clamped} values (${share} %) lie beyond int16 at scale ${scale} and were cut off; give a smaller --scale`,
  );
}

function tellUncertainty(
  { cube, distance, beyond, scenes }: NonNullable<PredictResult['uncertainty']>,
  output: Output,
): void {
  output.line(`wrote ${cube.dataPath}: ${formatBytes(cube.bytes)}, calibrated on ${scenes} scenes`);
  output.line(
    `wrote ${distance.dataPath}: ${(100 * beyond).toFixed(1)} % of the valid pixels lie beyond the training range`,
  );
}
