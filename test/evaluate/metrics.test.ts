import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { scaledMeanWeights } from '../../src/evaluate/baselines.js';
import { addPixels, emptySums, formatMetricsTable, summarize } from '../../src/metrics/metrics.js';
import { regionMask } from '../../src/spectra/bands.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

describe('metrics by hand', () => {
  // Two bands: (3, 4) against (4, 3): cos = 24/25. (1, 0) against (0, 2): 90 degrees. (0, 0) has no angle.
  const prediction = [3, 4, 1, 0, 0, 0];
  const target = [4, 3, 0, 2, 1, 1];

  it('of three pixels', () => {
    const sums = emptySums(2);
    addPixels(sums, prediction, target);
    const row = summarize('model', sums, [500, 1600]);
    // acos(.96) = 16.260204708311957 degrees
    expect(row.samDeg).toBeCloseTo((16.260204708311957 + 90) / 2, 10);
    expect(row.validPixels).toBe(3);
    expect(row.zeroNormPixels).toBe(1);
    // errors by band: -1, 1, -1 and 1, -2, -1
    expect(row.rmseByBand[0]!).toBeCloseTo(1, 14);
    expect(row.rmseByBand[1]!).toBeCloseTo(Math.sqrt(2), 14);
    expect(row.rmse).toBeCloseTo(Math.sqrt(9 / 6), 14);
    expect(row.mae).toBeCloseTo(7 / 6, 14);
    expect(row.rmseByRegion.vnir).toBeCloseTo(1, 14);
    expect(row.rmseByRegion.swir).toBeCloseTo(Math.sqrt(2), 14);
    expect(row.rmseByRegion.clear).toBeCloseTo(Math.sqrt(9 / 6), 14);
    expect([...sums.targetSum]).toEqual([5, 6]);
    expect([...sums.targetSquares]).toEqual([17, 14]);
    expect([...sums.targetMax]).toEqual([4, 3]);
  });

  it('leaves masked pixels out, above and below the line', () => {
    const sums = emptySums(2);
    addPixels(sums, prediction, target, { mask: [0, 1, 0] });
    expect(summarize('x', sums)).toMatchObject({
      samDeg: 90,
      validPixels: 1,
      zeroNormPixels: 0,
      mae: 1.5,
      rmseByRegion: {},
    });
  });

  it('of equal spectra is exactly zero, of opposite ones 180', () => {
    const sums = emptySums(3);
    addPixels(sums, [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]);
    expect(sums.samRad).toBe(0);
    addPixels(sums, [-1, -1, -1], [1, 1, 1]);
    expect(sums.samRad).toBe(Math.PI);
  });

  it('takes the angle over the clear bands alone', () => {
    const wavelength = [500, 940, 1600];
    const [all, clear] = [emptySums(3), emptySums(3)];
    addPixels(all, [1, 9, 1], [1, 0, 1]);
    addPixels(clear, [1, 9, 1], [1, 0, 1], { bands: regionMask(wavelength, 'clear') });
    const row = summarize('x', all, wavelength, clear);
    expect(row.samClearDeg).toBe(0);
    // cos = 2 / (sqrt 83 sqrt 2)
    expect(row.samDeg).toBeCloseTo((Math.acos(2 / Math.sqrt(166)) * 180) / Math.PI, 10);
    expect(row.rmseByRegion.clear).toBe(0);
  });

  it('refuses arrays that do not fit', () => {
    expect(() => addPixels(emptySums(2), [1, 2], [1])).toThrow(/2 predicted and 1 true values of 2 bands/);
    expect(() => addPixels(emptySums(2), [1, 2, 3], [1, 2, 3])).toThrow(/of 2 bands/);
  });
});

const NUMPY = `
import json, sys, numpy as np
r = json.load(open(sys.argv[1]))
t, p = (np.array(r[k]).reshape(-1, 340) for k in 'tp')
c = (p * t).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(t, axis=1)
e = p - t
print(json.dumps([float(v) for v in (np.degrees(np.arccos(c)).mean(), np.sqrt((e ** 2).mean()), np.abs(e).mean(), np.sqrt((e ** 2).mean(0))[17])]))
`;

describePython('metrics against numpy', () => {
  const folder = temporaryFolder();

  it('of random spectra of 340 bands', () => {
    const random = new Random(3);
    const t = Array.from({ length: 40 * 340 }, () => random.uniform());
    const p = t.map((value) => value + 0.05 * random.normal());
    const sums = emptySums(340);
    addPixels(sums, p, t);
    const row = summarize('x', sums);
    const path = join(folder, 'spectra.json');
    writeFileSync(path, JSON.stringify({ t, p }));
    const peer = JSON.parse(runPython(NUMPY, [path])) as number[];
    // float64 on both sides, summed in another order
    [row.samDeg, row.rmse, row.mae, row.rmseByBand[17]!].forEach((value, i) => {
      expect(Math.abs(value / peer[i]! - 1)).toBeLessThan(1e-11);
    });
  });
});

describe('the scaled mean spectrum', () => {
  it('is scaled by the input alone', () => {
    const weights = scaledMeanWeights([1, 2], [10, 20, 30]);
    const w = weights.get('regression.weight')!;
    expect(w).toHaveLength(6);
    expect([...weights.get('regression.bias')!]).toEqual([0, 0, 0]);
    const predict = (x: number[]) => [0, 1, 2].map((c) => w[2 * c]! * x[0]! + w[2 * c + 1]! * x[1]!);
    // twice the mean input is twice the mean spectrum; (2, 1) has <x, m> / <m, m> = 4/5. float32 weights: 6e-8 relative.
    predict([2, 4]).forEach((value, c) => {
      expect(value).toBeCloseTo(20 * (c + 1), 5);
    });
    predict([2, 1]).forEach((value, c) => {
      expect(value).toBeCloseTo(8 * (c + 1), 5);
    });
  });

  it('of nothing is nothing', () => {
    expect([...scaledMeanWeights([0, 0], [0]).get('regression.weight')!]).toEqual([0, 0]);
  });
});

describe('the table', () => {
  it('lines up', () => {
    const sums = emptySums(2);
    addPixels(sums, [3, 4, 0, 0], [4, 3, 0, 2]);
    const rows = [summarize('scaled mean spectrum', sums, [500, 1600]), summarize('model', sums, [500, 1600])];
    expect(formatMetricsTable(rows, 'reflectance').split('\n')).toEqual([
      // PSNR: (20 log10(4 / sqrt 0.5) + 20 log10(3 / sqrt 2.5)) / 2
      'model                 SAM deg   RMSE    VNIR   SWIR  clear    MAE  PSNR dB',
      '--------------------------------------------------------------------------',
      'scaled mean spectrum    16.26  1.225  0.7071  1.581  1.225  1.000    10.31',
      'model                   16.26  1.225  0.7071  1.581  1.225  1.000    10.31',
      '2 pixels, 1 without length left out of SAM; RMSE and MAE in reflectance; RMSE over all bands, VNIR 400-1000 nm, SWIR 1000-2400 nm, clear of water vapour',
    ]);
  });

  it('does without wavelengths', () => {
    const sums = emptySums(2);
    addPixels(sums, [1, 2], [1, 2]);
    expect(formatMetricsTable([summarize('model', sums)])).toBe(
      'model  SAM deg   RMSE    MAE  PSNR dB\n-------------------------------------\nmodel    0.000  0.000  0.000        -\n1 pixel',
    );
  });
});
