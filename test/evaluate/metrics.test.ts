import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { scaledMeanWeights } from '../../src/evaluate/baselines.js';
import { bandRegions } from '../../src/metrics/band_regions.js';
import { patchMetrics } from '../../src/metrics/patch_metrics.js';
import { methodMetrics } from '../../src/metrics/region_metrics.js';
import { formatFullTable, formatShortTable } from '../../src/metrics/table.js';
import type { MethodResult } from '../../src/metrics/types.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

interface Case {
  readonly bands: number;
  /** [pixels, bands] */
  readonly prediction: readonly number[];
  readonly target: readonly number[];
  readonly valid?: readonly number[];
  readonly wavelength?: readonly number[];
  readonly good?: readonly number[];
}

/** A method that predicts these spectra, one row of pixels. */
function measured(label: string, role: MethodResult['role'], values: Case): MethodResult {
  const { bands, prediction, target, valid, wavelength, good } = values;
  const regions = bandRegions(bands, wavelength, good);
  const sums = patchMetrics(
    {
      height: 1,
      width: target.length / bands,
      bands,
      prediction: Float32Array.from(prediction),
      target: Float32Array.from(target),
      ...(valid ? { valid } : {}),
    },
    { masks: regions.map(({ mask }) => mask) },
  );
  return { label, role, about: '', ...methodMetrics(sums, regions, 1) };
}

const overAll = (values: Case) => measured('x', 'model', values).regions.all!;

describe('metrics by hand', () => {
  it('leaves masked pixels out, above and below the line', () => {
    const pixels = { prediction: [3, 4, 1, 0, 0, 0], target: [4, 3, 0, 2, 1, 1] };
    const method = measured('x', 'model', { bands: 2, ...pixels, valid: [0, 1, 0] });
    expect(method).toMatchObject({ validPixels: 1, zeroNormPixels: 0 });
    expect(method.regions).toMatchObject({ all: { samDeg: 90, mae: 1.5 } });
    expect(Object.keys(method.regions)).toEqual(['all']);
  });

  it('of equal spectra is exactly zero, of opposite ones 180', () => {
    const equal = [0.1, 0.2, 0.3];
    expect(overAll({ bands: 3, prediction: equal, target: equal }).samDeg).toBe(0);
    expect(overAll({ bands: 3, prediction: [-1, -1, -1], target: [1, 1, 1] }).samDeg).toBe(180);
  });

  it('takes the angle over the clear bands alone', () => {
    const wavelength = [500, 940, 1600];
    const spectra = { bands: 3, prediction: [1, 9, 1], target: [1, 0, 1], wavelength };
    const { all, clear } = measured('x', 'model', spectra).regions;
    expect(clear!.samDeg).toBe(0);
    // cos = 2 / (sqrt 83 sqrt 2)
    expect(all!.samDeg).toBeCloseTo((Math.acos(2 / Math.sqrt(166)) * 180) / Math.PI, 10);
    expect(clear!.rmse).toBe(0);
  });

  it('leaves bad bands out', () => {
    const values = { bands: 3, prediction: [1, 99, 0], target: [1, 0, 1], good: [1, 0, 1] };
    expect(overAll(values).samDeg).toBeCloseTo(45, 10);
    // errors 0 and 1
    expect(overAll(values).rmse).toBeCloseTo(Math.SQRT1_2, 14);
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
    const t = Array.from({ length: 40 * 340 }, () => Math.fround(random.uniform()));
    const p = t.map((value) => Math.fround(value + 0.05 * random.normal()));
    const { regions, byBand } = measured('x', 'model', { bands: 340, prediction: p, target: t });
    const { samDeg, rmse, mae } = regions.all!;
    const path = join(folder, 'spectra.json');
    writeFileSync(path, JSON.stringify({ t, p }));
    const peer = JSON.parse(runPython(NUMPY, [path])) as number[];
    // float64 on both sides, summed in another order
    [samDeg, rmse, mae, byBand.rmse[17]!].forEach((value, i) => {
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
  // errors -1, 1 and 0, -2: squares 1 and 5; (3, 4) for (4, 3) is acos(24/25), (0, 0) has no angle
  const values = { bands: 2, prediction: [3, 4, 0, 0], target: [4, 3, 0, 2] };

  it('of a training run lines up', () => {
    const spectra = { ...values, wavelength: [500, 1600] };
    const methods = [measured('scaled mean spectrum', 'baseline', spectra), measured('model', 'model', spectra)];
    expect(formatShortTable(methods, { patches: 3, units: 'reflectance' }).split('\n')).toEqual([
      // PSNR: (20 log10(4 / sqrt 0.5) + 20 log10(3 / sqrt 2.5)) / 2
      'model                 SAM deg   RMSE    VNIR   SWIR  clear    MAE  PSNR dB',
      '--------------------------------------------------------------------------',
      'scaled mean spectrum    16.26  1.225  0.7071  1.581  1.225  1.000    10.31',
      'model                   16.26  1.225  0.7071  1.581  1.225  1.000    10.31',
      '2 valid pixels in 3 patches, 1 without length left out of SAM; RMSE and MAE in reflectance; all bands, VNIR 400-1000 nm, SWIR 1000-2400 nm, clear: away from water vapour',
    ]);
  });

  it('of an evaluation marks the model and has every metric', () => {
    // MRAE of 1/4, 1/3, 2/2; no SSIM in a row of two; ERGAS 100 sqrt((0.5 / 4 + 2.5 / 6.25) / 2); below 0: none.
    // two pixels lie on a line, which rises in both bands: CC 1
    expect(formatFullTable([measured('net', 'model', values)], { patches: 1, units: '' }).split('\n')).toEqual([
      'method  SAM deg   RMSE    MAE    MRAE  PSNR dB  SSIM  ERGAS     CC  below 0 %',
      '-----------------------------------------------------------------------------',
      '> net     16.26  1.225  1.000  0.5278    10.31     -  51.23  1.000      0.000',
      "2 valid pixels in 1 patch, 1 without length left out of SAM; RMSE and MAE in the data's units; all bands",
    ]);
  });

  it('says how many bands are good', () => {
    const method = measured('model', 'model', { bands: 2, prediction: [1, 2], target: [1, 2], good: [1, 0] });
    expect(formatShortTable([method], { patches: 1, units: 'W' })).toBe(
      'model  SAM deg   RMSE    MAE  PSNR dB\n-------------------------------------\nmodel    0.000  0.000  0.000      inf\n1 valid pixel in 1 patch; RMSE and MAE in W; the 1 good of 2 bands',
    );
  });
});
