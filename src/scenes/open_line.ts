/** Opens what `prepare` takes: an ENVI cube, or a product of an imaging spectrometer. */
import { BandliftError } from '../base/errors.js';
import { openEnvi } from '../raster/envi.js';
import { enmapFiles, openEnmapScene } from './enmap.js';
import { EnviScene } from './envi_scene.js';
import type { LineOptions, LineScene } from './line_scene.js';
import { kindOf } from './scene_kind.js';
import { openStackScene } from './stack_scene.js';
import type { TiffCube } from './tiff_cube.js';

const KINDS = ['ENVI cube', 'spectrometer product', 'EnMAP product', 'stacked GeoTIFF'] as const;
type LineKind = (typeof KINDS)[number];

/** Throws where a path is a scene of another kind. */
async function checkKind(path: string): Promise<LineKind> {
  const kind = await kindOf(path).catch(async (error: unknown) => {
    // of a folder of cubes it is told which to give
    if (error instanceof BandliftError && error.message.includes('is a folder')) await openEnvi(path);
    throw error;
  });
  const own = KINDS.find((known) => known === kind);
  if (own !== undefined) return own;
  throw new BandliftError('is no cube to make patches of', {
    file: path,
    found: `a ${kind}`,
    expected: 'an ENVI cube, a GeoTIFF cube or a product of an imaging spectrometer',
  });
}

/** Errors: BandliftError naming file and field. */
export async function openLine(path: string, options: LineOptions = {}): Promise<LineScene> {
  const kind = await checkKind(path);
  if (kind !== 'spectrometer product') refuseOrtho(path, kind, options);
  if (kind === 'ENVI cube') return EnviScene.open(path, options);
  if (kind === 'EnMAP product') return openEnmapScene(path, options);
  const { bands: _, ...rest } = options;
  if (kind === 'stacked GeoTIFF')
    return (await openStackScene(path, { ...rest, cube: options.bands ?? 'all' })) as TiffCube;
  // with the HDF5 library, which takes longer to load than a small scene to open
  return (await import('./hdf5_products.js')).openHdf5Product(path, options);
}

function refuseOrtho(path: string, found: string, { ortho }: LineOptions): void {
  if (ortho)
    throw new BandliftError('is for products with a lookup table of their own (EMIT)', {
      file: path,
      field: '--ortho',
      found,
      hint: 'leave --ortho out',
    });
}

/** The files that decide what a scene is: its data, and the header beside them where there is one. */
export async function lineFiles(path: string): Promise<{ readonly headerPath?: string; readonly dataPath: string }> {
  const kind = await checkKind(path);
  if (kind === 'ENVI cube') return openEnvi(path);
  if (kind !== 'EnMAP product') return { dataPath: path };
  const { image, table } = enmapFiles(path);
  return { headerPath: table, dataPath: image };
}
