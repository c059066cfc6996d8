/** The model that comes with bandlift, for who gives none: OLI surface reflectance to the bands of AVIRIS-NG. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { projectRoot } from '../base/version.js';
import type { Scene } from '../scenes/types.js';
import { plainUnits } from './checks.js';

/** Its file, which the package holds too. Errors: BandliftError where it is missing. */
export function defaultModelPath(): string {
  const path = join(projectRoot(), 'models/oli_reflectance.safetensors');
  if (existsSync(path)) return path;
  throw new BandliftError('the model that comes with bandlift is missing', {
    file: path,
    hint: 'restore it from the repository or the package, or give --stage1',
  });
}

/** Centres of OLI's bands, nm; other than this by more than SAME_BAND is another sensor. */
const OLI = [443, 482, 561, 655, 865, 1609, 2201];
const SAME_BAND = 5;

/** Refuses a scene that the default model is not for, with the reason. `force` (--force-units) takes it. */
export function checkDefaultModel(scene: Scene, force: boolean): void {
  if (force) return;
  const fail = (message: string, field: string, found: string, expected: string): never => {
    throw new BandliftError(
      message,
      { file: scene.path, field, found, expected, hint: 'give --stage1, a model trained on such data' },
      EXIT.usage,
    );
  };
  const isOther = 'the model that comes with bandlift is for surface reflectance of Landsat 8 and 9';
  if (scene.units !== undefined && plainUnits(scene.units) !== 'reflectance')
    fail(isOther, 'units', scene.units, 'reflectance');
  if (scene.bands !== OLI.length)
    fail(isOther, 'bands', `${scene.bands}`, `${OLI.length}: coastal, blue, green, red, nir, swir1, swir2`);
  if (scene.sensor !== undefined && !/\bOLI/i.test(scene.sensor)) fail(isOther, 'sensor', scene.sensor, 'OLI or OLI-2');
  const worst = scene.wavelength && OLI.findIndex((nm, b) => Math.abs(nm - scene.wavelength![b]!) > SAME_BAND);
  if (worst !== undefined && worst >= 0)
    fail(
      isOther,
      'wavelength',
      `band ${worst + 1} at ${scene.wavelength![worst]!.toFixed(0)} nm`,
      `${OLI[worst]} nm within ${SAME_BAND}`,
    );
}
