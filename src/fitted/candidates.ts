/** The fits that could become the default model, and how well each does on scenes that it has not seen. */

import {
  applyFit,
  expose,
  fitScenes,
  type SceneFit,
  type ScenePenalty,
  type SceneSpectra,
  type SceneSums,
  sumScene,
} from '../fit/scene_ridge.js';
import { angleFromSums } from '../metrics/angles.js';

export interface Candidate {
  readonly name: string;
  /** Spectra weigh brightness^-power: 2 is the relative error. */
  readonly power: 0 | 1 | 2;
  /** Every spectrum the same, or every scene. */
  readonly weigh: 'spectra' | 'scenes';
  readonly exposures: readonly number[];
  readonly penalty: ScenePenalty;
  /** Fitted to x / brightness and y / brightness: more than the graph of a regression can hold, for comparison. */
  readonly shape?: boolean;
  /** Penalties of which each band gets the one that does best on the training scenes, each left out in turn. */
  readonly choices?: readonly number[];
  /** The mean of these fits instead of one. */
  readonly parts?: readonly Candidate[];
}

const NONE = [1];
const LIGHTS = [0.5, 1, 1.6];
const free = (lambda: number): ScenePenalty => ({ linear: lambda, products: lambda, intercept: true });
const black = (linear: number, products: number): ScenePenalty => ({ linear, products, intercept: false });
const NO_PRODUCTS = Number.POSITIVE_INFINITY;

const exposed = (power: 1 | 2, linear: number): Candidate => ({
  name: `three exposures, weights 1/m${power === 2 ? '^2' : ''}, penalty ${linear}`,
  power,
  weigh: 'scenes',
  exposures: LIGHTS,
  penalty: black(linear, 1e-3),
});
const RELATIVE: Candidate = {
  name: 'quadratic, relative, scenes alike',
  power: 2,
  weigh: 'scenes',
  exposures: NONE,
  penalty: free(1e-4),
};

/** The first two are the baselines of every report (src/evaluate). */
export const CANDIDATES: readonly Candidate[] = [
  { name: 'ridge', power: 0, weigh: 'spectra', exposures: NONE, penalty: { ...free(1e-6), products: NO_PRODUCTS } },
  { name: 'quadratic ridge', power: 0, weigh: 'spectra', exposures: NONE, penalty: free(1e-6) },
  { name: 'quadratic, relative', power: 2, weigh: 'spectra', exposures: NONE, penalty: free(1e-6) },
  RELATIVE,
  {
    name: 'quadratic, relative, scenes alike, penalty by band',
    power: 2,
    weigh: 'scenes',
    exposures: NONE,
    penalty: free(1e-4),
    choices: [1e-5, 1e-4, 1e-3, 1e-2],
  },
  {
    name: 'shape, linear',
    power: 0,
    weigh: 'scenes',
    exposures: NONE,
    penalty: { ...free(1e-2), products: NO_PRODUCTS },
    shape: true,
  },
  { name: 'shape, quadratic', power: 0, weigh: 'scenes', exposures: NONE, penalty: free(1e-2), shape: true },
  ...([1, 2] as const).flatMap((power) => [1e-4, 3e-4, 1e-3].map((linear) => exposed(power, linear))),
  { ...RELATIVE, name: 'mean of relative and three exposures', parts: [RELATIVE, exposed(1, 3e-4)] },
];
export const BASELINE = 1;

/** Sums of scenes for every weighting; made once. */
export class SumsOf {
  readonly #made = new Map<string, SceneSums>();

  of(scene: SceneSpectra, { power, exposures, shape }: Candidate): SceneSums {
    const key = `${scene.name} ${power} ${exposures.join()} ${shape === true}`;
    let sums = this.#made.get(key);
    if (sums === undefined) {
      sums = expose(sumScene(shape ? shapeOf(scene) : scene, power), exposures);
      this.#made.set(key, sums);
    }
    return sums;
  }
}

/** x and y over brightness. */
function shapeOf(scene: SceneSpectra): SceneSpectra {
  const n = scene.x.length / scene.count;
  const bands = scene.good.length;
  return {
    ...scene,
    x: scene.x.map((value, k) => value / scene.brightness[Math.floor(k / n)]!),
    y: scene.y.map((value, k) => value / scene.brightness[Math.floor(k / bands)]!),
  };
}

