/** The oracle: what the best linear subspace of a few dimensions keeps of the true spectra themselves. */
import type { Covariance } from '../fit/covariance_fit.js';
import { symmetricEigen } from './symmetric_eigen.js';

/** Principal directions of the good bands. */
export interface PrincipalDirections {
  readonly bands: number;
  /** Numbers of the bands that take part. */
  readonly good: readonly number[];
  /** [bands] */
  readonly mean: Float64Array;
  /** [good, good]: rows by decreasing variance. */
  readonly vectors: Float64Array;
  readonly variances: Float64Array;
}

/** @param mask [bands], 1 = good */
export function principalDirections({ mean, covariance }: Covariance, mask: ArrayLike<number>): PrincipalDirections {
  const bands = mean.length;
  const good = Array.from({ length: bands }, (_, b) => b).filter((b) => mask[b]);
  const part = new Float64Array(good.length ** 2);
  good.forEach((a, i) => {
    good.forEach((b, j) => {
      part[i * good.length + j] = covariance[a * bands + b];
    });
  });
  const { values, vectors } = symmetricEigen(part, good.length);
  return { bands, good, mean, vectors, variances: values };
}

/**
 * Projection onto the first `rank` directions about the mean, x -> m + V^T V (x - m), as parameters of a `ridge` model
 * [bands] -> [bands]. Bands that are not good become 0.
 */
export function projectionWeights(directions: PrincipalDirections, rank: number): Map<string, Float32Array> {
  const { bands, good, mean, vectors } = directions;
  const n = good.length;
  const weight = new Float32Array(bands * bands);
  const bias = new Float32Array(bands);
  for (let i = 0; i < n; i++) {
    let offset = mean[good[i]!];
    for (let j = 0; j < n; j++) {
      let value = 0;
      for (let k = 0; k < Math.min(rank, n); k++) value += vectors[k * n + i] * vectors[k * n + j];
      weight[good[i]! * bands + good[j]!] = value;
      offset -= value * mean[good[j]!];
    }
    bias[good[i]!] = offset;
  }
  return new Map([
    ['regression.weight', weight],
    ['regression.bias', bias],
  ]);
}
