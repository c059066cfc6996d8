/** Numbers as 16 bits and tf32 hold them, worked out on the bits of a float32: round to nearest, ties to even. */

import type { Precision } from '../../../src/engine/precision.js';
import type { DType } from '../../../src/graph/ir.js';

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Keeps the upper bits of a float32, `dropped` fewer; a carry goes into the exponent as it should. */
function keepUpper(x: number, dropped: number): number {
  float[0] = x;
  const at = bits[0]!;
  const half = 2 ** (dropped - 1);
  const odd = (at >>> dropped) & 1;
  bits[0] = ((at + half - 1 + odd) >>> dropped) << dropped;
  return float[0];
}

/** 8 bits of exponent, 7 of fraction. */
export const roundToBf16 = (x: number): number => (Number.isFinite(x) ? keepUpper(x, 16) : x);

/** Fraction of 10 bits. */
export const roundToTf32 = (x: number): number => (Number.isFinite(x) ? keepUpper(x, 13) : x);

const SMALLEST_NORMAL = 2 ** -14;
const SMALLEST = 2 ** -24;
const LARGEST = 65504;

/** 5 bits of exponent, 10 of fraction. */
export function roundToF16(x: number): number {
  if (!Number.isFinite(x)) return x;
  if (Math.abs(x) < SMALLEST_NORMAL) {
    // multiples of 2^-24
    const steps = x / SMALLEST;
    const below = Math.floor(steps);
    const rest = steps - below;
    const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
    return (below + (up ? 1 : 0)) * SMALLEST;
  }
  const rounded = keepUpper(x, 13);
  return Math.abs(rounded) > LARGEST ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

/** What a value of this storage type holds of x. */
export function stored(x: number, dtype: DType): number {
  return dtype === 'bf16' ? roundToBf16(x) : dtype === 'f16' ? roundToF16(x) : x;
}

/** How a precision rounds what kernels read. */
export const ROUND: Readonly<Record<Precision, (x: number) => number>> = {
  fp32: (x) => x,
  tf32: roundToTf32,
  bf16: roundToBf16,
  fp16: roundToF16,
};

/** Distance between neighbouring numbers, relative to them, at most. */
export const SPACING: Readonly<Record<Precision, number>> = {
  fp32: 2 ** -23,
  tf32: 2 ** -10,
  bf16: 2 ** -7,
  fp16: 2 ** -10,
};
