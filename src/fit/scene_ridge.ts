/**
 * Quadratic regression over scenes: y = W [x, x_i x_j (i <= j)] + b for every band of a spectrum, where scenes differ in size and
 * in the bands they know. Each scene is reduced to sums once; every fit, weighting and penalty is made of these.
 *
 * *Exposures*: the sums of the same spectra under another light (x and y times a) follow from the sums, since the features of a x
 * are a x_i, a^2 x_i x_j and 1. A fit over several exposures is close to one that does not depend on the brightness, which the
 * spectral angle does not see (compare exposure invariance in Lin and Finlayson 2021).
 */
import { BandliftError } from '../base/errors.js';
import { cholesky, solveCholesky } from './ridge_solve.js';

/** Spectra of one scene or library. */
export interface SceneSpectra {
  readonly name: string;
  readonly count: number;
  /** Pixels of a row where the spectra are an image, in the order of its lines. */
  readonly width?: number;
  /** [count, inBands] */
  readonly x: Float64Array;
  /** [count, bands], 0 where a band is not good. */
  readonly y: Float32Array;
  /** [bands], 1 = the scene knows this band. */
  readonly good: Uint8Array;
  /** [count]: mean of the input bands, above 0. */
  readonly brightness: Float64Array;
}

/** Sums over the spectra of a scene, each with weight w = brightness^-power; the last feature is 1. */
export interface SceneSums {
  readonly power: number;
  readonly count: number;
  readonly inBands: number;
  readonly bands: number;
  readonly good: Uint8Array;
  /** [f+1, f+1], sum of w [a 1]^T [a 1] / sum of w. */
  readonly gram: Float64Array;
  /** [f+1, bands] */
  readonly cross: Float64Array;
}

const featuresOf = (n: number): number => n + (n * (n + 1)) / 2;

/** [a 1] of one pixel, in the order of src/graph/ops/quadratic_features.ts. */
export function writeFeatures(x: Float64Array, at: number, n: number, to: Float64Array): void {
  let k = n;
  for (let i = 0; i < n; i++) {
    const xi = x[at + i]!;
    to[i] = xi;
    for (let j = i; j < n; j++) to[k++] = xi * x[at + j]!;
  }
  to[k] = 1;
}

/** The sums of a scene. Memory: [f+1, bands] numbers. */
export function sumScene(scene: SceneSpectra, power: number): SceneSums {
  const { count, x, y, good, brightness } = scene;
  const inBands = x.length / count;
  const bands = good.length;
  const size = featuresOf(inBands) + 1;
  const gram = new Float64Array(size * size);
  const cross = new Float64Array(size * bands);
  const a = new Float64Array(size);
  let total = 0;
  for (let p = 0; p < count; p++) {
    const w = brightness[p]! ** -power;
    total += w;
    writeFeatures(x, p * inBands, inBands, a);
    for (let i = 0; i < size; i++) {
      const wa = w * a[i]!;
      for (let j = i; j < size; j++) gram[i * size + j]! += wa * a[j]!;
      const row = i * bands;
      for (let b = 0, q = p * bands; b < bands; b++, q++) cross[row + b]! += wa * y[q]!;
    }
  }
  for (let i = 0; i < size; i++)
    for (let j = i; j < size; j++) gram[j * size + i] = gram[i * size + j] = gram[i * size + j]! / total;
  for (let k = 0; k < cross.length; k++) cross[k]! /= total;
  return { power, count, inBands, bands, good, gram, cross };
}

/** The mean of the sums under several exposures: x and y times each of `exposures`. */
export function expose(sums: SceneSums, exposures: readonly number[]): SceneSums {
  const { power, inBands, bands } = sums;
  const size = featuresOf(inBands) + 1;
  const gram = new Float64Array(size * size);
  const cross = new Float64Array(size * bands);
  const degree = (i: number) => (i === size - 1 ? 0 : i < inBands ? 1 : 2);
  const weights = exposures.map((a) => a ** -power);
  const total = weights.reduce((sum, w) => sum + w, 0);
  const moment = (d: number) => exposures.reduce((sum, a, k) => sum + (weights[k]! / total) * a ** d, 0);
  const moments = Array.from({ length: 5 }, (_, d) => moment(d));
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) gram[i * size + j] = sums.gram[i * size + j]! * moments[degree(i) + degree(j)]!;
    for (let b = 0; b < bands; b++) cross[i * bands + b] = sums.cross[i * bands + b]! * moments[degree(i) + 1]!;
  }
  return { ...sums, gram, cross };
}

export interface ScenePenalty {
  /** Of the bands and of the products, relative to the mean square of the feature (its variance with an intercept). */
  readonly linear: number;
  /** Infinity leaves the products out. */
  readonly products: number;
  /** Without one, black stays black. */
  readonly intercept: boolean;
}

