/** `bandlift calibrate` at work: a model and known pixels of a scene become a model for that scene. */
import { existsSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { loadModel, saveSceneModel } from '../checkpoint/checkpoint.js';
import { calibratable, calibrateModel, knownScene } from '../fitted/calibrate.js';
import { type KnownSpectra, readKnownCube, readKnownTable } from '../fitted/known_pixels.js';
import { checkDefaultModel, defaultModelPath } from '../predict/default_model.js';
import { checkValues } from '../predict/plausibility.js';
import { openScene } from '../scenes/open.js';
import type { Scene } from '../scenes/types.js';
import { Output } from './output.js';

export interface CalibrateFlags {
  readonly scene: string;
  readonly out: string;
  readonly spectra?: string;
  readonly cube?: string;
  readonly model?: string;
  readonly keepOutliers?: boolean;
  readonly inputScale?: number;
  readonly inputOffset?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

async function readKnown({ spectra, cube }: CalibrateFlags, scene: Scene): Promise<KnownSpectra> {
  if (spectra !== undefined) return readKnownTable(spectra, scene);
  const line = await openScene(cube!, { enviBands: 'all' });
  try {
    return await readKnownCube(line, scene);
  } finally {
    await line.close();
  }
}

/** Names of skipped pixels that are printed. */
const MOST_NAMES = 5;

export async function runCalibrate(flags: CalibrateFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const path = flags.model ?? defaultModelPath();
  const fail = (message: string, hint: string) => new BandliftError(message, { file: flags.out, hint }, EXIT.usage);
  if (!/\.safetensors$/i.test(flags.out)) throw fail('a checkpoint ends in .safetensors', `${flags.out}.safetensors`);
  if (existsSync(flags.out) && !flags.force) throw fail('exists already', 'give another name, or --force');
  if (existsSync(flags.out) && realpathSync(flags.out) === realpathSync(path))
    throw fail('is the model that is calibrated, which is never written over', 'give another name');
  const stored = await loadModel(path);
  const ofScenes = calibratable(stored, path);
  const scene = await openScene(flags.scene, {
    enviBands: 'all',
    ...(flags.inputScale === undefined ? {} : { scale: flags.inputScale }),
    ...(flags.inputOffset === undefined ? {} : { offset: flags.inputOffset }),
  });
  try {
    for (const warning of scene.warnings) output.warn(warning);
    checkDefaultModel(scene, false);
    const { bands, normalization } = ofScenes.facts;
    const model = { path, normalization, ...(bands.units === null ? {} : { units: bands.units }) };
    const whole = { y: 0, x: 0, height: scene.height, width: scene.width };
    for (const warning of await checkValues(model, scene, whole, 'never')) output.warn(warning);
    const known = await readKnown(flags, scene);
    const { pixels, names, skipped } = await knownScene(known, scene, bands);
    if (skipped.length > 0)
      output.warn(
        `${skipped.length} known pixels are clouds or nodata in the scene and are left out: ${skipped.slice(0, MOST_NAMES).join('; ')}${skipped.length > MOST_NAMES ? '; ...' : ''}`,
      );
    if (pixels.count === 0) {
      await writeFileAtomic(flags.out, await readFile(path));
      output.warn('no known pixel: the model is written as it was');
      output.event('calibrate', { out: flags.out, pixels: 0 });
      return;
    }
    const found = calibrateModel(stored, ofScenes, pixels, names, flags.keepOutliers === true);
    await saveSceneModel(flags.out, found.model, found.parameters, found.scenes);
    const { strength } = found.scenes.facts.calibration!;
    output.line(`${pixels.count} known pixels of ${scene.name}, prior times ${strength}`);
    output.line(
      `known pixels, each left out: ${found.before.toFixed(2)} degrees in clear bands before, ${found.after.toFixed(2)} after`,
    );
    output.line('standard deviation to expect, share of brightness, with so many pixels like these:');
    output.line(found.curve.map((c) => `${c.pixels}: ${(100 * c.deviation).toFixed(1)} %`).join('   '));
    output.line(`wrote ${flags.out}: predict this scene with --stage1 ${flags.out}`);
    output.event('calibrate', {
      out: flags.out,
      pixels: pixels.count,
      strength,
      before_degrees: found.before,
      after_degrees: found.after,
      curve: found.curve,
    });
  } finally {
    await scene.close();
  }
}
