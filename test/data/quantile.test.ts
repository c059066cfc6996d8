import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { countInto, countLength, QuantileSearch } from '../../src/data/quantile.js';

/** The definition: sort, then interpolate linearly at f (n - 1). */
function bySorting(values: Float32Array, fractions: readonly number[]): number[] {
  const sorted = Float32Array.from(values).sort();
  return fractions.map((f) => {
    const at = f * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
    return low + (high - low) * (at - Math.floor(at));
  });
}

/** Quantiles of each band of [pixels, bands] (or of all together), the pixels counted in `parts` portions. */
function search(
  values: Float32Array,
  bands: number,
  fractions: readonly number[],
  perBand: boolean,
  parts = 1,
): number[][] {
  const quantiles = new QuantileSearch(perBand ? bands : 1, fractions);
  const step = Math.ceil(values.length / bands / parts) * bands;
  for (let plan = quantiles.plan; plan; plan = quantiles.plan) {
    for (let at = 0; at < values.length; at += step) {
      const counts = new Uint32Array(countLength(plan));
      countInto(plan, values.subarray(at, at + step), bands, undefined, undefined, counts);
      quantiles.add(counts, values.length);
    }
    quantiles.advance();
  }
  const each = values.length / (perBand ? bands : 1);
  expect(quantiles.counts.every((n) => n === each)).toBe(true);
  return quantiles.result();
}

const byRadix = (values: Float32Array, fractions: readonly number[], parts = 1) =>
  search(values, 1, fractions, false, parts)[0]!;

const FRACTIONS = [0, 0.01, 0.25, 0.5, 0.99, 1];
const random = new Random(7);
const draw = (n: number, value: () => number) => Float32Array.from({ length: n }, value);

describe('order statistics', () => {
  it('of 1..5 by hand', () => {
    // positions 0.04, 2, 3.96 of the sorted values
    const result = byRadix(Float32Array.of(4, 1, 5, 2, 3), [0.01, 0.5, 0.99]);
    expect(result[0]).toBeCloseTo(1.04, 12);
    expect(result[1]).toBe(3);
    expect(result[2]).toBeCloseTo(4.96, 12);
  });

  const cases: [string, Float32Array][] = [
    ['one value', Float32Array.of(-3.5)],
    ['two values', Float32Array.of(2, -1)],
    ['negative values', draw(1001, () => -random.uniform() * 1e4)],
    ['both signs', draw(5000, () => random.normal())],
    ['ties', draw(4096, () => random.integer(3) - 1)],
    ['all the same', draw(100, () => 0.1)],
    ['zeros of both signs', Float32Array.of(0, -0, 0, -0, 1)],
    ['neighbouring floats', draw(3000, () => 1 + random.integer(64) * 2 ** -23)],
    ['forty decades', draw(3000, () => random.normal() * 10 ** (random.integer(76) - 38))],
    ['subnormal and largest', Float32Array.of(1e-45, -1e-45, 3.4028234e38, -3.4028234e38, 0)],
  ];
  for (const [name, values] of cases)
    it(`are exact: ${name}`, () => {
      // the same float32 values and the same double arithmetic: equal to the last bit (+ 0 makes -0 a 0)
      const wanted = bySorting(values, FRACTIONS).map((v) => v + 0);
      expect(byRadix(values, FRACTIONS).map((v) => v + 0)).toEqual(wanted);
      expect(byRadix(values, FRACTIONS, 7).map((v) => v + 0)).toEqual(wanted);
    });

  it('of every band, each for itself', () => {
    // 400 bands: more than two passes of 16 bits have memory for
    for (const bands of [3, 400]) {
      const values = draw(50 * bands, () => random.normal());
      const result = search(values, bands, FRACTIONS, true, 3);
      for (let b = 0; b < bands; b++)
        expect(result[b]).toEqual(
          bySorting(
            values.filter((_, i) => i % bands === b),
            FRACTIONS,
          ),
        );
      expect(search(values, bands, FRACTIONS, false)).toEqual([bySorting(values, FRACTIONS)]);
    }
  });

  it('leave out invalid pixels and bad bands', () => {
    const values = Float32Array.of(1, 100, 2, Number.NaN, 3, 300); // pixels (1,100) (2,NaN) (3,300)
    const valid = Uint8Array.of(1, 0, 1);
    const median = (perBand: boolean, good?: Uint8Array) => {
      const quantiles = new QuantileSearch(perBand ? 2 : 1, [0.5]);
      for (let plan = quantiles.plan; plan; plan = quantiles.plan) {
        const counts = new Uint32Array(countLength(plan));
        countInto(plan, values, 2, valid, good, counts);
        quantiles.add(counts, 4);
        quantiles.advance();
      }
      return quantiles.result();
    };
    expect(median(true)).toEqual([[2], [200]]);
    expect(median(false)).toEqual([[(3 + 100) / 2]]);
    expect(median(true, Uint8Array.of(1, 0))).toEqual([[2], [Number.NaN]]);
    expect(median(false, Uint8Array.of(0, 1))).toEqual([[200]]);
  });

  it('count more values than 32 bits hold', () => {
    // ones: 2^32 + 2, twos: 2^20; a count of ones that wrapped around would make the median 2
    const quantiles = new QuantileSearch(1, [0.5]);
    for (let plan = quantiles.plan; plan; plan = quantiles.plan) {
      for (const [value, times] of [
        [1, 2 ** 31 + 1],
        [1, 2 ** 31 + 1],
        [2, 2 ** 20],
      ] as const) {
        const counts = new Uint32Array(countLength(plan));
        countInto(plan, Float32Array.of(value), 1, undefined, undefined, counts);
        quantiles.add(
          counts.map((n) => n * times),
          2 ** 32 + 2 + 2 ** 20,
        );
      }
      quantiles.advance();
    }
    expect(quantiles.counts).toEqual([2 ** 32 + 2 + 2 ** 20]);
    expect(quantiles.result()).toEqual([[1]]);
  });
});
