/** `inspect` of data: patches, folders, and every scene that predict or prepare reads, described in the same words. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { listPatchFiles, openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { BlockCache } from '../raster/block_cache.js';
import { crsName } from '../raster/crs.js';
import { hasHeader, isHeaderName } from '../raster/envi_pair.js';
import { beginsLikeTiff, notEnvi } from '../raster/foreign_files.js';
import { pixelToMap } from '../raster/geo.js';
import { readGeoReference } from '../raster/geotiff_keys.js';
import { TiffRaster } from '../raster/tiff_raster.js';
import type { GeoReference } from '../raster/types.js';
import { EnviScene } from '../scenes/envi_scene.js';
import { holdsLandsat, isLandsatPart } from '../scenes/landsat.js';
import { openScene } from '../scenes/open.js';
import type { Scene } from '../scenes/types.js';

export type Facts = Record<string, unknown>;

export const range = (values: ArrayLike<number> | undefined) =>
  values && values.length > 0 ? `${values[0]!.toFixed(1)} to ${values[values.length - 1]!.toFixed(1)} nm` : 'unknown';

const TIFF = /\.tiff?$/i;
const size = (height: number, width: number) => `${height} x ${width} pixels`;

function place(georeference: GeoReference | undefined): Facts {
  if (georeference === undefined) return { place: 'unknown' };
  const g = georeference.geotransform;
  const [x, y] = pixelToMap(g, 0, 0);
  const [across, down] = [Math.hypot(g[1], g[4]), Math.hypot(g[2], g[5])];
  const short = (value: number) => Number(value.toPrecision(7));
  return {
    place: `outer corner ${x}, ${y}; pixels of ${short(across)} x ${short(down)} map units${g[2] !== 0 || g[4] !== 0 ? ', turned' : ''}`,
    coordinate_system: crsName(georeference.crsWkt),
  };
}

const told = (warnings: readonly string[]): Facts => (warnings.length > 0 ? { warnings: warnings.join('; ') } : {});

function sceneFacts(kind: string, scene: Scene): Facts {
  const bad = scene.goodBands?.filter((good) => good === 0).length ?? 0;
  return {
    kind,
    size: size(scene.height, scene.width),
    bands: bad === 0 ? scene.bands : `${scene.bands}, ${bad} of them bad`,
    wavelengths: range(scene.wavelength),
    units: scene.units ?? 'unknown',
    sensor: scene.sensor ?? 'unknown',
    ...place(scene.georeference),
    ...told(scene.warnings),
  };
}

async function inspectScene(kind: string, path: string): Promise<Facts> {
  const scene = await openScene(path);
  try {
    return sceneFacts(kind, scene);
  } finally {
    await scene.close();
  }
}

/** Of a GeoTIFF that predict does not take as it is: what it holds, and why. */
async function inspectRaster(path: string, why: BandliftError): Promise<Facts> {
  const raster = await TiffRaster.open(path, new BlockCache());
  try {
    const { height, width, bands, type } = raster.layout;
    const { georeference, warnings } = await readGeoReference(raster.tags);
    return {
      kind: 'GeoTIFF',
      size: size(height, width),
      bands,
      type,
      ...place(georeference),
      predict: why.message,
      ...told(warnings),
    };
  } finally {
    await raster.close();
  }
}

async function inspectTiff(path: string): Promise<Facts> {
  try {
    return await inspectScene('GeoTIFF stack', path);
  } catch (error) {
    if (!(error instanceof BandliftError)) throw error;
    return inspectRaster(path, error);
  }
}

async function inspectCube(path: string): Promise<Facts> {
  const scene = await EnviScene.open(path);
  const { header, dataPath } = scene.cube;
  const facts = sceneFacts('ENVI cube', scene);
  await scene.close();
  return {
    ...facts,
    data: dataPath,
    ...Object.fromEntries(Object.entries(header).filter(([, v]) => typeof v !== 'object')),
    bands: facts.bands,
  };
}

function patchFacts(set: PatchSet): Facts {
  const first = set.files[0]!;
  return {
    kind: 'patches',
    patches: set.count,
    size: `${size(set.height, set.width)}${set.sides.target === 'aviris_lr' ? " of Landsat's grid (and the fine grid beside it)" : ''}`,
    bands: `${set.inBands} -> ${set.outBands}`,
    wavelengths: range(first.wavelength),
    units: first.units ?? 'unknown',
    sensor: first.sensor ?? 'unknown',
    scenes: [...new Set(set.files.map((f) => f.scene))].join(', '),
    origins: set.files.every((f) => f.origins) ? 'known' : 'unknown',
    files: set.files.map((f) => `${f.path} (${f.patches})`).join(', '),
    ...told(set.warnings),
  };
}

/** Patch files; those that cannot be trained on together are listed one by one, with the reason. */
async function inspectPatches(path: string): Promise<Facts> {
  const files = listPatchFiles([path]);
  if (files.length === 1) return patchFacts(await openPatchSet(files));
  try {
    return patchFacts(await openPatchSet(files));
  } catch (error) {
    if (!(error instanceof BandliftError)) throw error;
    const facts: Facts = { kind: 'patches that do not belong together', why: error.message };
    for (const file of files)
      facts[file] = await openPatchSet([file]).then(
        (set) =>
          `${set.count} patches of ${size(set.height, set.width)}, bands ${set.inBands} -> ${set.outBands}, ${range(set.files[0]!.wavelength)}`,
        (reason: Error) => reason.message,
      );
    return facts;
  }
}

async function inspectFile(path: string): Promise<Facts> {
  try {
    return await inspectPatches(path);
  } catch (error) {
    const missing =
      error instanceof BandliftError && /dataset 'aviris' is missing; found (.*), exp/.exec(error.message);
    const foreign = missing ? notEnvi(path) : undefined;
    if (!missing || foreign === undefined) throw error;
    throw new BandliftError("is not a patch file: it has no dataset 'aviris'", {
      file: path,
      found: missing[1]!,
      hint: `if it is a product of an instrument (NEON, PRISMA, EMIT ...), ${foreign.detail.hint}`,
    });
  }
}

async function inspectFolder(path: string): Promise<Facts> {
  if (await holdsLandsat(path)) return inspectScene('Landsat product', path);
  const names = readdirSync(path).sort();
  const headers = names.filter(isHeaderName);
  if (headers.length === 0 || names.some((name) => /\.(h5|hdf5)$/i.test(name))) return inspectPatches(path);
  const facts: Facts = { kind: 'ENVI cubes' };
  for (const name of headers)
    facts[name] = await inspectCube(join(path, name)).then(
      (cube) => `${cube.size}, ${cube.bands} bands, ${cube.wavelengths}, ${cube.units}`,
      (reason: Error) => reason.message,
    );
  return facts;
}

/** Facts of a file or folder of data. Errors: BandliftError, which names what it is where it is nothing that is read. */
export async function inspectData(path: string, isFolder: boolean): Promise<Facts> {
  if (isFolder) return inspectFolder(path);
  if (/\.(h5|hdf5|hdf|he5)$/i.test(path)) return inspectFile(path);
  if (isLandsatPart(path)) return inspectScene('Landsat product', path);
  if (TIFF.test(path) && (!hasHeader(path) || beginsLikeTiff(path))) return inspectTiff(path);
  return inspectCube(path);
}
