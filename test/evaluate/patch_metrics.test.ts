import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { angleFromSums, spectralAngles } from '../../src/metrics/angles.js';
import { bandRegions } from '../../src/metrics/band_regions.js';
import { bandRange, patchMetrics } from '../../src/metrics/patch_metrics.js';
import { methodMetrics } from '../../src/metrics/region_metrics.js';
import { Ssim } from '../../src/metrics/ssim.js';
import { emptyEvaluation, mergeEvaluation } from '../../src/metrics/sums.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const ONE = [Uint8Array.of(1, 1)];

describe('metrics of a patch, by hand', () => {
  // two bands, three pixels: (3, 4) for (4, 3), (1, 0) for (0, 2), (0, 0) for (1, 1)
  const pair = {
    height: 1,
    width: 3,
    bands: 2,
    prediction: Float32Array.of(3, 4, 1, 0, 0, 0),
    target: Float32Array.of(4, 3, 0, 2, 1, 1),
  };
  const regions = bandRegions(2, [500, 1600]);

  it('of three pixels', () => {
    const sums = patchMetrics(pair, { masks: regions.map((r) => r.mask), range: [4, 2] });
    const { regions: r, byBand, validPixels, zeroNormPixels } = methodMetrics(sums, regions, 7.5);
    expect([validPixels, zeroNormPixels]).toEqual([3, 1]);
    // acos(24/25) and 90 degrees; the third has no angle
    expect(r.all!.samDeg).toBeCloseTo((16.260204708311957 + 90) / 2, 10);
    // errors: -1, 1, -1 and 1, -2, -1
    expect(r.all!.rmse).toBeCloseTo(Math.sqrt(9 / 6), 14);
    expect(r.all!.mae).toBeCloseTo(7 / 6, 14);
    // true values that are not 0: 4, 1 and 3, 2, 1
    expect(r.all!.mrae).toBeCloseTo((1 / 4 + 1 + 1 / 3 + 1 + 1) / 5, 14);
    expect(r.vnir!.mrae).toBeCloseTo((1 / 4 + 1) / 2, 14);
    expect(byBand.rmse).toEqual([1, Math.sqrt(2)]);
    expect(byBand.mae[0]).toBe(1);
    expect(byBand.mae[1]).toBeCloseTo(4 / 3, 14);
    // peaks 4 and 3: 20 log10 4, 20 log10 (3 / sqrt 2)
    expect(byBand.psnr[0]).toBeCloseTo(12.041199826559248, 12);
    expect(byBand.psnr[1]).toBeCloseTo(20 * Math.log10(3 / Math.SQRT2), 12);
    expect(r.all!.psnr).toBeCloseTo((byBand.psnr[0]! + byBand.psnr[1]!) / 2, 12);
    // means of the truth 5/3 and 2: 100 / 7.5 sqrt( ((3/5)^2 + 2/4) / 2 )
    expect(r.all!.ergas).toBeCloseTo((100 / 7.5) * Math.sqrt((0.36 + 0.5) / 2), 12);
    // centred truth (7, -5, -2) / 3 and (1, 0, -1), prediction (5, -1, -4) / 3 and (8, -4, -4) / 3
    expect(byBand.cc[0]).toBeCloseTo(48 / Math.sqrt(78 * 42), 12);
    expect(byBand.cc[1]).toBeCloseTo(12 / Math.sqrt(2 * 96), 12);
    // no room for a window of 11 x 11
    expect(r.all!.ssim).toBeNaN();
    expect(r.swir!.bands).toBe(1);
    // one band: the angle is 0 or undefined
    expect(r.swir!.samDeg).toBe(0);
  });

  it('is the same in parts', () => {
    const options = { masks: regions.map((r) => r.mask), range: [4, 2] };
    const whole = methodMetrics(patchMetrics(pair, options), regions, 1);
    const sums = emptyEvaluation(2, regions.length);
    for (let p = 0; p < 3; p++) {
      const part = (a: Float32Array) => a.subarray(2 * p, 2 * p + 2);
      const one = { ...pair, width: 1, prediction: part(pair.prediction), target: part(pair.target) };
      mergeEvaluation(sums, patchMetrics(one, options));
    }
    const parts = methodMetrics(sums, regions, 1);
    // the same sums in another order
    for (const key of ['samDeg', 'rmse', 'mae', 'mrae', 'psnr', 'ergas', 'cc'] as const)
      expect(parts.regions.all![key]).toBeCloseTo(whole.regions.all![key], 13);
  });

  it('of a patch without a valid pixel adds nothing', () => {
    const sums = emptyEvaluation(2, 1);
    mergeEvaluation(sums, patchMetrics({ ...pair, valid: [0, 0, 0] }, { masks: ONE, range: [1, 1] }));
    expect(sums).toEqual(emptyEvaluation(2, 1));
    expect(methodMetrics(sums, bandRegions(2), 1).regions.all!.samDeg).toBeNaN();
  });

  it('of a perfect prediction: 0 degrees, infinite PSNR, SSIM 1, correlation 1', () => {
    const random = new Random(2);
    const target = Float32Array.from({ length: 12 * 13 * 2 }, () => random.uniform());
    const sums = patchMetrics(
      { height: 12, width: 13, bands: 2, prediction: target.slice(), target },
      { masks: ONE, range: [1, 1] },
    );
    const { all } = methodMetrics(sums, bandRegions(2), 1).regions;
    expect(all).toMatchObject({ samDeg: 0, rmse: 0, mae: 0, mrae: 0, psnr: Number.POSITIVE_INFINITY, ergas: 0 });
    // rounding of a quotient of equal sums
    expect(all!.ssim).toBeCloseTo(1, 13);
    expect(all!.cc).toBeCloseTo(1, 13);
  });

  it('leaves undefined bands out of the means: a constant one has no correlation, one without light no peak', () => {
    const sums = patchMetrics(
      {
        height: 1,
        width: 2,
        bands: 2,
        prediction: Float32Array.of(1, 1, 3, 2),
        target: Float32Array.of(2, 0, 4, 0),
      },
      { masks: ONE, range: [2, 0] },
    );
    const { regions: r, byBand } = methodMetrics(sums, bandRegions(2), 1);
    expect(byBand.cc).toEqual([1, Number.NaN]);
    expect(byBand.psnr[1]).toBeNaN();
    expect(r.all!.cc).toBe(1);
    expect(r.all!.psnr).toBeCloseTo(20 * Math.log10(4), 12);
    expect(r.all!.ergas).toBeCloseTo(100 / 3, 12);
  });
});

