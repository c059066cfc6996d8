/** Opens whatever the user gives as a scene, by what the path is: a Landsat product, a GeoTIFF, an ENVI cube, a patch file. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { hasHeader } from '../raster/envi_pair.js';
import { beginsLikeTiff } from '../raster/foreign_files.js';
import { openEnviScene } from './envi_scene.js';
import { holdsLandsat, isLandsatPart, type LandsatOptions, openLandsatScene } from './landsat.js';
import type { PatchSceneOptions } from './patch_scenes.js';
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

/** Whether the path is named like a patch file. */
export const isPatchFile = (path: string): boolean => HDF5.has(extname(path).toLowerCase());

async function openPatch(path: string, options: OpenOptions): Promise<Scene> {
  // with the HDF5 library, which takes longer to load than a small scene to open
  const { openPatchScenes } = await import('./patch_scenes.js');
  const scenes = await openPatchScenes(path, options);
  const wanted = options.patch ?? (scenes.length === 1 ? 0 : undefined);
  const scene = wanted === undefined ? undefined : scenes[wanted];
  await Promise.all(scenes.filter((other) => other !== scene).map((other) => other.close()));
  if (scene === undefined)
    throw new BandliftError(wanted === undefined ? 'holds several patches' : 'has no such patch', {
      file: path,
      found: wanted ?? `${scenes.length} patches`,
      expected: wanted === undefined ? 'the number of one' : `0 to ${scenes.length - 1}`,
      hint: `give --patch NUMBER, from 0 to ${scenes.length - 1}`,
    });
  return scene;
}

type Kind = 'Landsat product' | 'stacked GeoTIFF' | 'patch file' | 'ENVI cube';

/** Who tells the scale of the others. */
const NO_SCALE: Partial<Record<Kind, string>> = {
  'Landsat product': 'its scale and offset are those of Collection 2, or of its _MTL file',
  'ENVI cube': 'the header tells it: reflectance scale factor = 10000',
  'patch file': 'the file tells it: attribute scale',
};

/** What only one kind of input has, by the command line's names. */
const OPTIONS_OF: readonly [option: keyof OpenOptions, flag: string, kind: Kind, why: Partial<Record<Kind, string>>][] =
  [
    ['scale', '--input-scale', 'stacked GeoTIFF', NO_SCALE],
    ['offset', '--input-offset', 'stacked GeoTIFF', NO_SCALE],
    ['clouds', '--clouds', 'Landsat product', {}],
    ['patch', '--patch', 'patch file', {}],
    ['dataset', '--dataset', 'patch file', {}],
  ];

/** Throws a usage error for an option that would be ignored. */
function refuseOptions(kind: Kind, path: string, options: OpenOptions): void {
  for (const [option, flag, only, why] of OPTIONS_OF)
    if (options[option] !== undefined && kind !== only)
      throw new BandliftError(
        `is for a ${only}`,
        {
          file: path,
          field: flag,
          found: `${kind === 'ENVI cube' ? 'an' : 'a'} ${kind}`,
          hint: why[kind] ?? `leave ${flag} out`,
        },
        EXIT.usage,
      );
}

async function kindOf(path: string): Promise<Kind> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (info.isDirectory()) {
    if (await holdsLandsat(path)) return 'Landsat product';
    throw new BandliftError('is a folder without a Landsat product', {
      file: path,
      expected: '*_SR_B1.TIF to *_SR_B7.TIF',
      hint: 'of other scenes give the file',
    });
  }
  if (isLandsatPart(path)) return 'Landsat product';
  if (isPatchFile(path)) return 'patch file';
  // ENVI data may be called anything, and a GeoTIFF may have an ENVI header beside it
  const isTiff = TIFF.has(extname(path).toLowerCase()) && (!hasHeader(path) || beginsLikeTiff(path));
  return isTiff ? 'stacked GeoTIFF' : 'ENVI cube';
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
    if (input.some(isLandsatPart)) {
      refuseOptions('Landsat product', input[0]!, options);
      return openLandsatScene(input, options);
    }
    throw new BandliftError('is not a scene', {
      file: listOf(input),
      found: `${input.length} files`,
      expected: 'one path, or the files of one Landsat product (*_SR_B1.TIF ...)',
    });
  }
  const kind = await kindOf(input);
  refuseOptions(kind, input, options);
  switch (kind) {
    case 'Landsat product':
      return openLandsatScene(input, options);
    case 'stacked GeoTIFF':
      return openStackScene(input, options);
    case 'patch file':
      return openPatch(input, options);
    case 'ENVI cube':
      return openEnviScene(input, options.enviBands === undefined ? {} : { bands: options.enviBands });
  }
}

/** A few paths of a list, for a message. */
function listOf(paths: readonly string[]): string {
  const most = 3;
  return `${paths.slice(0, most).join(', ') || '(nothing)'}${paths.length > most ? ` and ${paths.length - most} more` : ''}`;
}