/** Fits a candidate to scenes. */
export function fitCandidate(candidate: Candidate, scenes: readonly SceneSpectra[], sums: SumsOf): SceneFit {
  if (candidate.parts) {
    const fits = candidate.parts.map((part) => fitCandidate(part, scenes, sums));
    const average = (key: 'weight' | 'bias') =>
      fits[0]![key].map((_, k) => fits.reduce((sum, fit) => sum + fit[key][k]!, 0) / fits.length);
    return { weight: average('weight'), bias: average('bias'), trained: fits[0]!.trained };
  }
  const made = scenes.map((scene) => sums.of(scene, candidate));
  const shares = candidate.weigh === 'scenes' ? undefined : scenes.map((scene) => sharesOf(scene, candidate.power));
  const fitted = (lambda?: number, without?: number) => {
    const left = without === undefined ? made : made.filter((_, s) => s !== without);
    const weights = without === undefined ? shares : shares?.filter((_, s) => s !== without);
    return fitScenes(
      left,
      lambda === undefined ? candidate.penalty : { ...candidate.penalty, linear: lambda, products: lambda },
      weights,
    );
  };
  const { choices } = candidate;
  if (choices === undefined || scenes.length < 3) return fitted();
  const bands = made[0]!.bands;
  const errors = choices.map((lambda) => {
    const sum = new Float64Array(bands);
    scenes.forEach((_, s) => {
      addErrors(fitted(lambda, s), made[s]!, sum);
    });
    return sum;
  });
  const fits = choices.map((lambda) => fitted(lambda));
  const first = fits[0]!;
  const f = first.weight.length / bands;
  const chosen: SceneFit = { weight: first.weight.slice(), bias: first.bias.slice(), trained: first.trained };
  for (let b = 0; b < bands; b++) {
    const best = errors.reduce((at, error, k) => (error[b]! < errors[at]![b]! ? k : at), 0);
    chosen.weight.set(fits[best]!.weight.subarray(b * f, (b + 1) * f), b * f);
    chosen.bias[b] = fits[best]!.bias[b]!;
  }
  return chosen;
}

/** The sum of weights, as a share: what the sums were divided by. */
function sharesOf(scene: SceneSpectra, power: number): number {
  let sum = 0;
  for (const m of scene.brightness) sum += m ** -power;
  return sum;
}

/** Weighted squared error of a fit on a scene, from the scene's sums alone and up to a constant: w^T G w - 2 w^T c. */
function addErrors(fit: SceneFit, sums: SceneSums, to: Float64Array): void {
  const { bands, gram, cross, good } = sums;
  const size = cross.length / bands;
  for (let b = 0; b < bands; b++) {
    if (good[b] === 0 || fit.trained[b] === 0) continue;
    const w = (i: number) => (i === size - 1 ? fit.bias[b]! : fit.weight[b * (size - 1) + i]!);
    for (let i = 0; i < size; i++) {
      let row = -2 * cross[i * bands + b]!;
      for (let j = 0; j < size; j++) row += gram[i * size + j]! * w(j);
      to[b]! += w(i) * row;
    }
  }
}

/** Predicted spectra of some pixels: [which.length, bands]. */
export function predictWith(
  candidate: Candidate,
  fit: SceneFit,
  scene: SceneSpectra,
  which: ArrayLike<number>,
): Float32Array {
  if (!candidate.shape) return applyFit(fit, scene, which);
  const bands = scene.good.length;
  const n = scene.x.length / scene.count;
  const x = Float64Array.from(scene.x, (value, k) => value / scene.brightness[Math.floor(k / n)]!);
  return applyFit(fit, { ...scene, x }, which).map(
    (value, k) => value * scene.brightness[which[Math.floor(k / bands)]!]!,
  );
}

/** Pixels that scores are taken over: at most so many of a scene, evenly over it. */
export function evenly(count: number, most: number): Uint32Array {
  const step = Math.max(1, count / most);
  return Uint32Array.from({ length: Math.min(count, Math.floor(count / step)) }, (_, k) => Math.floor(k * step));
}

/** Mean spectral angle in degrees over pixels and the bands of a mask. */
export function meanAngle(
  predicted: Float32Array,
  scene: SceneSpectra,
  which: ArrayLike<number>,
  mask: ArrayLike<number>,
): number {
  const bands = scene.good.length;
  let [sum, counted] = [0, 0];
  for (let p = 0; p < which.length; p++) {
    let [ee, pp, tt] = [0, 0, 0];
    for (let b = 0, i = p * bands, j = which[p]! * bands; b < bands; b++, i++, j++) {
      if (!mask[b]) continue;
      ee += (predicted[i]! - scene.y[j]!) ** 2;
      pp += predicted[i]! ** 2;
      tt += scene.y[j]! ** 2;
    }
    const angle = angleFromSums(ee, pp, tt);
    if (Number.isNaN(angle)) continue;
    sum += (angle * 180) / Math.PI;
    counted++;
  }
  return counted === 0 ? Number.NaN : sum / counted;
}
