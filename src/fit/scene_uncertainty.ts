/** What is known of the error of a regression over scenes: the tables that a model of its kind carries. */
import {
  invertSymmetric,
  LEVEL,
  LEVEL_DEVIATIONS,
  squaredDistance,
  type TrainingSpread,
  trainingSpread,
  weightedQuantile,
} from './conformal.js';
import {
  type Correction,
  correctionTerms,
  learnDifferences,
  relativeVariance,
  type SceneCorrection,
  type SceneDifferences,
} from './scene_prior.js';
import type { SceneSpectra } from './scene_ridge.js';

/**
 * The variance of band b at input x of brightness m is
 *
 *     factor_b^2 (s_b m^2 + phi^T P_b phi) (1 + WIDENING d^2)
 *
 * with d the distance of x from the training set (mean square 1 over it), and the interval reaches LEVEL_DEVIATIONS of its roots.
 */
export interface SceneUncertainty {
  readonly differences: SceneDifferences;
  /** [bands]: conformal factor of the band's region. */
  readonly factors: Float64Array;
  readonly spread: TrainingSpread;
  /** Squared distance that a hundredth of the training spectra exceeds. */
  readonly limit: number;
  /** Scenes that the factors are from. */
  readonly scenes: number;
}

export const WIDENING = 1;

/** A scene with what a model of the others leaves over on some of its pixels. */
export interface LeftOut {
  readonly scene: SceneSpectra;
  readonly which: Uint32Array;
  /** [which.length, bands], relative to brightness. */
  readonly residuals: Float64Array;
  /** [bands], 1 = known by the scene and by the model. */
  readonly known: Uint8Array;
  readonly correction: SceneCorrection;
}

/** Values of a scene and region that its quantile is taken of. */
const MOST_SCORES = 20000;

/**
 * Learns the tables from scenes that were each left out once. The factors are conformal: each scene is judged with what the
 * other scenes tell.
 *
 * @param regions [bands]: number of the region that a band shares its factor with
 */
export function learnUncertainty(leftOut: readonly LeftOut[], regions: ArrayLike<number>): SceneUncertainty {
  const bands = regions.length;
  const count = Math.max(...Array.from(regions)) + 1;
  const scores: Float64Array[][] = Array.from({ length: count }, () => []);
  for (const { scene, which, residuals, known } of leftOut) {
    const others = leftOut.filter((other) => other.scene !== scene);
    if (others.length === 0) continue;
    const differences = learnDifferences(others.map(({ correction }) => correction));
    const spread = trainingSpread(others.map((other) => other.scene));
    const seen = Uint8Array.from(known, (k, b) => (k === 1 && differences.within[b]! > 0 ? 1 : 0));
    const u = correctionTerms(scene, which);
    const n = scene.x.length / scene.count;
    for (let r = 0; r < count; r++) {
      const own = Array.from({ length: bands }, (_, b) => b).filter((b) => regions[b] === r && seen[b] === 1);
      const total = own.length * which.length;
      if (total === 0) continue;
      const step = Math.max(1, Math.floor(total / MOST_SCORES));
      const found = new Float64Array(Math.ceil(total / step));
      for (let k = 0, at = 0; k < total; k += step, at++) {
        const [p, b] = [Math.floor(k / own.length), own[k % own.length]!];
        const wide = 1 + WIDENING * squaredDistance(spread, scene.x, which[p]! * n);
        const variance = relativeVariance(differences, b, u, p * differences.terms) * wide;
        found[at] = Math.abs(residuals[p * bands + b]!) / Math.sqrt(variance);
      }
      scores[r]!.push(found);
    }
  }
  const factor = scores.map((groups) => (groups.length === 0 ? 1 : weightedQuantile(groups, LEVEL) / LEVEL_DEVIATIONS));
  const spread = trainingSpread(leftOut.map(({ scene }) => scene));
  const distances = leftOut.map(({ scene, which }) => {
    const n = scene.x.length / scene.count;
    return Array.from(which, (p) => squaredDistance(spread, scene.x, p * n));
  });
  return {
    differences: learnDifferences(leftOut.map(({ correction }) => correction)),
    factors: Float64Array.from({ length: bands }, (_, b) => factor[regions[b]!]!),
    spread,
    limit: weightedQuantile(distances, 0.99),
    scenes: leftOut.length,
  };
}

/** Standard deviation of band b relative to brightness, before LEVEL_DEVIATIONS. */
export function relativeDeviation(
  { differences, factors }: SceneUncertainty,
  b: number,
  u: Float64Array,
  at: number,
  distance: number,
): number {
  return factors[b]! * Math.sqrt(relativeVariance(differences, b, u, at) * (1 + WIDENING * distance));
}

