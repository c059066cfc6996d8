/** Opens what `prepare` takes: an ENVI cube, or a product of an imaging spectrometer. */
import { BandliftError } from '../base/errors.js';
import { openEnvi } from '../raster/envi.js';
import { EnviScene } from './envi_scene.js';
import type { LineOptions, LineScene } from './line_scene.js';
import { kindOf } from './scene_kind.js';

/** Throws where a path is a scene of another kind. */
async function checkKind(path: string): Promise<'ENVI cube' | 'spectrometer product'> {
  const kind = await kindOf(path);
  if (kind === 'ENVI cube' || kind === 'spectrometer product') return kind;
  throw new BandliftError('is no cube to make patches of', {
    file: path,
    found: `a ${kind}`,
    expected: 'an ENVI cube or a product of an imaging spectrometer',
  });
}

/** Errors: BandliftError naming file and field. */
export async function openLine(path: string, options: LineOptions = {}): Promise<LineScene> {
  if ((await checkKind(path)) === 'ENVI cube') {
    refuseOrtho(path, 'an ENVI cube', options);
    return EnviScene.open(path, options);
  }
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
  return (await checkKind(path)) === 'ENVI cube' ? openEnvi(path) : { dataPath: path };
}
