/**
 * How scenes differ: what a model of other scenes leaves over in a new one is, for the most part, a linear correction of the
 * spectrum in the input bands that holds over the whole scene (sensor and atmosphere). For band b of a pixel with bands x and
 * brightness m (their mean)
 *
 *     y_b = f_b(x) + c_b . phi + e,      phi = [CONSTANT, x],      c_b ~ N(0, P_b),      e ~ N(0, s_b m^2)
 *
 * P_b and s_b are learnt from scenes that were each left out of the model. P_b answers both how wide an interval must be in a
 * scene that nobody has seen, and how far known pixels may move the spectrum (Rasmussen and Williams 2006, section 2.1).
 * Everything is relative to m: residuals e / m on u = phi / m.
 */

import { cholesky, solveCholesky } from './ridge_solve.js';
import type { SceneSpectra } from './scene_ridge.js';

/** A reflectance of the size of x, so that all terms are alike. */
export const CONSTANT = 0.1;
/** Share of a band's P that has the form all bands have together: few scenes cannot tell the form of one band. */
const POOLED = 0.5;
/** Ridge of the correction of one scene, relative to the mean square of its terms. */
const SCENE_RIDGE = 1e-3;

export interface SceneDifferences {
  /** Terms of phi: 1 + input bands. */
  readonly terms: number;
  /** [bands, terms, terms]: P_b. */
  readonly prior: Float64Array;
  /** [bands]: s_b. */
  readonly within: Float64Array;
}

/** What one scene left over, as a correction: [bands, terms], and the mean square of what the correction leaves. */
export interface SceneCorrection {
  readonly terms: number;
  readonly coefficients: Float64Array;
  readonly within: Float64Array;
  readonly known: Uint8Array;
}

/** u = phi / m of pixels [which.length, terms]. */
export function correctionTerms(scene: SceneSpectra, which: ArrayLike<number>): Float64Array {
  const inBands = scene.x.length / scene.count;
  const terms = inBands + 1;
  const u = new Float64Array(which.length * terms);
  for (let p = 0; p < which.length; p++) {
    const pixel = which[p]!;
    const m = scene.brightness[pixel]!;
    u[p * terms] = CONSTANT / m;
    for (let i = 0; i < inBands; i++) u[p * terms + 1 + i] = scene.x[pixel * inBands + i]! / m;
  }
  return u;
}

/** (y - f(x)) / m of pixels [which.length, bands]. */
export function relativeResiduals(
  scene: SceneSpectra,
  which: ArrayLike<number>,
  predicted: Float32Array,
): Float64Array {
  const bands = scene.good.length;
  const e = new Float64Array(which.length * bands);
  for (let p = 0; p < which.length; p++) {
    const pixel = which[p]!;
    const m = scene.brightness[pixel]!;
    for (let b = 0; b < bands; b++) e[p * bands + b] = (scene.y[pixel * bands + b]! - predicted[p * bands + b]!) / m;
  }
  return e;
}

/** U^T U [terms, terms] and U^T E [terms, bands]. */
function normal(u: Float64Array, e: Float64Array, terms: number, bands: number) {
  const count = u.length / terms;
  const gram = new Float64Array(terms * terms);
  const cross = new Float64Array(terms * bands);
  for (let p = 0; p < count; p++)
    for (let i = 0; i < terms; i++) {
      const ui = u[p * terms + i]!;
      for (let j = 0; j < terms; j++) gram[i * terms + j]! += ui * u[p * terms + j]!;
      for (let b = 0; b < bands; b++) cross[i * bands + b]! += ui * e[p * bands + b]!;
    }
  return { count, gram, cross };
}

const dot = (a: Float64Array, i: number, b: Float64Array, j: number, n: number): number => {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += a[i + k]! * b[j + k]!;
  return sum;
};

/** The correction that a scene of known spectra would have needed. */
export function sceneCorrection(u: Float64Array, e: Float64Array, terms: number, known: Uint8Array): SceneCorrection {
  const bands = known.length;
  const { count, gram, cross } = normal(u, e, terms, bands);
  let trace = 0;
  for (let i = 0; i < terms; i++) trace += gram[i * terms + i]!;
  for (let i = 0; i < terms; i++) gram[i * terms + i]! += (SCENE_RIDGE * trace) / terms;
  cholesky(gram, terms);
  solveCholesky(gram, terms, cross, bands);
  const coefficients = new Float64Array(bands * terms);
  for (let b = 0; b < bands; b++) for (let i = 0; i < terms; i++) coefficients[b * terms + i] = cross[i * bands + b]!;
  const within = new Float64Array(bands);
  for (let p = 0; p < count; p++)
    for (let b = 0; b < bands; b++) {
      const left = e[p * bands + b]! - dot(u, p * terms, coefficients, b * terms, terms);
      within[b]! += (left * left) / count;
    }
  return { terms, coefficients, within, known };
}