/**
 * What is known of the error in a scene of which pixels are known: the posterior in place of the prior. Where the known pixels,
 * each left out, lie further off than their intervals would allow, all factors grow until these hold LEVEL of them.
 *
 * @param pixels [pixels, inBands]: input bands of the known pixels
 * @param told [bands], 1 = the known pixels tell this band
 */
export function narrowed(
  uncertainty: SceneUncertainty,
  { posterior, leftOut, leftOutDeviation }: Correction,
  pixels: Float64Array,
  told: ArrayLike<number>,
): SceneUncertainty {
  const { differences, factors, spread } = uncertainty;
  const bands = factors.length;
  const n = spread.mean.length;
  const off: number[] = [];
  for (let p = 0; p * n < pixels.length; p++) {
    const wide = Math.sqrt(1 + WIDENING * squaredDistance(spread, pixels, p * n));
    for (let b = 0; b < bands; b++) {
      const deviation = factors[b]! * leftOutDeviation[p * bands + b]! * wide;
      if (told[b] === 1 && deviation > 0) off.push(Math.abs(leftOut[p * bands + b]!) / deviation);
    }
  }
  const grown = off.length === 0 ? 1 : Math.max(1, weightedQuantile([off], LEVEL) / LEVEL_DEVIATIONS);
  return {
    ...uncertainty,
    differences: { ...differences, prior: posterior },
    factors: factors.map((factor) => factor * grown),
  };
}

/** Spectra of a scene that the observability is measured on, and what is added to the variances of the bands, relative. */
const MOST_SPECTRA = 2000;
const TINY = 1e-9;

/**
 * The observability curve: the share of each band's variance, relative to brightness, that a linear function of the input bands
 * determines over the training spectra: 1 - diag(S - S R^T (R S R^T)^-1 R S) / diag(S) with S the covariance of y / m and R the
 * responses, where R S R^T and S R^T are the covariances of the input bands and of these with the band. Scenes that know a band
 * count the same. 0 for a band that does not vary or that no scene knows.
 */
export function observability(scenes: readonly SceneSpectra[]): Float64Array {
  const bands = scenes[0]!.good.length;
  const n = scenes[0]!.x.length / scenes[0]!.count;
  const moments = scenes.map((scene) => momentsOf(scene, n));
  return Float64Array.from({ length: bands }, (_, b) => {
    const who = moments.filter((_, s) => scenes[s]!.good[b] === 1);
    if (who.length === 0) return 0;
    const average = (of: (m: Moments) => number) => who.reduce((sum, m) => sum + of(m), 0) / who.length;
    const x = Float64Array.from({ length: n }, (_, i) => average((m) => m.x[i]!));
    const y = average((m) => m.y[b]!);
    const variance = average((m) => m.yy[b]!) - y * y;
    if (!(variance > 0)) return 0;
    const cross = Float64Array.from({ length: n }, (_, i) => average((m) => m.xy[i * bands + b]!) - x[i]! * y);
    const matrix = new Float64Array(n * n);
    let trace = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) matrix[i * n + j] = average((m) => m.xx[i * n + j]!) - x[i]! * x[j]!;
    for (let i = 0; i < n; i++) trace += matrix[i * (n + 1)]!;
    for (let i = 0; i < n; i++) matrix[i * (n + 1)]! += TINY * trace;
    const inverse = invertSymmetric(matrix, n);
    let explained = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) explained += cross[i]! * inverse[i * n + j]! * cross[j]!;
    return Math.min(1, Math.max(0, explained / variance));
  });
}

/** Means of x, y, x x^T, x y and y^2 over a scene, all relative to brightness. */
interface Moments {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly xx: Float64Array;
  readonly xy: Float64Array;
  readonly yy: Float64Array;
}

function momentsOf(scene: SceneSpectra, n: number): Moments {
  const bands = scene.good.length;
  const sums = {
    x: new Float64Array(n),
    y: new Float64Array(bands),
    xx: new Float64Array(n * n),
    xy: new Float64Array(n * bands),
    yy: new Float64Array(bands),
  };
  const step = Math.max(1, Math.floor(scene.count / MOST_SPECTRA));
  const count = Math.ceil(scene.count / step);
  for (let p = 0; p < scene.count; p += step) {
    const m = scene.brightness[p]!;
    const x = (i: number) => scene.x[p * n + i]! / m;
    for (let i = 0; i < n; i++) {
      sums.x[i]! += x(i) / count;
      for (let j = 0; j < n; j++) sums.xx[i * n + j]! += (x(i) * x(j)) / count;
    }
    for (let b = 0; b < bands; b++) {
      const y = scene.y[p * bands + b]! / m;
      sums.y[b]! += y / count;
      sums.yy[b]! += (y * y) / count;
      for (let i = 0; i < n; i++) sums.xy[i * bands + b]! += (x(i) * y) / count;
    }
  }
  return sums;
}