describe('angles', () => {
  it('keep their digits where acos loses them', () => {
    // (1, 1e-5) and (1, 0): atan(1e-5); |e|^2 = 1e-10
    expect(Math.abs(angleFromSums(1e-10, 1 + 1e-10, 1) / Math.atan(1e-5) - 1)).toBeLessThan(1e-6);
    expect(angleFromSums(0, 7, 7)).toBe(0);
    expect(angleFromSums(4, 1, 1)).toBe(Math.PI);
    expect(angleFromSums(1, 0, 1)).toBeNaN();
  });

  it('are given by pixel, over the first mask', () => {
    const map = new Float32Array(3);
    const [all, second] = [Uint8Array.of(1, 0, 1), Uint8Array.of(0, 0, 1)];
    const sums = spectralAngles(
      Float32Array.of(1, 9, 0, 0, 9, 0, 1, 9, 1),
      Float32Array.of(0, 1, 1, 1, 1, 1, 1, 1, 1),
      3,
      [all, second],
      [1, 1, 0],
      map,
    );
    expect([...map]).toEqual([Math.fround(Math.PI / 2), Number.NaN, Number.NaN]);
    expect([...sums.pixels]).toEqual([1, 0]);
    expect([...sums.zeroNorm]).toEqual([1, 2]);
  });
});

