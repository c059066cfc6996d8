/** Opens whatever the user gives as a scene, by what the path is: a Landsat product, a GeoTIFF, an ENVI cube, a product of an imaging spectrometer, a patch file. */
import { BandliftError, EXIT } from '../base/errors.js';
import type { BandCentres } from '../spectra/band_centres_csv.js';
import { openEnmapScene } from './enmap.js';
import { openEnviScene } from './envi_scene.js';
import { openHlsScene } from './hls.js';
import { isLandsatPart, type LandsatOptions, openLandsatScene } from './landsat.js';
import type { LineOptions } from './line_scene.js';
import type { PatchSceneOptions } from './patch_scenes.js';
import { kindOf, type SceneKind } from './scene_kind.js';
import { openStackScene, type StackOptions } from './stack_scene.js';
import type { Scene } from './types.js';

export interface OpenOptions extends LandsatOptions, Omit<StackOptions, 'cube'>, PatchSceneOptions {
  /** Which patch of a patch file; needed where it holds more than one. */
  readonly patch?: number;
  /** Of an ENVI cube or a spectrometer's product: all bands, or those kept for stage 1 (a prediction of stage 2 alone). */
  readonly enviBands?: 'all' | 'kept';
  /** Of a spectrometer's product that keeps the sensor's own lines (EMIT): laid on the ground by its lookup table. */
  readonly ortho?: boolean;
  /** Of cubes: wavelengths of the stored bands, instead of what the file says. */
  readonly bandCentres?: BandCentres;
}

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

/** Who tells the scale of the others. */
const NO_SCALE: Partial<Record<SceneKind, string>> = {
  'HLS product': 'its scale is 0.0001',
  'Landsat product': 'its scale and offset are those of Collection 2, or of its _MTL file',
  'ENVI cube': 'the header tells it: reflectance scale factor = 10000',
  'EnMAP product': 'its metadata tell it',
  'patch file': 'the file tells it: attribute scale',
  'spectrometer product': 'the file tells it',
};

/** What only one kind of input has, by the command line's names. */
const OPTIONS_OF: readonly [
  option: keyof OpenOptions,
  flag: string,
  kinds: readonly SceneKind[],
  why: Partial<Record<SceneKind, string>>,
][] = [
  ['scale', '--input-scale', ['stacked GeoTIFF'], NO_SCALE],
  ['offset', '--input-offset', ['stacked GeoTIFF'], NO_SCALE],
  ['clouds', '--clouds', ['Landsat product', 'HLS product'], {}],
  ['patch', '--patch', ['patch file'], {}],
  ['dataset', '--dataset', ['patch file'], {}],
  ['ortho', '--ortho', ['spectrometer product'], {}],
  ['bandCentres', '--wavelengths', ['ENVI cube', 'spectrometer product', 'EnMAP product', 'stacked GeoTIFF'], {}],
];

const withArticle = (kind: SceneKind) => `${/^(E|HLS)/.test(kind) ? 'an' : 'a'} ${kind}`;

/** Throws a usage error for an option that would be ignored. */
function refuseOptions(kind: SceneKind, path: string, options: OpenOptions): void {
  for (const [option, flag, only, why] of OPTIONS_OF)
    if (options[option] !== undefined && !only.includes(kind))
      throw new BandliftError(
        `is for ${only.map(withArticle).join(' or ')}`,
        {
          file: path,
          field: flag,
          found: withArticle(kind),
          hint: why[kind] ?? `leave ${flag} out`,
        },
        EXIT.usage,
      );
}

/**
 * Opens a scene. Nothing but headers is read.
 *
 * @param input a folder or file of a Landsat Collection-2 level-2 product (or a list of its files), a stacked GeoTIFF, an
 *   ENVI cube or its header, a product of an imaging spectrometer (HDF5, netCDF-4), or a patch file
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
    case 'HLS product':
      return openHlsScene(input, options);
    case 'stacked GeoTIFF':
      return openStackScene(input, options);
    case 'EnMAP product':
      return openEnmapScene(input, cubeOptions(options));
    case 'patch file':
      return openPatch(input, options);
    case 'spectrometer product':
      return (await import('./hdf5_products.js')).openHdf5Product(input, cubeOptions(options));
    case 'ENVI cube':
      return openEnviScene(input, cubeOptions(options));
  }
}

/** What a cube is asked for. */
const cubeOptions = ({ enviBands, bandCentres, ortho, cacheBytes }: OpenOptions): LineOptions => ({
  ...(enviBands === undefined ? {} : { bands: enviBands }),
  ...(bandCentres === undefined ? {} : { bandCentres }),
  ...(ortho === undefined ? {} : { ortho }),
  ...(cacheBytes === undefined ? {} : { cacheBytes }),
});

/** A few paths of a list, for a message. */
function listOf(paths: readonly string[]): string {
  const most = 3;
  return `${paths.slice(0, most).join(', ') || '(nothing)'}${paths.length > most ? ` and ${paths.length - most} more` : ''}`;
}
