/** k-means on spectra whose clusters are known. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { initEndmembers, kMeans } from '../../src/models/endmembers.js';

const CENTRES = [
  [0.1, 0.2, 0.3],
  [0.9, 0.1, 0.5],
  [0.4, 0.8, 0.05],
];

function cloud(count: number): Float32Array {
  const random = new Random(2);
  return Float32Array.from(
    Array.from({ length: count }, (_, i) => CENTRES[i % 3]!.map((v) => v + 0.01 * (random.uniform() - 0.5))).flat(),
  );
}

describe('endmembers from spectra', () => {
  it('are the centres of the clusters', () => {
    const centres = kMeans(cloud(300), 3, 3, new Random(7));
    const rows = [0, 1, 2].map((k) => [...centres.subarray(3 * k, 3 * k + 3)]).sort((a, b) => a[0]! - b[0]!);
    const expected = [...CENTRES].sort((a, b) => a[0]! - b[0]!);
    // means of 100 numbers within 0.005 of the centre
    rows.flat().forEach((v, i) => {
      expect(Math.abs(v - expected.flat()[i]!)).toBeLessThan(0.002);
    });
  });

  it('come back through softplus, zeros included', () => {
    const spectra = Float32Array.of(0, 0.5, 2, 0, 0.5, 2);
    const raw = initEndmembers(spectra, 3, 1, new Random(1));
    const back = raw.map((v) => Math.log1p(Math.exp(v)));
    [0, 0.5, 2].forEach((v, c) => {
      expect(back[c]).toBeCloseTo(v, 5);
    });
  });

  it('repeat when there are fewer spectra than endmembers', () => {
    const centres = kMeans(Float32Array.of(1, 2, 1, 2), 2, 3, new Random(1));
    expect([...centres]).toEqual([1, 2, 1, 2, 1, 2]);
  });

  it('refuse spectra that are not finite', () => {
    expect(() => kMeans(Float32Array.of(1, Number.NaN), 2, 1, new Random(1))).toThrow('spectrum 0, band 1');
    expect(() => kMeans(new Float32Array(0), 2, 1, new Random(1))).toThrow('no spectra');
  });
});
