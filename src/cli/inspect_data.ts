/** `inspect` of data: patches, folders, and every scene that predict or prepare reads, described in the same words. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { BlockCache } from '../raster/block_cache.js';
import { crsName } from '../raster/crs.js';
import { hasHeader, isHeaderName } from '../raster/envi_pair.js';
import { beginsLikeTiff } from '../raster/foreign_files.js';
import { pixelToMap } from '../raster/geo.js';
import { readGeoReference } from '../raster/geotiff_keys.js';
import { TiffRaster } from '../raster/tiff_raster.js';
import type { GeoReference } from '../raster/types.js';
import { enmapIn } from '../scenes/enmap.js';
import { EnviScene } from '../scenes/envi_scene.js';
import { holdsHls } from '../scenes/hls.js';
import { holdsLandsat } from '../scenes/landsat.js';
import { openScene } from '../scenes/open.js';
import { kindOf } from '../scenes/scene_kind.js';
import type { Scene } from '../scenes/types.js';
import { type Facts, range, size, told } from './inspect_facts.js';

const TIFF = /\.tiff?$/i;

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

function sceneFacts(kind: string, scene: Scene): Facts {
  const bad = scene.goodBands?.filter((good) => good === 0).length ?? 0;
  return {
    kind: scene.kind ?? kind,
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

async function inspectFolder(path: string): Promise<Facts> {
  if ((await holdsLandsat(path)) || (await holdsHls(path)) || enmapIn(path) !== undefined)
    return inspectScene('Landsat product', path);
  const names = readdirSync(path).sort();
  const headers = names.filter(isHeaderName);
  if (headers.length === 0 || names.some((name) => /\.(h5|hdf5)$/i.test(name)))
    return (await import('./inspect_patches.js')).inspectPatches(path);
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
  const kind = await kindOf(path);
  if (kind === 'spectrometer product') return inspectScene(kind, path);
  if (kind === 'patch file') return (await import('./inspect_patches.js')).inspectPatchFile(path);
  if (kind === 'Landsat product' || kind === 'HLS product' || kind === 'EnMAP product') return inspectScene(kind, path);
  if (TIFF.test(path) && (!hasHeader(path) || beginsLikeTiff(path))) return inspectTiff(path);
  return inspectCube(path);
}
