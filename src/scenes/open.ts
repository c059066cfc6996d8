/** Opens whatever the user gives as a scene, by what the path is: a Landsat product, a GeoTIFF, an ENVI cube, a patch file. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { hasHeader } from '../data/envi_pair.js';
import { beginsLikeTiff } from '../data/foreign_files.js';
import { BandliftError, EXIT } from '../errors.js';
import { fileError } from '../io/files.js';
import { openEnviScene } from './envi_scene.js';
import { holdsLandsat, isLandsatPart, type LandsatOptions, openLandsatScene } from './landsat.js';
import { openPatchScenes, type PatchSceneOptions } from './patch_scenes.js';
import { openStackScene, type StackOptions } from './stack_scene.js';
import type { Scene } from './types.js';

export interface OpenOptions extends LandsatOptions, StackOptions, PatchSceneOptions {
  /** Which patch of a patch file; needed where it holds more than one. */
  readonly patch?: number;
  /** Of an ENVI cube: all bands, or those kept for stage 1 (a prediction of stage 2 alone). */
  readonly enviBands?: 'all' | 'kept';
}

const TIFF = new Set(['.tif', '.tiff']);
const HDF5 = new Set(['.h5', '.hdf5', '.he5']);

async function openPatch(path: string, options: OpenOptions): Promise<Scene> {
  const scenes = await openPatchScenes(path, options);
  const wanted = options.patch ?? (scenes.length === 1 ? 0 : undefined);
  const scene = wanted === undefined ? undefined : scenes[wanted];
  await Promise.all(scenes.filter((other) => other !== scene).map((other) => other.close()));
  if (scene === undefined)
    throw new BandliftError(wanted === undefined ? 'holds several patches' : 'has no such patch', {
      file: path,
      found: wanted ?? `${scenes.length} patches`,
      expected: wanted === undefined ? 'the number of one' : `0 to ${scenes.length - 1}`,
    });
  return scene;
}

/**
 * Opens a scene. Nothing but headers is read.
 *
 * @param input a folder or file of a Landsat Collection-2 level-2 product (or a list of its files), a stacked GeoTIFF, an
 *   ENVI cube or its header, or a patch file
 * @throws BandliftError in one line: file, field, what was found and what was expected
 */
export async function openScene(input: string | readonly string[], options: OpenOptions = {}): Promise<Scene> {
  if (typeof input !== 'string') {
    if (input.length === 1) return openScene(input[0]!, options);
    if (input.length > 1 && input.every(isLandsatPart)) return openLandsatScene(input, options);
    throw new BandliftError('is no scene', {
      file: input.join(', ') || '(nothing)',
      found: `${input.length} files`,
      expected: 'one path, or the files of one Landsat product (*_SR_B1.TIF ...)',
    });
  }
  const path = input;
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (info.isDirectory()) {
    if (await holdsLandsat(path)) return openLandsatScene(path, options);
    throw new BandliftError('is a folder without a Landsat product', {
      file: path,
      expected: '*_SR_B1.TIF to *_SR_B7.TIF',
      hint: 'of other scenes give the file',
    });
  }
  const extension = extname(path).toLowerCase();
  if (isLandsatPart(path)) return openLandsatScene(path, options);
  // ENVI data may be called anything, and a GeoTIFF may have an ENVI header beside it
  if (TIFF.has(extension) && (!hasHeader(path) || beginsLikeTiff(path))) return openStackScene(path, options);
  if (options.scale !== undefined || options.offset !== undefined)
    throw new BandliftError(
      'scale and offset are for stacked GeoTIFFs',
      { file: path, hint: 'ENVI headers (reflectance scale factor) and patch files say it themselves' },
      EXIT.usage,
    );
  if (HDF5.has(extension)) return openPatch(path, options);
  return openEnviScene(path, options.enviBands === undefined ? {} : { bands: options.enviBands });
}
