/**
 * Separable linear resampling as sparse tables, one per image axis: out[o] = sum_i weight[o][i] in[start[o] + i]. Every
 * kernel of bandlift is made here; src/graph/ops/resample.ts applies the tables, their transposes are its gradient.
 */

import { ROUNDED_FWHM_SIGMAS } from '../base/gaussian.js';

export interface Taps {
  readonly inSize: number;
  readonly outSize: number;
  /** Numbers in a row; rows that need fewer end in zeros. */
  readonly taps: number;
  /** [outSize]; start + taps <= inSize. */
  readonly start: Int32Array;
  /** [outSize, taps] */
  readonly weight: Float64Array;
}

/** Rows of (input index -> weight) packed into the smallest table. */
function pack(inSize: number, rows: readonly ReadonlyMap<number, number>[]): Taps {
  const spans = rows.map((row) => [Math.min(...row.keys()), Math.max(...row.keys())] as const);
  const taps = Math.max(1, ...spans.map(([first, last]) => last - first + 1));
  const start = Int32Array.from(rows, (row, o) => (row.size === 0 ? 0 : Math.min(spans[o]![0], inSize - taps)));
  const weight = new Float64Array(rows.length * taps);
  rows.forEach((row, o) => {
    for (const [i, w] of row) weight[o * taps + i - start[o]!] = w;
  });
  return { inSize, outSize: rows.length, taps, start, weight };
}

function accumulate(row: Map<number, number>, index: number, weight: number): void {
  row.set(index, (row.get(index) ?? 0) + weight);
}

function checkSizes(inSize: number, outSize: number): void {
  for (const size of [inSize, outSize])
    if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`resampling ${inSize} to ${outSize} pixels`);
}

/** Cubic convolution with a = -0.75 (Keys 1981; the choice of PyTorch and OpenCV). */
const A = -0.75;
const cubic = (distance: number): number => {
  const d = Math.abs(distance);
  if (d <= 1) return ((A + 2) * d - (A + 3)) * d * d + 1;
  return d < 2 ? ((A * d - 5 * A) * d + 8 * A) * d - 4 * A : 0;
};

/**
 * Bicubic interpolation: half-pixel centres, edges clamped, no antialias.
 * @param scale input pixels per output pixel; PyTorch's `scale_factor=7.5` is 1 / 7.5, its `size=` is inSize / outSize
 */
export function bicubicTaps(inSize: number, outSize: number, scale = inSize / outSize): Taps {
  checkSizes(inSize, outSize);
  const rows = Array.from({ length: outSize }, (_, o) => {
    const at = (o + 0.5) * scale - 0.5;
    const floor = Math.floor(at);
    const row = new Map<number, number>();
    for (let k = -1; k <= 2; k++) accumulate(row, Math.min(Math.max(floor + k, 0), inSize - 1), cubic(at - floor - k));
    return row;
  });
  return pack(inSize, rows);
}

/** Share of output pixel o, input pixels [factor o, factor (o + 1)), that lies in each input pixel; cut at the image's end. */
function areaRow(inSize: number, o: number, factor: number): Map<number, number> {
  const [from, to] = [o * factor, Math.min((o + 1) * factor, inSize)];
  const row = new Map<number, number>();
  for (let i = Math.floor(from); i < to; i++) {
    const overlap = Math.min(to, i + 1) - Math.max(from, i);
    if (overlap > 0) accumulate(row, i, overlap / (to - from));
  }
  return row;
}

function checkFactor(inSize: number, outSize: number, factor: number): void {
  checkSizes(inSize, outSize);
  // the last output pixel may stick out (the floor of sizes whose product is not whole), but not lie outside
  if (!(factor > 0) || (outSize - 1) * factor >= inSize)
    throw new RangeError(`averaging ${inSize} pixels to ${outSize} by ${factor}`);
}

/** Exact area average: output pixel o is input pixels [factor o, factor (o + 1)), fractions counted as such. */
export function areaTaps(inSize: number, outSize: number, factor: number): Taps {
  checkFactor(inSize, outSize, factor);
  return pack(
    inSize,
    Array.from({ length: outSize }, (_, o) => areaRow(inSize, o, factor)),
  );
}

/** Where the Gaussian is cut off, in standard deviations. */
const TRUNCATE = 3.5;

/** Discrete Gaussian of FWHM = `fwhm` pixels, from -radius to radius, sum 1. */
export function gaussianKernel(fwhm: number): { radius: number; weight: Float64Array } {
  const sigma = fwhm / ROUNDED_FWHM_SIGMAS;
  const radius = Math.floor(TRUNCATE * sigma + 0.5);
  const weight = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / sigma) ** 2));
  const sum = weight.reduce((a, b) => a + b, 0);
  return { radius, weight: weight.map((w) => w / sum) };
}

/**
 * What a coarser sensor sees: a Gaussian point spread function whose FWHM is one output pixel (`factor` input pixels), edges
 * replicated, then the exact area average.
 */
