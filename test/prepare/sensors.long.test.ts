/**
 * Scenes of several sensors on one grid of bands, from cubes to a leave-one-scene-out table: what a sensor lacks counts
 * nowhere. Beside numpy, which computes the regressions, their angles and the percentiles from the patch files alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { prepareScenes } from '../../src/library/prepare.js';
import type { MethodResult } from '../../src/metrics/types.js';
import { bandGridOf } from '../../src/prepare/band_grid.js';
import { prepareScene } from '../../src/prepare/prepare.js';
import { RESAMPLING } from '../../src/spectra/resample_bands.js';
import { braces, utm, writeCube } from '../support/envi_cubes.js';
import { describePython, runPython } from '../support/python.js';
import { hashOf, tinyConfig, train } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const out = join(folder, 'patches');

/** Smooth spectra that seven bands nearly determine, other ones in every scene. */
function reflectance(scene: number, y: number, x: number, w: number): number {
  const [a, b] = [0.5 + 0.5 * Math.sin(1.3 * y + scene), 0.5 + 0.5 * Math.cos(0.7 * x * (1 + scene))];
  const edge = 1 / (1 + Math.exp(-(w - 720) / 40));
  return 0.05 + 0.3 * a * edge + 0.2 * b * Math.exp(-(((w - 1500) / 700) ** 2)) + 0.02 * scene * Math.sin(w / 90);
}

function cube(name: string, scene: number, [lines, samples]: readonly [number, number], step: number, bad: number[]) {
  const centres = Array.from({ length: Math.floor(2000 / step) + 1 }, (_, b) => 400 + step * b);
  return writeCube(join(folder, name), {
    lines,
    samples,
    bands: centres.length,
    value: (y, x, b) => (bad.includes(centres[b]!) ? 0 : reflectance(scene, y, x, centres[b]!)),
    entries: {
      'map info': utm(30),
      wavelength: braces(centres),
      fwhm: braces(centres.map(() => step)),
      bbl: braces(centres.map((w) => (bad.includes(w) ? 0 : 1))),
      'data units': 'reflectance',
    },
  });
}

const NUMPY = `
import json, sys, h5py, numpy as np
folder, split = sys.argv[1], json.load(open(sys.argv[2]))
X, Y, V, M, S = [], [], [], [], []
for name in sorted(json.loads(sys.argv[3])):
    with h5py.File(f'{folder}/{name}.h5') as h:
        for p in range(h['aviris'].shape[0]):
            X.append(h['landsat'][p].reshape(-1, 7).astype(float)); V.append(h['mask'][p].ravel() > 0)
            y = h['aviris'][p].astype(float); Y.append(y.reshape(-1, y.shape[-1])); M.append(h['band_mask'][p] > 0); S.append(name)
train = split['train']
counted = np.any([M[p] for p in train], axis=0)
pairs = [(i, j) for i in range(7) for j in range(i, 7)]
quadratic = lambda x: np.hstack([x] + [(x[:, i] * x[:, j])[:, None] for i, j in pairs])
def ridge(a, y, lam=1e-6):
    m, s, n = a.mean(0), a.std(0), len(a)
    z = (a - m) / s
    w = np.linalg.solve(z.T @ z / n + lam * np.eye(z.shape[1]), z.T @ (y - y.mean()) / n) / s
    return lambda q: q @ w + y.mean() - m @ w
def sam(features):
    models = {}
    for b in np.flatnonzero(counted):
        own = [p for p in train if M[p][b]]
        models[b] = ridge(np.vstack([features(X[p][V[p]]) for p in own]), np.concatenate([Y[p][V[p], b] for p in own]))
    angles = []
    for p in split['test']:
        bands = np.flatnonzero(counted & M[p])
        t = Y[p][V[p]][:, bands]
        q = np.stack([models[b](features(X[p][V[p]])) for b in bands], 1)
        q = np.maximum(q, 0)
        angles.append(np.degrees(np.arccos(np.clip((q * t).sum(1) / np.linalg.norm(q, axis=1) / np.linalg.norm(t, axis=1), -1, 1))))
    return float(np.concatenate(angles).mean())
low = [float(np.percentile(np.concatenate([Y[p][V[p], b] for p in train if M[p][b]]), 1)) if counted[b] else None for b in range(len(counted))]
print(json.dumps({'ridge': sam(lambda x: x), 'quadratic': sam(quadratic), 'low': low, 'counted': counted.astype(int).tolist()}))
`;

// What masked bands hold must not matter: argv = files
const SPOIL = `
import sys, h5py, numpy as np
for path in sys.argv[1:]:
    with h5py.File(path, 'r+') as h:
        a, m = h['aviris'][:], h['band_mask'][:]
        for p in range(len(a)): a[p][..., m[p] == 0] = 77 + p
        h['aviris'][...] = a
`;

