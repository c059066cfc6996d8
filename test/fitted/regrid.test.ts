/** Spectra on another grid of bands: weights by hand. */
import { describe, expect, it } from 'vitest';
import { regrid, regridding } from '../../src/fitted/regrid.js';

const all = (n: number) => new Uint8Array(n).fill(1);

describe('spectra on another grid', () => {
  it('are interpolated where the source is coarser, in any order of its bands, and never extrapolated', () => {
    const way = regridding([520, 500, 510], all(3), [495, 500, 505, 518, 520, 521], new Float64Array(6).fill(5));
    expect([...way.known]).toEqual([0, 1, 1, 1, 1, 0]);
    const to = new Float32Array(6);
    regrid(way, [3, 1, 2], to, 0);
    // 505 is half way from 1 to 2, 518 is at 0.8 from 2 to 3
    expect([...to].map((v) => v.toFixed(5))).toEqual([
      '0.00000',
      '1.00000',
      '1.50000',
      '2.80000',
      '3.00000',
      '0.00000',
    ]);
  });

  it('are averaged under a Gaussian of the band where the source is finer than half of it', () => {
    const from = Array.from({ length: 41 }, (_, k) => 500 + k);
    const { taps } = regridding(from, all(41), [520], [5]);
    const { index, weight } = taps[0]!;
    expect(index.length).toBe(15); // 520 - 7 to 520 + 7
    const at = (nm: number) => weight[index.indexOf(nm - 500)]!;
    // half of the middle at half of the width, which lies between two samples
    expect(Math.sqrt(at(522) * at(523)) / at(520)).toBeCloseTo(2 ** -((2 ** 2 + 3 ** 2) / 2 / 2.5 ** 2), 10);
    expect(weight.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12);
  });

  it('leave out what lies in a gap, and bands marked bad', () => {
    const from = [500, 510, 520, 530, 600, 610];
    const way = regridding(from, all(6), [525, 560, 605], [5, 5, 5]);
    expect([...way.known]).toEqual([1, 0, 1]);
    const bad = regridding([500, 510, 520, 530, 540], [1, 0, 0, 0, 1], [520], [5]);
    expect([...bad.known]).toEqual([0]);
  });
});