/** P and s of scenes: each counts the same, whatever its size. Bands that no scene knows get 0. */
export function learnDifferences(scenes: readonly SceneCorrection[]): SceneDifferences {
  const terms = scenes[0]!.terms;
  const square = terms * terms;
  const bands = scenes[0]!.known.length;
  const prior = new Float64Array(bands * square);
  const within = new Float64Array(bands);
  const form = new Float64Array(square);
  const traces = new Float64Array(bands);
  let counted = 0;
  for (let b = 0; b < bands; b++) {
    const who = scenes.filter(({ known }) => known[b] === 1);
    if (who.length === 0) continue;
    for (const { coefficients: c, within: w } of who) {
      within[b]! += w[b]! / who.length;
      for (let i = 0; i < terms; i++)
        for (let j = 0; j < terms; j++)
          prior[b * square + i * terms + j]! += (c[b * terms + i]! * c[b * terms + j]!) / who.length;
    }
    for (let i = 0; i < terms; i++) traces[b]! += prior[b * square + i * (terms + 1)]!;
    if (!(traces[b]! > 0)) continue;
    counted++;
    for (let k = 0; k < square; k++) form[k]! += prior[b * square + k]! / traces[b]!;
  }
  for (let b = 0; b < bands; b++)
    for (let k = 0; k < square; k++) {
      const at = b * square + k;
      prior[at] = (1 - POOLED) * prior[at]! + POOLED * traces[b]! * (form[k]! / Math.max(1, counted));
    }
  return { terms, prior, within };
}

/** Relative variance of band b at terms u: s_b + u^T P_b u. */
export function relativeVariance({ terms, prior, within }: SceneDifferences, b: number, u: Float64Array, at: number) {
  let sum = within[b]!;
  for (let i = 0, k = b * terms * terms; i < terms; i++)
    for (let j = 0; j < terms; j++, k++) sum += prior[k]! * u[at + i]! * u[at + j]!;
  return sum;
}

export interface Correction {
  /** [bands, terms] */
  readonly coefficients: Float64Array;
  /** [bands, terms, terms]: what is still unknown of them, never more than the prior. */
  readonly posterior: Float64Array;
  /** What the prior was multiplied by for the coefficients. */
  readonly strength: number;
  /** [pixels, bands]: what each known pixel would have left over if it had not been known, relative to brightness. */
  readonly leftOut: Float64Array;
  /** [pixels, bands]: standard deviations of these by the model, relative to brightness: (s + u^T V u without the pixel)^(1/2). */
  readonly leftOutDeviation: Float64Array;
}

/** Multiples of the prior that are tried. */
const STRENGTHS = [0.1, 0.3, 1, 3, 10];
/** Below this number of known pixels the prior is believed as it is: too few to choose. */
const FEWEST = 3;

/**
 * The correction of a scene from known pixels. How far the prior is believed is chosen by leaving out each known pixel in turn:
 * the residual of a pixel that was left out is its residual over 1 - h, h its leverage.
 *
 * @param e [pixels, bands] relative residuals of the known pixels
 * @param known [bands], 1 = the pixels tell this band; others are not corrected and keep their prior
 */
export function correctionOf(
  differences: SceneDifferences,
  u: Float64Array,
  e: Float64Array,
  known: ArrayLike<number>,
): Correction {
  const { terms, within } = differences;
  const pixels = u.length / terms;
  const told = Uint8Array.from(within, (s, b) => (s > 0 && known[b] === 1 ? 1 : 0));
  let best: (Omit<Correction, 'posterior'> & { score: number }) | undefined;
  for (const strength of pixels < FEWEST ? [1] : STRENGTHS) {
    const { coefficients, posterior } = posteriorOf(differences, strength, u, e, told);
    const leftOut = new Float64Array(e.length);
    const leftOutDeviation = new Float64Array(e.length);
    let score = 0;
    for (let b = 0; b < within.length; b++) {
      if (told[b] === 0) continue;
      for (let p = 0; p < pixels; p++) {
        const left = e[p * within.length + b]! - dot(u, p * terms, coefficients, b * terms, terms);
        const h = quadratic(posterior, b * terms * terms, u, p * terms, terms) / within[b]!;
        const free = 1 - Math.min(h, MOST_LEVERAGE);
        const out = left / free;
        leftOut[p * within.length + b] = out;
        leftOutDeviation[p * within.length + b] = Math.sqrt(within[b]! / free);
        score += out * out;
      }
    }
    if (best === undefined || score < best.score) best = { coefficients, leftOut, leftOutDeviation, strength, score };
  }
  const { score: _, ...chosen } = best!;
  const { posterior } = posteriorOf(differences, Math.min(1, chosen.strength), u, e, told);
  return { ...chosen, posterior };
}

/** A pixel that decides its own correction alone. */
const MOST_LEVERAGE = 0.999;

