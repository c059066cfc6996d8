/** A fitted scene model as a file, and its model card. */

import { version } from '../base/version.js';
import { saveSceneModel } from '../checkpoint/checkpoint.js';
import type { SceneModelFacts } from '../checkpoint/schema.js';
import { IDENTITY } from '../data/normalize.js';
import type { SceneSpectra } from '../fit/scene_ridge.js';
import { observability } from '../fit/scene_uncertainty.js';
import { bandWeights, LANDSAT8_OLI } from '../spectra/response.js';
import { type Candidate, SumsOf } from './candidates.js';
import { fitSceneModel } from './scene_model.js';
import type { LoadedSource } from './sources.js';

/** nm: water vapour leaves next to nothing of the surface here, so that other bands cannot tell what is there. */
const STRONG_WATER = [
  [1330, 1500],
  [1770, 2000],
] as const;

/** Smallest and largest value of each input band. */
function rangeOf(scenes: readonly SceneSpectra[]): SceneModelFacts['range'] {
  const n = scenes[0]!.x.length / scenes[0]!.count;
  const low = Array<number>(n).fill(Number.POSITIVE_INFINITY);
  const high = Array<number>(n).fill(0);
  for (const { x } of scenes)
    for (let k = 0; k < x.length; k++) {
      low[k % n] = Math.min(low[k % n]!, x[k]!);
      high[k % n] = Math.max(high[k % n]!, x[k]!);
    }
  return { low, high };
}

/** Fits `candidate` to all sources and writes the model. Returns what the file says about itself. */
export async function writeSceneModel(
  path: string,
  candidate: Candidate,
  sources: readonly Pick<LoadedSource, 'scene' | 'sha256'>[],
  grid: { readonly wavelength: Float64Array; readonly fwhm: Float64Array },
): Promise<SceneModelFacts> {
  const scenes = sources.map(({ scene }) => scene);
  const { fit, uncertainty } = fitSceneModel(candidate, scenes, grid.wavelength, new SumsOf());
  const response = bandWeights(LANDSAT8_OLI, grid.wavelength, grid.fwhm);
  const { limit, scenes: calibrated, ...tables } = uncertainty;
  const isWater = (nm: number) => STRONG_WATER.some(([from, to]) => nm >= from && nm <= to);
  const facts: SceneModelFacts = {
    bands: { wavelength: [...grid.wavelength], fwhm: [...grid.fwhm], units: 'reflectance' },
    goodBands: Array.from(grid.wavelength, (nm, b) => (fit.trained[b] === 1 && !isWater(nm) ? 1 : 0)),
    sensor: LANDSAT8_OLI.sensor,
    responseHash: LANDSAT8_OLI.hash,
    normalization: { method: 'none', input: IDENTITY, target: IDENTITY, units: 'reflectance' },
    recipe: candidate.name,
    scenes: sources.map(({ scene, sha256 }) => ({ name: scene.name, spectra: scene.count, sha256 })),
    range: rangeOf(scenes),
    uncertainty: { limit, scenes: calibrated },
    version: version(),
  };
  const parameters = new Map([
    ['regression.weight', Float32Array.from(fit.weight)],
    ['regression.bias', Float32Array.from(fit.bias)],
  ]);
  const spec = { kind: 'quadratic_ridge', inBands: response.length, outBands: grid.wavelength.length } as const;
  await saveSceneModel(path, spec, parameters, {
    facts,
    tables: { ...tables, observability: observability(scenes) },
  });
  return facts;
}
