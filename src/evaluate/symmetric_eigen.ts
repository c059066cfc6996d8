/**
 * All eigenvalues and eigenvectors of a real symmetric matrix: Householder reflections to a tridiagonal matrix, then QL
 * steps with implicit shifts (Golub and Van Loan, Matrix Computations, 8.3). n^3 work, double precision.
 */

export interface SymmetricEigen {
  /** Decreasing. */
  readonly values: Float64Array;
  /** [n, n]: row k is the unit eigenvector of values[k]. */
  readonly vectors: Float64Array;
}

/** More QL steps than any eigenvalue takes. */
const MOST_STEPS = 60;

/** @param matrix [n, n], symmetric and finite; not changed */
export function symmetricEigen(matrix: Float64Array, n: number): SymmetricEigen {
  if (matrix.length !== n * n || !matrix.every(Number.isFinite))
    throw new RangeError(`eigenvectors of ${n} x ${n}: ${matrix.length} numbers, all finite, are needed`);
  const { diagonal, beside, basis } = tridiagonal(matrix, n);
  diagonalize(diagonal, beside, basis, n);
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[b] - diagonal[a]);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    vectors.set(basis.subarray(from * n, (from + 1) * n), to * n);
  });
  return { values: Float64Array.from(order, (k) => diagonal[k]), vectors };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** [n]: entry k couples k and k + 1; the last is 0. */
  readonly beside: Float64Array;
  /** [n, n]: rows q_k with matrix = sum_kl q_k T_kl q_l^T. */
  readonly basis: Float64Array;
}

function tridiagonal(matrix: Float64Array, n: number): Tridiagonal {
  const a = matrix.slice();
  const beside = new Float64Array(n);
  const reflectors: Float64Array[] = [];
  for (let k = 0; k + 2 < n; k++) {
    // v reflects the part of column k below the diagonal onto its first entry
    const v = new Float64Array(n);
    let norm = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k];
      norm = Math.hypot(norm, v[i]);
    }
    beside[k] = v[k + 1] > 0 ? -norm : norm;
    v[k + 1] -= beside[k];
    let length = 0;
    for (let i = k + 1; i < n; i++) length = Math.hypot(length, v[i]);
    if (length === 0) continue;
    for (let i = k + 1; i < n; i++) v[i] /= length;
    reflectors.push(v);
    // a <- (1 - 2 v v^T) a (1 - 2 v v^T) = a - v w^T - w v^T with w = 2 (a v - (v^T a v) v)
    const w = new Float64Array(n);
    let projection = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j] * v[j];
      w[i] = sum;
      projection += v[i] * sum;
    }
    for (let i = k + 1; i < n; i++) w[i] = 2 * (w[i] - projection * v[i]);
    for (let i = k + 1; i < n; i++) for (let j = k + 1; j < n; j++) a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
  }
  if (n > 1) beside[n - 2] = a[(n - 1) * n + n - 2];
  const basis = new Float64Array(n * n);
  for (let i = 0; i < n; i++) basis[i * n + i] = 1;
  // the product of the reflections, applied from the last to the first to the columns of the identity
  for (const v of reflectors.reverse()) {
    for (let row = 0; row < n; row++) {
      let dot = 0;
      for (let j = 0; j < n; j++) dot += basis[row * n + j] * v[j];
      if (dot !== 0) for (let j = 0; j < n; j++) basis[row * n + j] -= 2 * dot * v[j];
    }
  }
  return { diagonal: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), beside, basis };
}

/** Turns the tridiagonal matrix diagonal by rotations, which also turn the rows of the basis. */
function diagonalize(d: Float64Array, e: Float64Array, basis: Float64Array, n: number): void {
  // what is below the rounding of the largest entries is 0: a singular matrix leaves noise there that never settles
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(d[i]) + Math.abs(e[i]));
  const negligible = Number.EPSILON * largest;
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m + 1 < n && Math.abs(e[m]) > negligible) m++;
      if (m === l) break;
      if (step === MOST_STEPS) throw new Error('eigenvalues: the QL steps do not converge');
      // the eigenvalue of the leading 2 x 2 block that is nearer to d[l]
      const half = (d[l + 1] - d[l]) / (2 * e[l]);
      const root = Math.hypot(half, 1);
      let g = d[m] - d[l] + e[l] / (half + (half >= 0 ? root : -root));
      let [sine, cosine, shift] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = sine * e[i];
        const b = cosine * e[i];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          // the matrix has fallen apart here
          d[i + 1] -= shift;
          e[m] = 0;
          break;
        }
        sine = f / r;
        cosine = g / r;
        const rest = d[i + 1] - shift;
        const t = (d[i] - rest) * sine + 2 * cosine * b;
        shift = sine * t;
        d[i + 1] = rest + shift;
        g = cosine * t - b;
        rotateRows(basis, n, i, cosine, sine);
      }
      if (i >= l) continue;
      d[l] -= shift;
      e[l] = g;
      e[m] = 0;
    }
  }
}

/** Rows i and i + 1: (x, y) -> (c x - s y, s x + c y). */
function rotateRows(basis: Float64Array, n: number, i: number, c: number, s: number): void {
  const [first, second] = [i * n, (i + 1) * n];
  for (let k = 0; k < n; k++) {
    const [x, y] = [basis[first + k], basis[second + k]];
    basis[first + k] = c * x - s * y;
    basis[second + k] = s * x + c * y;
  }
}
