import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { silentReporter } from '../../src/base/reporter.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { EvaluationOptions } from '../../src/evaluate/common.js';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import { metricsJson } from '../../src/evaluate/result.js';
import { evaluateStage1 } from '../../src/evaluate/stage1.js';
import type { MethodResult } from '../../src/metrics/types.js';
import { contractOf, splitOf, writeCheckpoint } from '../support/checkpoints.js';
import { writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const [PATCHES, SIDE, IN, OUT] = [9, 14, 7, 30];
const split = splitOf([0, 1, 2, 3, 4], [5, 6], [7, 8]);
const BAD_BAND = 4;

/** Mixtures of smooth spectra, a little noise, a coarse view of them; some pixels masked, one band bad. */
function makeData() {
  const random = new Random(4);
  const pixels = PATCHES * SIDE * SIDE;
  const aviris = new Float32Array(pixels * OUT);
  const landsat = new Float32Array(pixels * IN);
  const mask = new Uint8Array(pixels).fill(1);
  for (let p = 0; p < pixels; p++) {
    const share = [random.uniform(), random.uniform(), random.uniform()];
    for (let b = 0; b < OUT; b++) {
      const u = b / OUT;
      const clean =
        0.1 + share[0]! * 0.3 * u + share[1]! * 0.2 * Math.sin(5 * u) ** 2 + share[2]! * share[0]! * 0.1 * (1 - u);
      aviris[p * OUT + b] = clean + 0.004 * random.normal();
    }
    for (let k = 0; k < IN; k++) {
      let sum = 0;
      for (let b = 4 * k; b < 4 * k + 5; b++) sum += aviris[p * OUT + Math.min(b, OUT - 1)] / 5;
      landsat[p * IN + k] = sum + 0.001 * random.normal();
    }
    aviris[p * OUT + BAD_BAND] = 50;
    if (p % 53 === 9) mask[p] = 0;
    // in three corners only, so that windows of SSIM remain
    if (p >= 5 * SIDE * SIDE) mask[p] = [0, 13, 182].includes(p % (SIDE * SIDE)) ? 0 : 1;
  }
  return { aviris, landsat, mask };
}

const wavelength = Float64Array.from({ length: OUT }, (_, b) => 420 + 65 * b);
const good = Uint8Array.from({ length: OUT }, (_, b) => (b === BAD_BAND ? 0 : 1));
/** The model under test: each band from the nearest coarse one, in a normalised space of its own. */
const weight = Float32Array.from({ length: OUT * IN }, (_, i) =>
  i % IN === Math.min(IN - 1, Math.floor(Math.floor(i / IN) / 4)) ? 0.9 : 0.01,
);
const bias = Float32Array.from({ length: OUT }, (_, b) => 0.01 * (b % 3));
const normalization = {
  method: 'per_band' as const,
  input: { offset: Array(IN).fill(0.05), scale: Array(IN).fill(0.5), clip: false },
  target: { offset: [0.04], scale: [0.6], clip: false },
  units: 'reflectance',
};

describe('evaluate stage 1', () => {
  const work = temporaryFolder();
  const data = join(work, 'patches');
  let checkpoint: string;
  let result: EvaluationResult;
  const options: EvaluationOptions = {
    data,
    split: 'test',
    machine: { device: { kind: 'cpu', threads: 1 } },
    threads: 2,
    pixels: [{ patch: 8, y: 3, x: 5 }],
  };

  beforeAll(async () => {
    mkdirSync(data);
    const { aviris, landsat, mask } = makeData();
    await writeHdf5(
      join(data, 'line.h5'),
      {
        aviris: { data: aviris, shape: [PATCHES, SIDE, SIDE, OUT] },
        landsat: { data: landsat, shape: [PATCHES, SIDE, SIDE, IN] },
        mask: { data: mask, shape: [PATCHES, SIDE, SIDE] },
        wavelength: { data: wavelength, shape: [OUT] },
        good_bands: { data: good, shape: [OUT] },
      },
      { units: 'reflectance', source_scene: 'hill' },
    );
    const set = await openPatchSet([data]);
    const contract = contractOf(set, { kind: 'ridge', inBands: IN, outBands: OUT }, split, { normalization });
    const parameters = new Map([
      ['regression.weight', weight],
      ['regression.bias', bias],
    ]);
    checkpoint = await writeCheckpoint(join(work, 'model.safetensors'), contract, parameters);
    result = await evaluateStage1(checkpoint, options, silentReporter);
  });

  it('says what was evaluated', () => {
    expect(result).toMatchObject({
      stage: 'stage 1',
      models: [{ stage: 1, file: checkpoint, kind: 'ridge', parameters: OUT * (IN + 1), epoch: 4 }],
      data: { patches: 2, height: SIDE, width: SIDE, split: 'test', units: 'reflectance', scenes: ['hill'] },
      goodBands: [...good],
    });
    expect(result.wavelength).toEqual([...wavelength]);
    expect(result.methods.map((m) => [m.role, m.label])).toEqual([
      ['baseline', 'scaled mean spectrum'],
      ['baseline', 'ridge'],
      ['baseline', 'quadratic ridge'],
      ['model', 'ridge of the checkpoint'],
      ['oracle', 'oracle, 7 components'],
      ['oracle', 'oracle, 20 components'],
    ]);
    // 3 of 196 pixels of each patch are masked
    for (const method of result.methods) expect(method.validPixels).toBe(2 * 193);
    expect(result.notes.join(' ')).toMatch(/test split.*fitted on the training split.*SSIM/);
  });

  it('picks the worst and the median pixel, and draws what they are of', () => {
    expect(result.spectra.map((s) => s.title)).toEqual(['chosen', 'worst pixel', 'median pixel']);
    const [chosen, worst, median] = result.spectra as [EvaluationResult['spectra'][number], never, never];
    expect(chosen).toMatchObject({ patch: 8, y: 3, x: 5 });
    const model = result.methods[3]!;
    expect((worst as { samDeg: number }).samDeg).toBeGreaterThan(model.regions.all!.samDeg);
    expect((median as { samDeg: number }).samDeg).toBeLessThan((worst as { samDeg: number }).samDeg);
    expect(chosen.predictions.map((p) => p.label)).toEqual(['quadratic ridge', 'ridge of the checkpoint']);
    expect(chosen.truth).toHaveLength(OUT);
    expect(chosen.truth[BAD_BAND]).toBeNaN();
    expect(result.pictures.map((p) => p.patch).sort()).toEqual([7, 8]);
    for (const picture of result.pictures) {
      expect(picture.rgb.map((p) => p.label)).toEqual([
        'input, 7 bands',
        'quadratic ridge',
        'ridge of the checkpoint',
        'truth',
      ]);
      for (const { pixels } of picture.rgb) expect(pixels).toHaveLength(SIDE * SIDE * 3);
      const [angles, rmse] = picture.maps as [EvaluationResult['pictures'][number]['maps'][number], never];
      // the map's own mean is the patch's; its corner is masked
      expect(angles.values[0]).toBeNaN();
      expect((rmse as typeof angles).values[0]).toBeNaN();
    }
    // both patches have as many valid pixels, so the mean over their maps is the metric; float32 maps
    const all = result.pictures.flatMap((p) => [...p.maps[0]!.values]).filter((v) => v >= 0);
    expect(all).toHaveLength(2 * 193);
    expect(all.reduce((a, b) => a + b, 0) / all.length / model.regions.all!.samDeg).toBeCloseTo(1, 5);
    expect(Math.max(...all)).toBeCloseTo((worst as { samDeg: number }).samDeg, 5);
    const sorted = all.sort((a, b) => a - b);
    expect((median as { samDeg: number }).samDeg).toBeCloseTo(sorted[193]!, 5);
  });

  it('samples points of every region', () => {
    expect(result.scatter.map((s) => s.region)).toEqual(['all', 'vnir', 'swir', 'clear']);
    for (const { truth, predicted } of result.scatter) {
      expect(truth.length).toBeGreaterThan(1000);
      expect(predicted).toHaveLength(truth.length);
      // nothing of the bad band, where the truth is 50
      expect(Math.max(...truth)).toBeLessThan(2);
    }
  });

  it('gives the same numbers whatever the number of threads', async () => {
    const again = await evaluateStage1(
      checkpoint,
      { ...options, threads: 1, machine: { device: { kind: 'cpu', threads: 2 } } },
      silentReporter,
    );
    expect(again.methods).toEqual(result.methods);
    expect(again.spectra).toEqual(result.spectra);
  });

  it('writes JSON with null for what is undefined', () => {
    const parsed = JSON.parse(metricsJson(result)) as EvaluationResult;
    expect(parsed.methods[0]!.byBand.rmse[BAD_BAND]).toBeNull();
    expect(parsed.methods[0]!.byBand.rmse[0]).toBe(result.methods[0]!.byBand.rmse[0]);
    expect(parsed.pictures[0]).toEqual({ patch: expect.any(Number), scene: 'hill', height: SIDE, width: SIDE });
  });

  it.each([
    [
      'other units',
      { bands: { wavelength: [...wavelength], fwhm: null, units: 'uW cm-2 sr-1 nm-1' } },
      /radiance and reflectance are never compared; found reflectance, expected uW/,
    ],
    [
      'other wavelengths',
      { bands: { wavelength: [...wavelength].reverse(), fwhm: null, units: 'reflectance' } },
      /wavelength of band 0: has other band centres .* found 420 nm, expected 2305 nm/,
    ],
    [
      'a split of other files',
      { data: [{ name: 'other.h5', patches: 9 }] },
      /--split: the checkpoint's split does not cover these patches.*found test, expected all/,
    ],
    ['another sensor', { sensor: 'Landsat 9 OLI-2' }, /sensor/],
  ])("refuses data that are not the checkpoint's: %s", async (name, changes, message) => {
    const set = await openPatchSet([data]);
    const contract = contractOf(set, { kind: 'ridge', inBands: IN, outBands: OUT }, split, changes as never);
    const parameters = new Map([
      ['regression.weight', weight],
      ['regression.bias', bias],
    ]);
    const other = await writeCheckpoint(join(work, `${name}.safetensors`), contract, parameters);
    await expect(evaluateStage1(other, options, silentReporter)).rejects.toThrow(message);
  });

  it('refuses pixels that are not there', async () => {
    const at = (patch: number, y: number) =>
      evaluateStage1(checkpoint, { ...options, pixels: [{ patch, y, x: 0 }] }, silentReporter);
    await expect(at(2, 0)).rejects.toThrow(/found patch 2, expected one of the patches evaluated: 7, 8/);
    await expect(at(7, 14)).rejects.toThrow(/row 14/);
  });

  describePython('beside numpy', () => {
    it('gives the numbers of least squares, eigh and the formulas', () => {
      const parameters = { weight: [...weight], bias: [...bias], split };
      writeFileSync(join(work, 'model.json'), JSON.stringify(parameters));
      const peer = JSON.parse(runPython(NUMPY, [join(data, 'line.h5'), join(work, 'model.json')])) as Record<
        string,
        Record<string, Record<string, number>>
      >;
      expect(Object.keys(peer)).toEqual(result.methods.map((m) => m.label));
      for (const [label, regions] of Object.entries(peer)) {
        const own = result.methods.find((m) => m.label === label) as MethodResult;
        for (const [region, values] of Object.entries(regions))
          for (const [metric, value] of Object.entries(values)) {
            const found = (own.regions as Record<string, Record<string, number>>)[region]![metric]!;
            // predictions in float32 with float32 weights: 6e-8 times a few terms of opposite sign (quadratic ridge),
            // over errors a hundredth of the values
            expect(Math.abs(found / value - 1), `${label} ${region} ${metric}: ${found}, numpy ${value}`).toBeLessThan(
              2e-5,
            );
          }
      }
    });
  });
});

const NUMPY = `
import json, sys, numpy as np, h5py
f = h5py.File(sys.argv[1]); m = json.load(open(sys.argv[2]))
Y, X, V = (f[k][...].astype(np.float64) for k in ('aviris', 'landsat', 'mask'))
good, wl = f['good_bands'][...] > 0, f['wavelength'][...]
tr, te = m['split']['train'], m['split']['test']
v = V[tr] > 0
x, y = X[tr][v], Y[tr][v]
quad = lambda a: np.concatenate([a] + [a[..., i:i+1] * a[..., i:] for i in range(a.shape[-1])], -1)
def ridge(a):
    # least squares on standardised features with sqrt(penalty) rows below; 1e-6 of the variance is the documented penalty
    m, s, n = a.mean(0), a.std(0), len(a)
    A = np.concatenate([(a - m) / s / np.sqrt(n), np.sqrt(1e-6) * np.eye(a.shape[1])])
    B = np.concatenate([(y - y.mean(0)) / np.sqrt(n), np.zeros((a.shape[1], y.shape[1]))])
    W = np.linalg.lstsq(A, B, rcond=None)[0]
    return lambda u: (u - m) / s @ W + y.mean(0)
mx, my = x.mean(0), y.mean(0)
W = np.array(m['weight']).reshape(30, 7)
cov = np.cov(y[:, good].T, bias=True); w, vec = np.linalg.eigh(cov); vec = vec[:, ::-1]
def pca(rank):
    P = Y[te].copy(); B = vec[:, :rank]
    P[..., good] = my[good] + (Y[te][..., good] - my[good]) @ B @ B.T
    return P
xt = X[te]
preds = {
 'scaled mean spectrum': (xt @ mx / (mx @ mx))[..., None] * my,
 'ridge': ridge(x)(xt),
 'quadratic ridge': ridge(quad(x))(quad(xt)),
 'ridge of the checkpoint': (((xt - .05) / .5) @ W.T + np.array(m['bias'])) * .6 + .04,
 'oracle, 7 components': pca(7), 'oracle, 20 components': pca(20),
}
regions = {'all': wl > 0, 'vnir': (wl >= 400) & (wl <= 1000), 'swir': (wl >= 1000) & (wl <= 2400),
 'clear': sum(((wl >= a) & (wl <= b)) for a, b in ((420, 890), (990, 1095), (1185, 1320), (1500, 1770), (2050, 2350))) > 0}
vt = V[te] > 0; T = Y[te][vt]
g = np.exp(-np.arange(-5, 6) ** 2 / 4.5); g /= g.sum(); K = np.outer(g, g)
def ssim(a, b, ok, L):
    out = []
    for i in range(len(a)):
        own = []
        for r in range(4):
            for c in range(4):
                s = np.s_[i, r:r+11, c:c+11]
                if not ok[s].all(): continue
                A, B = a[s], b[s]; ma, mb = (K * A).sum(), (K * B).sum()
                va, vb, ab = (K * A * A).sum() - ma ** 2, (K * B * B).sum() - mb ** 2, (K * A * B).sum() - ma * mb
                own.append((2*ma*mb + (.01*L)**2) * (2*ab + (.03*L)**2) / ((ma*ma + mb*mb + (.01*L)**2) * (va + vb + (.03*L)**2)))
        out.append(np.mean(own))
    return np.mean(out)
res = {}
for name, P in preds.items():
    p = P[vt]; res[name] = {}
    for region, r in regions.items():
        b = r & good; t, q = T[:, b], p[:, b]; e = q - t; rm = np.sqrt((e ** 2).mean(0))
        cos = (t * q).sum(1) / np.linalg.norm(t, axis=1) / np.linalg.norm(q, axis=1)
        res[name][region] = dict(samDeg=np.degrees(np.arccos(cos)).mean(), rmse=np.sqrt((e ** 2).mean()), mae=abs(e).mean(),
          mrae=(abs(e) / abs(t)).mean(), psnr=(20 * np.log10(t.max(0) / rm)).mean(), ergas=100 * np.sqrt(((rm / t.mean(0)) ** 2).mean()),
          cc=np.mean([np.corrcoef(t[:, k], q[:, k])[0, 1] for k in range(t.shape[1])]),
          ssim=np.mean([ssim(Y[te][..., k], P[..., k], vt, np.ptp(T[:, k])) for k in np.nonzero(b)[0]]), bands=int(b.sum()))
print(json.dumps(res))
`;
