/** The streamed closed form against the normal equations solved another way, and on data made by a known regression. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { openDevice } from '../../src/engine/device.js';
import { RegressionFit } from '../../src/fit/regression_fit.js';
import { cholesky, solveCholesky, solveRidge } from '../../src/fit/ridge_solve.js';
import { ReferenceDevice } from '../support/reference_device.js';

const DEVICES = {
  device: async () => (await openDevice({ kind: 'cpu' })).device,
  'float64 reference': async () => new ReferenceDevice(),
};
const [H, W, IN, OUT] = [6, 7, 3, 4];

/** Patches of x uniform in [0, 1] and y = quadratic form of x, by formula. */
function makePatches(size: number, seed: number) {
  const random = new Random(seed);
  const input = Float32Array.from({ length: size * H * W * IN }, () => random.uniform());
  const target = new Float32Array(size * H * W * OUT);
  for (let p = 0; p < size * H * W; p++) {
    const [a, b, c] = input.subarray(p * IN, (p + 1) * IN) as unknown as [number, number, number];
    target.set([1 + a, 2 * a * b - c, a * a + 0.5 * c * c, 0.25], p * OUT);
  }
  return { size, input, target };
}

describe.each(Object.entries(DEVICES))('a regression fitted on the %s', (_name, device) => {
  it('finds the quadratic form that made the data', async () => {
    const fit = new RegressionFit(
      { kind: 'quadratic', inBands: IN, outBands: OUT, height: H, width: W },
      await device(),
    );
    await fit.add(makePatches(3, 1));
    await fit.add(makePatches(2, 2));
    const { weight, bias } = fit.solve(1e-12);
    // features: a b c aa ab ac bb bc cc
    const expected = [
      [1, 0, 0, 0, 0, 0, 0, 0, 0],
      [0, 0, -1, 0, 2, 0, 0, 0, 0],
      [0, 0, 0, 1, 0, 0, 0, 0, 0.5],
      [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ].flat();
    expected.forEach((w, i) => {
      expect(weight[i]).toBeCloseTo(w, 4);
    });
    [1, 0, 0, 0.25].forEach((b, i) => {
      expect(bias[i]).toBeCloseTo(b, 4);
    });
    fit.dispose();
  });

  it('leaves masked pixels out, whatever they hold', async () => {
    const options = { kind: 'linear', inBands: IN, outBands: OUT, height: H, width: W, pixelMask: true } as const;
    const fit = new RegressionFit(options, await device());
    const patches = makePatches(2, 3);
    const mask = new Float32Array(2 * H * W).fill(1);
    const clean = new RegressionFit(options, await device());
    await clean.add({ ...patches, mask: mask.map((_, i) => (i === 5 || i === 50 ? 0 : 1)) });
    mask[5] = 0;
    mask[50] = 0;
    const dirty = { size: 2, input: patches.input.slice(), target: patches.target.slice(), mask };
    dirty.input.fill(Number.NaN, 5 * IN, 6 * IN);
    dirty.target.fill(-9999, 50 * OUT, 51 * OUT);
    await fit.add(dirty);
    expect(fit.solve().weight).toEqual(clean.solve().weight);
    fit.dispose();
    clean.dispose();
  });
});

describe('the ridge solution', () => {
  it('equals the one-feature formula: slope = covariance / (variance (1 + lambda))', () => {
    const x = [0, 1, 2, 5];
    const y = [1, 2, 2, 7];
    const sum = (f: (i: number) => number) => x.reduce((s, _, i) => s + f(i), 0);
    const gram = Float64Array.of(
      sum((i) => x[i]! ** 2),
      sum((i) => x[i]!),
      sum((i) => x[i]!),
      4,
    );
    const cross = Float64Array.of(
      sum((i) => x[i]! * y[i]!),
      sum((i) => y[i]!),
    );
    const [mx, my] = [2, 3];
    const covariance = sum((i) => (x[i]! - mx) * (y[i]! - my));
    const variance = sum((i) => (x[i]! - mx) ** 2);
    const { weight, bias } = solveRidge(gram, cross, 1, 0.5);
    expect(weight[0]).toBeCloseTo(covariance / (variance * 1.5), 6);
    expect(bias[0]).toBeCloseTo(my - (covariance / (variance * 1.5)) * mx, 6);
  });

  it('does not depend on the units of a feature, and gives a constant feature no weight', () => {
    const make = (scale: number) => {
      const rows = Array.from({ length: 40 }, (_, i) => [scale * Math.sin(i), Math.cos(3 * i), 7, 1]);
      const y = rows.map((_, i) => Math.sin(i) - Math.cos(3 * i) + 0.1 * Math.sin(9 * i));
      const gram = new Float64Array(16);
      const cross = new Float64Array(4);
      rows.forEach((row, r) => {
        row.forEach((a, i) => {
          cross[i]! += a * y[r]!;
          row.forEach((b, j) => {
            gram[i * 4 + j]! += a * b;
          });
        });
      });
      return solveRidge(gram, cross, 1, 0.1).weight;
    };
    const [one, thousand] = [make(1), make(1000)];
    expect(thousand[0]! * 1000).toBeCloseTo(one[0]!, 5);
    expect(thousand[1]).toBeCloseTo(one[1]!, 5);
    expect(one[2]).toBe(0);
  });

  it('refuses empty and broken sums', () => {
    expect(() => solveRidge(new Float64Array(4), new Float64Array(2), 1, 1)).toThrow('no valid pixels');
    expect(() => solveRidge(Float64Array.of(Number.NaN, 1, 1, 4), Float64Array.of(1, 1), 1, 1)).toThrow('NaN');
  });

  it('rests on a Cholesky factor that solves', () => {
    // [[4, 2], [2, 5]] x = [8, 12] has x = [1, 2]
    const a = Float64Array.of(4, 2, 2, 5);
    const b = Float64Array.of(8, 12);
    cholesky(a, 2);
    solveCholesky(a, 2, b, 1);
    expect([...b]).toEqual([1, 2]);
  });
});
