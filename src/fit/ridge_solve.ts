/** The small dense part of ridge regression: standardise, Cholesky, back to the units of the features. */
import { BandliftError } from '../base/errors.js';

export interface RegressionSolution {
  /** [out, features] */
  readonly weight: Float32Array;
  /** [out] */
  readonly bias: Float32Array;
}

/**
 * Minimises mean |y - W a - b|^2 + lambda sum (W s)^2, where s are the features' standard deviations: in standardised
 * features (R + lambda I) B = r with R their correlation matrix, so the penalty does not depend on anybody's units. The
 * intercept is not penalised. A feature that never varies gets weight 0.
 *
 * @param gram [f+1, f+1] sums of [a 1]^T [a 1]
 * @param cross [f+1, out] sums of [a 1]^T y
 */
export function solveRidge(gram: Float64Array, cross: Float64Array, out: number, lambda: number): RegressionSolution {
  const size = cross.length / out;
  const f = size - 1;
  const count = gram[f * size + f]!;
  if (!(count >= 1)) throw new BandliftError('regression: no valid pixels', { found: count });
  if (!(lambda > 0))
    throw new BandliftError('regression: the penalty must be positive', { field: 'lambda', found: lambda });
  if (!gram.every(Number.isFinite) || !cross.every(Number.isFinite)) {
    throw new BandliftError('regression: the training data hold NaN or infinity', { hint: 'mask such pixels' });
  }
  const mean = Float64Array.from({ length: f }, (_, i) => gram[i * size + f]! / count);
  const variance = mean.map((m, i) => gram[i * size + i]! / count - m * m);
  // below the rounding of the sums a variance is no variance
  const deviation = variance.map((v, i) => (v > 1e-12 * (gram[i * size + i]! / count) ? Math.sqrt(v) : 0));

  const matrix = new Float64Array(f * f);
  const right = new Float64Array(f * out);
  for (let i = 0; i < f; i++) {
    for (let j = 0; j < f; j++) {
      const scale = deviation[i]! * deviation[j]!;
      const covariance = gram[i * size + j]! / count - mean[i]! * mean[j]!;
      matrix[i * f + j] = (scale > 0 ? covariance / scale : i === j ? 1 : 0) + (i === j ? lambda : 0);
    }
    for (let c = 0; c < out && deviation[i]! > 0; c++) {
      const yMean = cross[f * out + c]! / count;
      right[i * out + c] = (cross[i * out + c]! / count - mean[i]! * yMean) / deviation[i]!;
    }
  }
  cholesky(matrix, f);
  solveCholesky(matrix, f, right, out);

  const weight = new Float32Array(out * f);
  const bias = new Float32Array(out);
  for (let c = 0; c < out; c++) {
    let intercept = cross[f * out + c]! / count;
    for (let i = 0; i < f; i++) {
      const w = deviation[i]! > 0 ? right[i * out + c]! / deviation[i]! : 0;
      weight[c * f + i] = w;
      intercept -= w * mean[i]!;
    }
    bias[c] = intercept;
  }
  return { weight, bias };
}

/** Lower factor L of a = L L^T, in place (the upper triangle is left as it is). */
export function cholesky(a: Float64Array, n: number): void {
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= a[i * n + k]! * a[j * n + k]!;
      if (i > j) a[i * n + j] = sum / a[j * n + j]!;
      else if (sum > 0) a[j * n + j] = Math.sqrt(sum);
      else throw new BandliftError('regression: the features are linearly dependent', { hint: 'use a larger penalty' });
    }
  }
}

/** Solves L L^T x = b for `columns` right-hand sides b [n, columns], in place. */
export function solveCholesky(l: Float64Array, n: number, b: Float64Array, columns: number): void {
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < columns; c++) {
      let sum = b[i * columns + c]!;
      for (let k = 0; k < i; k++) sum -= l[i * n + k]! * b[k * columns + c]!;
      b[i * columns + c] = sum / l[i * n + i]!;
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = 0; c < columns; c++) {
      let sum = b[i * columns + c]!;
      for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * b[k * columns + c]!;
      b[i * columns + c] = sum / l[i * n + i]!;
    }
  }
}
