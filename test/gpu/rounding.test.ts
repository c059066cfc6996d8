/** The tests' own rounding to 16 bits, against numbers written down by hand (IEEE 754 binary16; bfloat16). */
import { describe, expect, it } from 'vitest';
import { roundToBf16, roundToF16, roundToTf32 } from './support/rounding.js';

describe('rounding', () => {
  it('to bf16: 1 + 2^-7 is the next number after 1', () => {
    expect(roundToBf16(1 + 2 ** -7)).toBe(1 + 2 ** -7);
    expect(roundToBf16(1 + 2 ** -8)).toBe(1); // a tie goes to the even one
    expect(roundToBf16(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
    expect(roundToBf16(1 + 2 ** -8 + 2 ** -20)).toBe(1 + 2 ** -7);
    expect(roundToBf16(-Math.PI)).toBe(-3.140625);
    expect(roundToBf16(Number.NaN)).toBeNaN();
  });

  it('to f16: 65504 is the largest, 2^-24 the smallest', () => {
    expect(roundToF16(Math.PI)).toBe(3.140625);
    expect(roundToF16(65519)).toBe(65504);
    expect(roundToF16(65520)).toBe(Number.POSITIVE_INFINITY);
    expect(roundToF16(-70000)).toBe(Number.NEGATIVE_INFINITY);
    expect(roundToF16(2 ** -25)).toBe(0);
    expect(roundToF16(1.5 * 2 ** -24)).toBe(2 ** -23);
    expect(roundToF16(-0.9 * 2 ** -24)).toBe(-(2 ** -24));
    expect(roundToF16(0.1)).toBe(0.0999755859375);
  });

  it('to tf32: ten bits of fraction', () => {
    expect(roundToTf32(1 + 2 ** -10)).toBe(1 + 2 ** -10);
    expect(roundToTf32(1 + 2 ** -11)).toBe(1);
    expect(roundToTf32(1e30)).toBeCloseTo(1e30, -27);
  });
});