export interface SceneFit {
  /** [bands, features] */
  readonly weight: Float64Array;
  /** [bands] */
  readonly bias: Float64Array;
  /** [bands], 1 = some scene knows it. */
  readonly trained: Uint8Array;
}

/** Bands that the same scenes know, with these scenes. */
function patterns(scenes: readonly SceneSums[]): Map<string, { bands: number[]; scenes: number[] }> {
  const found = new Map<string, { bands: number[]; scenes: number[] }>();
  for (let b = 0; b < scenes[0]!.bands; b++) {
    const who = scenes.flatMap(({ good }, s) => (good[b] === 1 ? [s] : []));
    if (who.length === 0) continue;
    const key = who.join();
    const entry = found.get(key) ?? { bands: [], scenes: who };
    entry.bands.push(b);
    found.set(key, entry);
  }
  return found;
}

/**
 * Fits all bands over the scenes that know them.
 *
 * @param shares weight of each scene; equal without it
 */
export function fitScenes(scenes: readonly SceneSums[], penalty: ScenePenalty, shares?: readonly number[]): SceneFit {
  if (scenes.length === 0) throw new BandliftError('no scene to fit a model to', { found: 0, expected: 'at least 1' });
  const { inBands, bands } = scenes[0]!;
  const f = featuresOf(inBands);
  const size = f + 1;
  const weight = new Float64Array(bands * f);
  const bias = new Float64Array(bands);
  const trained = new Uint8Array(bands);
  for (const { bands: own, scenes: who } of patterns(scenes).values()) {
    const total = who.reduce((sum, s) => sum + (shares?.[s] ?? 1), 0);
    const gram = new Float64Array(size * size);
    const cross = new Float64Array(size * own.length);
    for (const s of who) {
      const share = (shares?.[s] ?? 1) / total;
      const sums = scenes[s]!;
      for (let k = 0; k < gram.length; k++) gram[k]! += share * sums.gram[k]!;
      for (let i = 0; i < size; i++)
        own.forEach((b, c) => {
          cross[i * own.length + c]! += share * sums.cross[i * bands + b]!;
        });
    }
    const solved = solve(gram, cross, own.length, inBands, penalty);
    own.forEach((b, c) => {
      trained[b] = 1;
      bias[b] = solved.bias[c]!;
      for (let i = 0; i < f; i++) weight[b * f + i] = solved.weight[i * own.length + c]!;
    });
  }
  return { weight, bias, trained };
}

/** Standardise by deviation (with an intercept) or by root mean square (without), then Cholesky. */
function solve(gram: Float64Array, cross: Float64Array, out: number, inBands: number, penalty: ScenePenalty) {
  const f = featuresOf(inBands);
  const size = f + 1;
  const used = penalty.products === Number.POSITIVE_INFINITY ? inBands : f;
  const mean = (i: number) => (penalty.intercept ? gram[i * size + f]! : 0);
  const yMean = (c: number) => (penalty.intercept ? cross[f * out + c]! : 0);
  const scale = Float64Array.from({ length: used }, (_, i) => Math.sqrt(gram[i * size + i]! - mean(i) * mean(i)));
  const matrix = new Float64Array(used * used);
  const right = new Float64Array(used * out);
  for (let i = 0; i < used; i++) {
    for (let j = 0; j < used; j++) {
      const entry = (gram[i * size + j]! - mean(i) * mean(j)) / (scale[i]! * scale[j]!);
      matrix[i * used + j] = entry + (i === j ? (i < inBands ? penalty.linear : penalty.products) : 0);
    }
    for (let c = 0; c < out; c++) right[i * out + c] = (cross[i * out + c]! - mean(i) * yMean(c)) / scale[i]!;
  }
  cholesky(matrix, used);
  solveCholesky(matrix, used, right, out);
  const weight = new Float64Array(f * out);
  const bias = Float64Array.from({ length: out }, (_, c) => yMean(c));
  for (let i = 0; i < used; i++)
    for (let c = 0; c < out; c++) {
      const w = right[i * out + c]! / scale[i]!;
      weight[i * out + c] = w;
      bias[c]! -= w * mean(i);
    }
  return { weight, bias };
}

/** The fit at pixels `which` of a scene: [which.length, bands]. */
export function applyFit(fit: SceneFit, scene: SceneSpectra, which: ArrayLike<number>): Float32Array {
  const inBands = scene.x.length / scene.count;
  const f = featuresOf(inBands);
  const bands = fit.bias.length;
  const out = new Float32Array(which.length * bands);
  const a = new Float64Array(f + 1);
  for (let p = 0; p < which.length; p++) {
    writeFeatures(scene.x, which[p]! * inBands, inBands, a);
    for (let b = 0; b < bands; b++) {
      let sum = fit.bias[b]!;
      for (let i = 0, k = b * f; i < f; i++, k++) sum += fit.weight[k]! * a[i]!;
      out[p * bands + b] = sum;
    }
  }
  return out;
}