describe('regions', () => {
  it('hold good bands only, and are left out where they hold none', () => {
    const regions = bandRegions(4, [300, 500, 940, 1600], [1, 0, 1, 1]);
    expect(regions.map((r) => [r.name, r.bands, [...r.mask]])).toEqual([
      ['all', 3, [1, 0, 1, 1]],
      ['vnir', 1, [0, 0, 1, 0]],
      ['swir', 1, [0, 0, 0, 1]],
      ['clear', 1, [0, 0, 0, 1]],
    ]);
    expect(bandRegions(2).map((r) => r.name)).toEqual(['all']);
    expect(bandRegions(2, [300, 500], [1, 0]).map((r) => r.name)).toEqual(['all']);
  });
});

describe('SSIM', () => {
  it('counts only windows that are wholly valid', () => {
    const valid = new Uint8Array(13 * 12).fill(1);
    expect(new Ssim(13, 12, valid).windows).toBe(6);
    valid[12 * 12 + 11] = 0; // the last pixel spoils the last window
    expect(new Ssim(13, 12, valid).windows).toBe(5);
    valid[6 * 12 + 6] = 0; // one in the middle is in all of them
    expect(new Ssim(13, 12, valid).windows).toBe(0);
    expect(new Ssim(13, 12, valid).mean(new Float64Array(156), new Float64Array(156), 1)).toBeNaN();
    expect(new Ssim(10, 40).windows).toBe(0);
  });
});

/** Plain numpy: windows one by one, nothing shared with the code under test. */
const NUMPY = `
import json, sys, numpy as np
folder = sys.argv[1]
meta = json.load(open(folder + '/meta.json'))
h, w, c, ratio = meta['h'], meta['w'], meta['c'], meta['ratio']
load = lambda name: np.fromfile(folder + '/' + name, dtype='<f4').reshape(-1, h, w, c).astype(np.float64)
T, P = load('t.f32'), load('p.f32')
V = np.array(meta['valid']).reshape(-1, h, w).astype(bool)
masks = {k: np.array(m, dtype=bool) for k, m in meta['masks'].items()}
t, p = T[V], P[V]
e = p - t
g = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5 ** 2)); g /= g.sum(); K = np.outer(g, g)
def ssim(a, b, v, L):
    C1, C2, out = (.01 * L) ** 2, (.03 * L) ** 2, []
    for y in range(h - 10):
        for x in range(w - 10):
            if not v[y:y+11, x:x+11].all(): continue
            A, B = a[y:y+11, x:x+11], b[y:y+11, x:x+11]
            ma, mb = (K * A).sum(), (K * B).sum()
            va, vb, ab = (K * (A - ma) ** 2).sum(), (K * (B - mb) ** 2).sum(), (K * (A - ma) * (B - mb)).sum()
            out.append((2 * ma * mb + C1) * (2 * ab + C2) / ((ma ** 2 + mb ** 2 + C1) * (va + vb + C2)))
    return np.mean(out)
res = {}
for name, m in masks.items():
    tm, pm, em = t[:, m], p[:, m], e[:, m]
    ang = np.degrees(np.arccos((tm * pm).sum(1) / np.linalg.norm(tm, axis=1) / np.linalg.norm(pm, axis=1)))
    rmse = np.sqrt((em ** 2).mean(0))
    nz = tm != 0
    res[name] = dict(bands=int(m.sum()), samDeg=ang.mean(), rmse=np.sqrt((em ** 2).mean()), mae=np.abs(em).mean(),
        mrae=(np.abs(em[nz]) / np.abs(tm[nz])).mean(), psnr=(20 * np.log10(tm.max(0) / rmse)).mean(),
        ssim=np.mean([np.mean([ssim(T[i, :, :, b], P[i, :, :, b], V[i], np.ptp(t[:, b])) for i in range(len(T))]) for b in np.nonzero(m)[0]]),
        ergas=100 / ratio * np.sqrt(((rmse / tm.mean(0)) ** 2).mean()),
        cc=np.mean([np.corrcoef(tm[:, b], pm[:, b])[0, 1] for b in range(tm.shape[1])]))
print(json.dumps(res))
`;