const quadratic = (m: Float64Array, at: number, u: Float64Array, from: number, n: number): number => {
  let sum = 0;
  for (let i = 0, k = at; i < n; i++) for (let j = 0; j < n; j++, k++) sum += m[k]! * u[from + i]! * u[from + j]!;
  return sum;
};

/**
 * What would still be unknown with more or fewer pixels like the known ones: the mean over pixels and told bands of the standard
 * deviation relative to brightness, for each number of pixels.
 */
export function deviationWith(
  differences: SceneDifferences,
  u: Float64Array,
  known: ArrayLike<number>,
  counts: readonly number[],
): number[] {
  const { terms, within } = differences;
  const pixels = u.length / terms;
  const told = Uint8Array.from(within, (s, b) => (s > 0 && known[b] === 1 ? 1 : 0));
  const nothing = new Float64Array(pixels * within.length);
  return counts.map((count) => {
    const { posterior } = posteriorOf(differences, 1, u, nothing, told, count / pixels);
    let [sum, values] = [0, 0];
    for (let b = 0; b < within.length; b++) {
      if (told[b] === 0) continue;
      for (let p = 0; p < pixels; p++)
        sum += Math.sqrt(within[b]! + quadratic(posterior, b * terms * terms, u, p * terms, terms));
      values += pixels;
    }
    return sum / values;
  });
}

/**
 * With T the strength: V = (1 + T P G / s)^-1 T P and c = V U^T e / s, G = U^T U, written so that P may be singular.
 *
 * @param share G is multiplied by it, as if there were more pixels
 */
function posteriorOf(
  { terms, prior, within }: SceneDifferences,
  strength: number,
  u: Float64Array,
  e: Float64Array,
  told: Uint8Array,
  share = 1,
) {
  const bands = within.length;
  const { gram, cross } = normal(u, e, terms, bands);
  const square = terms * terms;
  const coefficients = new Float64Array(bands * terms);
  const posterior = prior.slice();
  for (let b = 0; b < bands; b++) {
    if (told[b] === 0) continue;
    const s = within[b]!;
    const p = prior.slice(b * square, (b + 1) * square).map((value) => strength * value);
    const left = new Float64Array(square);
    for (let i = 0; i < terms; i++)
      for (let j = 0; j < terms; j++) {
        let sum = i === j ? 1 : 0;
        for (let k = 0; k < terms; k++) sum += (share * p[i * terms + k]! * gram[k * terms + j]!) / s;
        left[i * terms + j] = sum;
      }
    solveSquare(left, p, terms);
    for (let i = 0; i < terms; i++)
      for (let j = 0; j < terms; j++) {
        posterior[b * square + i * terms + j] = 0.5 * (p[i * terms + j]! + p[j * terms + i]!);
        coefficients[b * terms + i]! += (p[i * terms + j]! * cross[j * bands + b]!) / s;
      }
  }
  return { coefficients, posterior };
}

/** Solves a x = b in place, b [n, n]: Gaussian elimination with row pivots. */
function solveSquare(a: Float64Array, b: Float64Array, n: number): void {
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]!) > Math.abs(a[pivot * n + k]!)) pivot = i;
    if (pivot !== k)
      for (const m of [a, b])
        for (let j = 0; j < n; j++) [m[k * n + j], m[pivot * n + j]] = [m[pivot * n + j]!, m[k * n + j]!];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = a[i * n + k]! / a[k * n + k]!;
      if (factor === 0) continue;
      for (let j = k; j < n; j++) a[i * n + j]! -= factor * a[k * n + j]!;
      for (let j = 0; j < n; j++) b[i * n + j]! -= factor * b[k * n + j]!;
    }
  }
  for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) b[k * n + j]! /= a[k * n + k]!;
}

/** A known pixel contradicts the others where it lies so many times as far from what they say as the middle one of them. */
const CONTRADICTS = 6;
/** And so many of its own standard deviations. */
const SURELY = 3;
/** Fewer pixels cannot say which of them is wrong. */
const JURY = 4;

/** How far each known pixel lies from what the others say: the median over the told bands, in standard deviations. */
export function distanceFromOthers({ leftOut, leftOutDeviation }: Correction, told: ArrayLike<number>): number[] {
  const bands = told.length;
  return Array.from({ length: leftOut.length / bands }, (_, p) => {
    const off: number[] = [];
    for (let b = 0; b < bands; b++) {
      const deviation = leftOutDeviation[p * bands + b]!;
      if (told[b] === 1 && deviation > 0) off.push(Math.abs(leftOut[p * bands + b]!) / deviation);
    }
    return off.sort((a, b) => a - b)[off.length >> 1] ?? 0;
  });
}

/** The pixels, by number, that contradict the others. */
export function contradicting(distances: readonly number[]): number[] {
  if (distances.length < JURY) return [];
  const middle = [...distances].sort((a, b) => a - b)[distances.length >> 1]!;
  return distances.flatMap((off, p) => (off > CONTRADICTS * middle && off > SURELY ? [p] : []));
}
