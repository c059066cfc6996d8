import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { principalDirections, projectionWeights } from '../../src/evaluate/pca.js';
import { symmetricEigen } from '../../src/evaluate/symmetric_eigen.js';
import { CovarianceFit } from '../../src/fit/covariance_fit.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

/** Largest |A v - lambda v| and |V V^T - 1|. */
function defects(matrix: Float64Array, n: number): { residual: number; orthogonality: number } {
  const { values, vectors } = symmetricEigen(matrix, n);
  let [residual, orthogonality] = [0, 0];
  for (let k = 0; k < n; k++) {
    const v = vectors.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++) {
      let [product, dot] = [0, 0];
      for (let j = 0; j < n; j++) {
        product += matrix[i * n + j] * v[j];
        dot += vectors[i * n + j] * v[j];
      }
      residual = Math.max(residual, Math.abs(product - values[k] * v[i]));
      orthogonality = Math.max(orthogonality, Math.abs(dot - (i === k ? 1 : 0)));
    }
  }
  return { residual, orthogonality };
}

/** Spectra of rank ~5 with noise, like real ones: eigenvalues over many decades. */
function correlated(n: number, count: number): Float32Array {
  const random = new Random(11);
  const basis = Array.from({ length: 5 * n }, (_, i) => Math.sin(((i % n) * (1 + Math.floor(i / n))) / n));
  const out = new Float32Array(count * n);
  for (let p = 0; p < count; p++) {
    const share = Array.from({ length: 5 }, (_, k) => random.normal() * 10 ** -k);
    for (let b = 0; b < n; b++)
      out[p * n + b] = 0.3 + share.reduce((sum, s, k) => sum + s * basis[k * n + b]!, 0) + 1e-4 * random.normal();
  }
  return out;
}

describe('eigenvectors of symmetric matrices', () => {
  it('by hand: [[2, 1], [1, 2]] has 3 along (1, 1) and 1 along (1, -1)', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
    expect(values[0]).toBeCloseTo(3, 14);
    expect(values[1]).toBeCloseTo(1, 14);
    expect(Math.abs(vectors[0] + vectors[1])).toBeCloseTo(Math.SQRT2, 14);
    expect(vectors[2] + vectors[3]).toBeCloseTo(0, 14);
  });

  it('of one number, of a diagonal, of zeros, of equal eigenvalues', () => {
    expect([...symmetricEigen(Float64Array.of(-4), 1).values]).toEqual([-4]);
    expect([...symmetricEigen(Float64Array.of(1, 0, 0, 0, 3, 0, 0, 0, 2), 3).values]).toEqual([3, 2, 1]);
    expect(defects(new Float64Array(16), 4)).toEqual({ residual: 0, orthogonality: 0 });
    // 1 + ones: 4 once, 1 three times; a unit in the last place or so each
    const ones = Float64Array.from({ length: 9 }, (_, i) => (i % 4 === 0 ? 2 : 1));
    const found = symmetricEigen(ones, 3).values;
    [4, 1, 1].forEach((value, k) => {
      expect(found[k]).toBeCloseTo(value, 14);
    });
    expect(defects(ones, 3).orthogonality).toBeLessThan(1e-14);
  });

  it('satisfies its definition at 60 x 60, and takes a matrix whose parts are apart', () => {
    const random = new Random(5);
    const n = 60;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++)
        // two blocks that do not touch
        matrix[i * n + j] = matrix[j * n + i] = i < 30 === j < 30 ? random.normal() : 0;
    // rounding of n operations on entries of about 1: 60 x 2e-16 x |A| (~15)
    const { residual, orthogonality } = defects(matrix, n);
    expect(residual).toBeLessThan(1e-12);
    expect(orthogonality).toBeLessThan(1e-13);
  });

  it('of a singular matrix: fewer spectra than bands, some bands without light', () => {
    const [spectra, n] = [12, 150];
    const random = new Random(4);
    const light = Float64Array.from({ length: n }, (_, b) => (b % 9 === 0 ? 1e-9 : Math.exp(-b / 8)));
    const x = Float64Array.from({ length: spectra * n }, (_, i) => light[i % n]! * random.normal());
    const matrix = new Float64Array(n * n);
    for (let s = 0; s < spectra; s++)
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j]! += x[s * n + i]! * x[s * n + j]!;
    const { values } = symmetricEigen(matrix, n);
    const trace = Array.from({ length: n }, (_, i) => matrix[i * n + i]!).reduce((a, b) => a + b, 0);
    expect(values.reduce((a, b) => a + b, 0) / trace).toBeCloseTo(1, 12);
    // its rank is the number of spectra: what follows is rounding
    for (const value of values.subarray(spectra)) expect(Math.abs(value) / trace).toBeLessThan(1e-14);
  });

  it('refuses what is not finite', () => {
    expect(() => symmetricEigen(Float64Array.of(1, Number.NaN, Number.NaN, 1), 2)).toThrow(/finite/);
  });
});