describePython('metrics beside numpy', () => {
  const folder = temporaryFolder();

  it('of three masked patches of 8 bands, one of them bad, streamed', () => {
    const [h, w, c, ratio] = [19, 16, 8, 7.5];
    const random = new Random(9);
    const wavelength = [450, 600, 700, 940, 1200, 1600, 2100, 2350];
    const good = [1, 1, 0, 1, 1, 1, 1, 1];
    const regions = bandRegions(c, wavelength, good);
    const n = 3 * h * w;
    // bright, with little contrast: what cancels if sums are taken carelessly
    const t = Float32Array.from({ length: n * c }, (_, i) => 1000 * (1 + (i % c)) + 20 * random.normal());
    const p = t.map((v) => v + 10 * random.normal());
    // the bad band would spoil everything it took part in; a few true zeros for MRAE
    for (let i = 2; i < n * c; i += c) t[i] = 1e30;
    for (let i = 0; i < 5; i++) t[(i * 97 + 3) * c + 5] = 0;
    const valid = Uint8Array.from({ length: n }, (_, i) => ([3, 20, 290].includes(i % (h * w)) ? 0 : 1));
    for (let i = 0; i < n; i++) if (valid[i] === 0) t.fill(0, i * c, (i + 1) * c);
    const part = (a: Float32Array, i: number) => a.subarray(i * h * w * c, (i + 1) * h * w * c);
    const masks = regions.map((r) => r.mask);
    const [low, high] = [new Float64Array(c).fill(Infinity), new Float64Array(c).fill(-Infinity)];
    const mask = (i: number) => valid.subarray(i * h * w, (i + 1) * h * w);
    for (let i = 0; i < 3; i++) bandRange(part(t, i), c, low, high, mask(i));
    const sums = emptyEvaluation(c, regions.length);
    for (let i = 0; i < 3; i++)
      mergeEvaluation(
        sums,
        patchMetrics(
          { height: h, width: w, bands: c, prediction: part(p, i), target: part(t, i), valid: mask(i) },
          { masks, range: high.map((v, b) => v - low[b]) },
        ),
      );
    const own = methodMetrics(sums, regions, ratio);
    writeFileSync(join(folder, 't.f32'), new Uint8Array(t.buffer));
    writeFileSync(join(folder, 'p.f32'), new Uint8Array(p.buffer));
    const meta = {
      h,
      w,
      c,
      ratio,
      valid: [...valid],
      masks: Object.fromEntries(regions.map((r) => [r.name, [...r.mask]])),
    };
    writeFileSync(join(folder, 'meta.json'), JSON.stringify(meta));
    const peer = JSON.parse(runPython(NUMPY, [folder])) as Record<string, Record<string, number>>;
    expect(Object.keys(peer)).toEqual(['all', 'vnir', 'swir', 'clear']);
    for (const [name, values] of Object.entries(peer))
      for (const [metric, value] of Object.entries(values)) {
        const found = (own.regions as Record<string, Record<string, number>>)[name]![metric]!;
        // float64 on both sides; SSIM's windows cancel squares of 8000 against variances of 400: 1e-16 x 1.6e5, times 10.
        // numpy's arccos keeps half the digits of angles of 0.01: 1e-16 / 0.01^2
        expect(Math.abs(found / value - 1), `${name} ${metric}: ${found}, numpy ${value}`).toBeLessThan(2e-10);
      }
    expect(own.byBand.rmse[2]).toBeNaN();
  });
});
