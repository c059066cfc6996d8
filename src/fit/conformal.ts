/**
 * Conformal factors: how many standard deviations an interval must reach so that it holds its share of scenes that were left
 * out. The scene is the unit, not the pixel: pixels of one scene err together, so every scene counts the same
 * (Lee, Barber and Willett 2023, hierarchical conformal prediction).
 */
import type { SceneSpectra } from './scene_ridge.js';

/** The share of values that an interval is to hold, and the standard deviations a normal distribution needs for it. */
export const LEVEL = 0.9;
export const LEVEL_DEVIATIONS = 1.6448536269514722;

/** The value below which the share `level` of the weight lies; NaN without values. */
export function weightedQuantile(groups: readonly ArrayLike<number>[], level: number): number {
  const full = groups.filter(({ length }) => length > 0);
  const values = full.flatMap((group) => Array.from(group, (value) => [value, 1 / group.length] as const));
  values.sort((a, b) => a[0] - b[0]);
  let sum = 0;
  for (const [value, weight] of values) {
    sum += weight;
    if (sum >= level * full.length - 1e-12) return value;
  }
  return values.at(-1)?.[0] ?? Number.NaN;
}

/** The middle of the training set and how it spreads: (x - mean)^T inverse (x - mean) has mean 1 over it. */
export interface TrainingSpread {
  /** [inBands] */
  readonly mean: Float64Array;
  /** [inBands, inBands] */
  readonly inverse: Float64Array;
}

/** Reflectance that the sensor itself cannot tell: directions in which the training set spreads less are not told apart. */
const NOISE = 0.005;

/** Mahalanobis distance of the input bands, scenes weighted equally. */
export function trainingSpread(scenes: readonly SceneSpectra[]): TrainingSpread {
  const n = scenes[0]!.x.length / scenes[0]!.count;
  const mean = new Float64Array(n);
  for (const { x, count } of scenes) for (let k = 0; k < x.length; k++) mean[k % n]! += x[k]! / (count * scenes.length);
  const covariance = new Float64Array(n * n);
  for (const { x, count } of scenes)
    for (let p = 0; p < count; p++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          covariance[i * n + j]! += ((x[p * n + i]! - mean[i]!) * (x[p * n + j]! - mean[j]!)) / (count * scenes.length);
  for (let i = 0; i < n; i++) covariance[i * n + i]! += NOISE * NOISE;
  const inverse = invertSymmetric(covariance, n);
  for (let k = 0; k < inverse.length; k++) inverse[k]! /= n;
  return { mean, inverse };
}

export function squaredDistance({ mean, inverse }: TrainingSpread, x: ArrayLike<number>, at: number): number {
  const n = mean.length;
  let sum = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) sum += inverse[i * n + j]! * (x[at + i]! - mean[i]!) * (x[at + j]! - mean[j]!);
  return sum;
}

/** Inverse of a symmetric positive definite matrix by Gauss and Jordan. */
export function invertSymmetric(matrix: Float64Array, n: number): Float64Array {
  const a = matrix.slice();
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) inverse[i * n + i] = 1;
  for (let k = 0; k < n; k++) {
    const pivot = a[k * n + k]!;
    for (let j = 0; j < n; j++) {
      a[k * n + j]! /= pivot;
      inverse[k * n + j]! /= pivot;
    }
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = a[i * n + k]!;
      for (let j = 0; j < n; j++) {
        a[i * n + j]! -= factor * a[k * n + j]!;
        inverse[i * n + j]! -= factor * inverse[k * n + j]!;
      }
    }
  }
  return inverse;
}