describePython('scenes of three sensors on one grid of bands', () => {
  const names = ['coarse', 'fine', 'holes'];
  const grid = join(folder, 'grid.csv');
  beforeAll(async () => {
    const rows = Array.from({ length: 67 }, (_, b) => `${385 + 30 * b},30`);
    writeFileSync(grid, `wavelength_nm,fwhm_nm\n${rows.join('\n')}\n`);
    const scenes = [
      cube('coarse', 0, [9, 14], 20, []),
      cube('fine', 1, [13, 11], 10, []),
      cube('holes', 2, [6, 10], 20, [1000, 1020, 1040, 2300]),
    ];
    const result = await prepareScenes(scenes, { out, pairs: 'spectral', tile: 5, bands: grid, maxNodata: 0.9 });
    expect(result.failures).toEqual([]);
  });

  it('are resampled by the rule that the files name, and marked where they have no data', async () => {
    const set = await openPatchSet(out);
    expect(set.bandMasks).toBe(true);
    // 67 bands of 385 + 30 b nm less 1350-1470 and 1780-1980 nm
    const { wavelength } = set.files[0]!;
    const kept = Array.from({ length: 67 }, (_, b) => 385 + 30 * b).filter(
      (w) => !((w >= 1350 && w <= 1470) || (w >= 1780 && w <= 1980)),
    );
    expect([...wavelength!]).toEqual(kept);
    const rules = JSON.parse(
      runPython(
        'import json,sys,h5py\nprint(json.dumps([[h["band_rule"][:].tolist(), h["effective_fwhm"][:].tolist(), h.attrs["bandlift_format"].item(), h["band_mask"][:].tolist(), h["good_bands"][:].tolist()] for h in (h5py.File(f"{sys.argv[1]}/{n}.h5") for n in ("coarse","fine","holes"))]))',
        [out],
      ).replaceAll('NaN', 'null'),
    );
    const rule = (scene: number, w: number) => rules[scene][0][kept.indexOf(w)];
    // 20 nm steps do not sample 30 nm twice, 10 nm steps do
    expect([rule(0, 505), rule(1, 505), rule(2, 505)]).toEqual([
      RESAMPLING.linear,
      RESAMPLING.gaussian,
      RESAMPLING.linear,
    ]);
    expect([0, 1, 2].map((s) => rule(s, 385))).toEqual([0, 0, 0]);
    expect(rules[0][1][kept.indexOf(505)]).toBe(20);
    expect(rules[1][1][kept.indexOf(505)]).toBeCloseTo(Math.hypot(30, 10), 9);
    // between the bad bands, and beside what the documented rule drops
    expect([985, 1015, 1045].map((w) => rule(2, w))).toEqual([0, 0, 0]);
    expect([955, 1075].map((w) => rule(2, w))).toEqual([RESAMPLING.linear, RESAMPLING.linear]);
    for (const [, , format, masks, good] of rules) {
      expect(format).toBe(2);
      for (const mask of masks) expect(mask).toEqual(good);
    }
  });

  it('give the regressions, angles and percentiles that numpy finds, and a line for each scene left out', async () => {
    const run = join(folder, 'loso');
    const config = tinyConfig({
      ...{ data_dir: out, output_dir: run, model: 'quadratic_ridge', normalization: 'per_band' },
      ...{ test_scenes: 'holes,fine', val_fraction: 0.2 },
    });
    const { lines } = await train(config);
    const numpy = JSON.parse(runPython(NUMPY, [out, join(run, 'split.json'), JSON.stringify(names)]));
    const rows: MethodResult[] = JSON.parse(readFileSync(join(run, 'test_metrics.json'), 'utf8'));
    const sam = (label: string) => rows.find((row) => row.label === label)!.regions.all!.samDeg;
    // float32 predictions
    expect(sam('ridge')).toBeCloseTo(numpy.ridge, 3);
    expect(sam('quadratic ridge')).toBeCloseTo(numpy.quadratic, 3);
    const table = lines.join('\n');
    expect(table).toMatch(/SAM deg, all \/ clear bands +scaled mean spectrum +ridge/);
    for (const scene of ['holes', 'fine', 'mean of the scenes'])
      expect(table).toMatch(new RegExp(`^${scene} +\\d+\\.\\d{3} / \\d+\\.\\d{3}`, 'm'));

    const set = await openPatchSet(out);
    const reader = await openReader(set);
    try {
      const split = JSON.parse(readFileSync(join(run, 'split.json'), 'utf8'));
      const { target } = await fitNormalization(reader, split.train, 'per_band');
      numpy.low.forEach((low: number | null, b: number) => {
        if (low !== null) expect(target.offset[b]).toBeCloseTo(low, 6);
      });
    } finally {
      await reader.close();
    }
  });

  it('train a network that does not see what masked bands hold', async () => {
    const settings = { data_dir: out, seed: 3, epochs: 2, balance: 'scene', test_scenes: 'coarse' } as const;
    const first = await train(tinyConfig({ ...settings, output_dir: join(folder, 'clean') }));
    runPython(
      SPOIL,
      names.map((name) => join(out, `${name}.h5`)),
    );
    const second = await train(tinyConfig({ ...settings, output_dir: join(folder, 'spoiled') }));
    expect(hashOf(second.best)).toBe(hashOf(first.best));
    expect(second.rows).toEqual(first.rows);
  });

  it('are refused where units differ or a grid is none', async () => {
    const radiance = writeCube(join(folder, 'radiance'), {
      lines: 4,
      samples: 4,
      bands: 101,
      value: (y, x, b) => 1 + y + x + b,
      entries: {
        'map info': utm(30),
        wavelength: braces(Array.from({ length: 101 }, (_, b) => 400 + 20 * b)),
        'data units': 'uW cm-2 sr-1 nm-1',
      },
    });
    const scenes = [join(folder, 'coarse.hdr'), radiance];
    const options = { out: join(folder, 'mixed'), pairs: 'spectral', tile: 4, bands: grid } as const;
    await expect(prepareScenes(scenes, options)).rejects.toThrow(
      /radiance.hdr: units: its units are not those of the other scenes: reflectance and radiance are never mixed/,
    );
    await expect(bandGridOf(radiance)).rejects.toThrow(/radiance.hdr: --bands: has no widths \(fwhm\)/);
    const far = { wavelength: Float64Array.of(200, 250), fwhm: Float64Array.of(5, 5) };
    await expect(
      prepareScene({ scene: scenes[0]!, out: join(folder, 'far.h5'), pairs: 'spectral', bands: far }),
    ).rejects.toThrow(/coarse.hdr: wavelength: has no band that the bands asked for can be made of/);
  });
});