const NUMPY = `
import json, sys, numpy as np
folder = sys.argv[1]
x = np.fromfile(folder + '/x.f32', dtype='<f4').reshape(-1, 340).astype(np.float64)
keep = np.array(json.load(open(folder + '/keep.json')), dtype=bool)
mean = x.mean(0)
cov = (x - mean).T @ (x - mean) / len(x)
w, v = np.linalg.eigh(cov[keep][:, keep])
w, v = w[::-1], v[:, ::-1]
out = {'mean': mean.tolist(), 'values': w.tolist(), 'projections': {}}
for rank in (7, 20):
    y = np.zeros_like(x)
    y[:, keep] = mean[keep] + (x[:, keep] - mean[keep]) @ v[:, :rank] @ v[:, :rank].T
    out['projections'][rank] = y[:50].ravel().tolist()
print(json.dumps(out))
`;

describePython('principal directions beside numpy.linalg.eigh', () => {
  const folder = temporaryFolder();

  it('of 340 bands, streamed over patches, two of the bands bad', async () => {
    const bands = 340;
    const x = correlated(bands, 600);
    const mask = Uint8Array.from({ length: bands }, (_, b) => (b === 10 || b === 200 ? 0 : 1));
    const fit = await CovarianceFit.create({ bands, height: 10, width: 20, device: { kind: 'cpu' } });
    for (let patch = 0; patch < 3; patch++) await fit.add(x.subarray(patch * 200 * bands, (patch + 1) * 200 * bands));
    const covariance = fit.result();
    fit.dispose();
    expect(covariance.pixels).toBe(600);
    const directions = principalDirections(covariance, mask);
    writeFileSync(join(folder, 'x.f32'), new Uint8Array(x.buffer));
    writeFileSync(join(folder, 'keep.json'), JSON.stringify([...mask]));
    const peer = JSON.parse(runPython(NUMPY, [folder])) as {
      mean: number[];
      values: number[];
      projections: Record<string, number[]>;
    };
    // E[xy] - E[x]E[y] loses what numpy's centred sums keep: 1e-16 x the largest variance (~200)
    peer.values.forEach((value, k) => {
      expect(Math.abs(directions.variances[k] - value)).toBeLessThan(1e-12 * peer.values[0]!);
    });
    for (const rank of [7, 20]) {
      const weights = projectionWeights(directions, rank);
      const [w, b] = [weights.get('regression.weight')!, weights.get('regression.bias')!];
      expect([...w.subarray(10 * bands, 11 * bands)].every((v) => v === 0)).toBe(true);
      let worst = 0;
      for (let p = 0; p < 50; p++)
        for (let c = 0; c < bands; c++) {
          let y = b[c];
          for (let k = 0; k < bands; k++) y += w[c * bands + k] * x[p * bands + k];
          worst = Math.max(worst, Math.abs(y - peer.projections[rank]![p * bands + c]!));
        }
      // float32 weights (6e-8) times values of about 3; beyond rank 5 the directions are noise of 1e-4 and may differ
      // by the gap of their eigenvalues, which the projection does not show
      expect(worst).toBeLessThan(3e-6);
    }
  });

  it('leaves masked pixels out', async () => {
    const fit = await CovarianceFit.create({ bands: 2, height: 1, width: 3, pixelMask: true, device: { kind: 'cpu' } });
    await fit.add(Float32Array.of(1, 2, 100, 100, 3, 6), Float32Array.of(1, 0, 1));
    const { pixels, mean, covariance } = fit.result();
    fit.dispose();
    // (1, 2) and (3, 6): mean (2, 4), deviations (1, 2)
    expect(pixels).toBe(2);
    expect([...mean]).toEqual([2, 4]);
    expect([...covariance]).toEqual([1, 2, 2, 4]);
  });

  it('needs a pixel', async () => {
    const fit = await CovarianceFit.create({ bands: 2, height: 1, width: 1, device: { kind: 'cpu' } });
    expect(() => fit.result()).toThrow(/no valid pixels/);
    fit.dispose();
  });
});