export function psfTaps(inSize: number, outSize: number, factor: number): Taps {
  checkFactor(inSize, outSize, factor);
  const { radius, weight } = gaussianKernel(factor);
  const rows = Array.from({ length: outSize }, (_, o) => {
    const row = new Map<number, number>();
    for (const [i, share] of areaRow(inSize, o, factor))
      for (let k = -radius; k <= radius; k++)
        accumulate(row, Math.min(Math.max(i + k, 0), inSize - 1), share * weight[k + radius]!);
    return row;
  });
  return pack(inSize, rows);
}

/** The adjoint: rows and columns exchanged. Its rows do not sum to 1. */
export function transposeTaps(table: Taps): Taps {
  const rows = Array.from({ length: table.inSize }, () => new Map<number, number>());
  for (let o = 0; o < table.outSize; o++)
    for (let i = 0; i < table.taps; i++) {
      const w = table.weight[o * table.taps + i]!;
      if (w !== 0) accumulate(rows[table.start[o]! + i]!, o, w);
    }
  return pack(table.outSize, rows);
}

/** One table after another: `outer` applied to what `inner` gives. */
export function composeTaps(outer: Taps, inner: Taps): Taps {
  if (outer.inSize !== inner.outSize) throw new RangeError(`tables of ${inner.outSize} and ${outer.inSize} pixels`);
  const rows = Array.from({ length: outer.outSize }, (_, o) => {
    const row = new Map<number, number>();
    for (let i = 0; i < outer.taps; i++) {
      const weight = outer.weight[o * outer.taps + i]!;
      if (weight === 0) continue;
      const middle = outer.start[o]! + i;
      for (let k = 0; k < inner.taps; k++) {
        const product = weight * inner.weight[middle * inner.taps + k]!;
        if (product !== 0) accumulate(row, inner.start[middle]! + k, product);
      }
    }
    return row;
  });
  return pack(inner.inSize, rows);
}

/** The table times a number. */
export function scaleTaps(table: Taps, factor: number): Taps {
  return { ...table, weight: table.weight.map((w) => w * factor) };
}

/**
 * The inverse of a square table whose rows die away quickly, cut off `reach` places from the diagonal. Row o is that of the
 * inverse of the part of the table within twice as far from o: what lies further away hardly matters to it. The left-out rest
 * falls by a constant factor with each place (for the seen bicubic of 15/2, 0.4: 4e-3 beyond 6).
 */
export function bandedInverse(table: Taps, reach: number): Taps {
  const size = table.inSize;
  if (table.outSize !== size) throw new RangeError(`the inverse of ${table.outSize} x ${size} numbers`);
  const at = (o: number, i: number): number => {
    const k = i - table.start[o]!;
    return k >= 0 && k < table.taps ? table.weight[o * table.taps + k]! : 0;
  };
  // inside of an image few parts differ: rows repeat with the phase of the grids
  const known = new Map<string, Float64Array>();
  const rows = Array.from({ length: size }, (_, o) => {
    const first = Math.max(0, o - 2 * reach);
    const last = Math.min(size, o + 2 * reach + 1);
    const part: number[] = [];
    for (let r = first; r < last; r++) for (let i = first; i < last; i++) part.push(at(r, i));
    const key = `${o - first} ${part.map((v) => v.toFixed(12)).join(' ')}`;
    const inverse = known.get(key) ?? inverseRow(part, last - first, o - first);
    known.set(key, inverse);
    const row = new Map<number, number>();
    for (let i = Math.max(first, o - reach); i < Math.min(last, o + reach + 1); i++) row.set(i, inverse[i - first]!);
    return row;
  });
  return pack(size, rows);
}

/** Row `wanted` of the inverse of A [n, n]: the solution z of A' z = e, by elimination with the largest pivot of each column. */
function inverseRow(matrix: readonly number[], n: number, wanted: number): Float64Array {
  const a = Float64Array.from({ length: n * n }, (_, k) => matrix[(k % n) * n + Math.floor(k / n)]!);
  const z = new Float64Array(n);
  z[wanted] = 1;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(a[r * n + c]!) > Math.abs(a[pivot * n + c]!)) pivot = r;
    if (a[pivot * n + c] === 0) throw new RangeError('the table has no inverse');
    if (pivot !== c) {
      for (let i = 0; i < n; i++) [a[c * n + i], a[pivot * n + i]] = [a[pivot * n + i]!, a[c * n + i]!];
      [z[c], z[pivot]] = [z[pivot]!, z[c]!];
    }
    for (let r = c + 1; r < n; r++) {
      const factor = a[r * n + c]! / a[c * n + c]!;
      if (factor === 0) continue;
      for (let i = c; i < n; i++) a[r * n + i]! -= factor * a[c * n + i]!;
      z[r]! -= factor * z[c]!;
    }
  }
  for (let c = n - 1; c >= 0; c--) {
    for (let i = c + 1; i < n; i++) z[c]! -= a[c * n + i]! * z[i]!;
    z[c]! /= a[c * n + c]!;
  }
  return z;
}
