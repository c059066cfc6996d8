/** A model of scenes moved to one scene by its known pixels (docs/specification.md, section 9.2). */
import { BandliftError } from '../base/errors.js';
import type { StoredModel } from '../checkpoint/checkpoint.js';
import {
  CONSTANT,
  contradicting,
  correctionOf,
  correctionTerms,
  deviationWith,
  distanceFromOthers,
  relativeResiduals,
} from '../fit/scene_prior.js';
import { applyFit, type SceneFit, type SceneSpectra } from '../fit/scene_ridge.js';
import { narrowed } from '../fit/scene_uncertainty.js';
import type { Scene } from '../scenes/types.js';
import { regionMask } from '../spectra/bands.js';
import { resampleBands } from '../spectra/resample_bands.js';
import { evenly, meanAngle } from './candidates.js';
import type { KnownSpectra } from './known_pixels.js';

/** Numbers of known pixels that the curve is printed for. */
const CURVE = [0, 5, 10, 20, 50, 100] as const;

type SceneKnowledge = NonNullable<StoredModel['scenes']>;

export interface CalibratedModel {
  readonly model: StoredModel['model'];
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly scenes: SceneKnowledge;
  /** Mean angle of the known pixels in clear bands, each left out: before and after; degrees. */
  readonly before: number;
  readonly after: number;
  /** Mean standard deviation relative to brightness with so many pixels like these. */
  readonly curve: readonly { readonly pixels: number; readonly deviation: number }[];
}

/** The known pixels on the bands of a model, with what the scene saw of each; pixels that are not valid are left out. */
export async function knownScene(
  known: KnownSpectra,
  scene: Scene,
  bands: { readonly wavelength: readonly number[]; readonly fwhm: readonly number[] },
): Promise<{ pixels: SceneSpectra; names: string[]; skipped: string[] }> {
  const grid = { wavelength: Float64Array.from(bands.wavelength), fwhm: Float64Array.from(bands.fwhm) };
  const way = resampleBands(known, grid, known.path);
  const count = bands.wavelength.length;
  const kept: { name: string; x: number[]; y: Float32Array }[] = [];
  const skipped: string[] = [];
  for (const [k, [row, column]] of known.pixels.entries()) {
    const { values, valid } = await scene.read({ y: row, x: column, height: 1, width: 1 });
    const x = [...values];
    if (valid[0] === 0 || !(x.reduce((sum, v) => sum + v, 0) > 0)) {
      skipped.push(known.names[k]!);
      continue;
    }
    const y = new Float32Array(count);
    const own = known.spectra.subarray(k * known.wavelength.length, (k + 1) * known.wavelength.length);
    way.apply(own, y);
    kept.push({ name: known.names[k]!, x, y });
  }
  const spectra = new Float32Array(kept.length * count);
  kept.forEach(({ y }, k) => {
    spectra.set(y, k * count);
  });
  const pixels: SceneSpectra = {
    name: scene.name,
    count: kept.length,
    x: Float64Array.from(kept.flatMap(({ x }) => x)),
    y: spectra,
    good: way.good,
    brightness: Float64Array.from(kept, ({ x }) => x.reduce((sum, v) => sum + v, 0) / x.length),
  };
  return { pixels, names: kept.map(({ name }) => name), skipped };
}

/** What a model that can be calibrated knows of scenes. Errors: BandliftError for one that cannot be, or is already. */
export function calibratable({ model, scenes }: StoredModel, path: string): SceneKnowledge {
  if (scenes === undefined)
    throw new BandliftError('does not know how scenes differ, so that it cannot be calibrated', {
      file: path,
      found: model.kind,
      expected: 'a closed-form model of scenes',
      hint: 'leave out --model for the one that comes with bandlift',
    });
  const { calibration } = scenes.facts;
  if (calibration === undefined) return scenes;
  throw new BandliftError('is calibrated already', {
    file: path,
    found: `${calibration.pixels} pixels of ${calibration.scene}`,
    hint: 'calibrate the model in the box with all known pixels at once',
  });
}

/**
 * Corrects a model by known pixels, of which there is at least one.
 *
 * @param known what `calibratable` gave
 * @param keepOutliers takes pixels that contradict the others
 * @throws BandliftError that names the pixels which contradict the others
 */
export function calibrateModel(
  { model, tensors }: StoredModel,
  { facts, tables }: SceneKnowledge,
  pixels: SceneSpectra,
  names: readonly string[],
  keepOutliers: boolean,
): CalibratedModel {
  const weight = Float32Array.from(tensors.parameters.get('regression.weight')!);
  const bias = Float32Array.from(tensors.parameters.get('regression.bias')!);
  const fit: SceneFit = {
    weight: Float64Array.from(weight),
    bias: Float64Array.from(bias),
    trained: Uint8Array.from(facts.goodBands),
  };
  const all = evenly(pixels.count, pixels.count);
  const told = Uint8Array.from(pixels.good, (good, b) => (good === 1 && tables.differences.within[b]! > 0 ? 1 : 0));
  const predicted = applyFit(fit, pixels, all);
  const u = correctionTerms(pixels, all);
  const e = relativeResiduals(pixels, all, predicted);
  for (let k = 0; k < e.length; k++) if (told[k % told.length] === 0) e[k] = 0;
  const correction = correctionOf(tables.differences, u, e, told);
  const distances = distanceFromOthers(correction, told);
  const wrong = contradicting(distances);
  if (wrong.length > 0 && !keepOutliers)
    throw new BandliftError('the known spectra contradict each other', {
      found: wrong.map((p) => `${names[p]} (${distances[p]!.toFixed(1)} deviations off)`).join(', '),
      expected: `about ${[...distances].sort((a, b) => a - b)[distances.length >> 1]!.toFixed(1)} as the others`,
      hint: 'check their places and units, remove them, or take them with --keep-outliers',
    });
  const terms = model.inBands + 1;
  const features = weight.length / bias.length;
  for (let b = 0; b < bias.length; b++) {
    bias[b]! += CONSTANT * correction.coefficients[b * terms]!;
    for (let i = 0; i < model.inBands; i++) weight[b * features + i]! += correction.coefficients[b * terms + 1 + i]!;
  }
  const { limit, scenes: calibrated } = facts.uncertainty;
  const { differences, factors, spread } = narrowed(
    { ...tables, limit, scenes: calibrated },
    correction,
    pixels.x,
    told,
  );
  const clear = regionMask(facts.bands.wavelength, 'clear').map((c, b) => c & told[b]!);
  // a left-out pixel's spectrum is the truth less what it leaves over
  const leftOut = pixels.y.map(
    (value, k) => value - correction.leftOut[k]! * pixels.brightness[Math.floor(k / told.length)]!,
  );
  const deviations = deviationWith(tables.differences, u, told, CURVE);
  return {
    model,
    parameters: new Map([
      ['regression.weight', weight],
      ['regression.bias', bias],
    ]),
    scenes: {
      facts: {
        ...facts,
        calibration: { scene: pixels.name, pixels: pixels.count, strength: correction.strength },
      },
      tables: { ...tables, differences, factors, spread },
    },
    before: meanAngle(predicted, pixels, all, clear),
    after: meanAngle(leftOut, pixels, all, clear),
    curve: CURVE.map((count, k) => ({ pixels: count, deviation: deviations[k]! })),
  };
}
