import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEnvi } from '../../src/data/envi.js';
import { geotransform } from '../../src/data/envi_header.js';
import { openPatchSet } from '../../src/data/patches.js';
import { absorptionAt } from '../../src/sample/absorption.js';
import { bandAtmosphere } from '../../src/sample/atmosphere.js';
import { generateFineSample, generateLandsatSample } from '../../src/sample/fine.js';
import { MATERIAL_NAMES, MATERIALS } from '../../src/sample/materials.js';
import { generateSample, SAMPLE_DEFAULTS } from '../../src/sample/sample.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { AVIRIS_NG_WAVELENGTH } from '../../src/spectra/tables/aviris_ng_2017.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const TINY = { seed: 7, patchSize: 6, patches: 5, lines: 2 };
const of = (name: string) => join(folder, name);
const sha = (data: Float32Array) => createHash('sha256').update(new Uint8Array(data.buffer)).digest('hex');

beforeAll(async () => {
  await generateSample({ out: of('a'), ...TINY });
});

describe('the sample', () => {
  it('is the same, bit for bit, for the same seed and another for another', async () => {
    await generateSample({ out: of('b'), ...TINY });
    await generateSample({ out: of('c'), ...TINY, seed: 8 });
    const hashes = await Promise.all(
      ['a', 'b', 'c'].map(async (run) => sha((await readEnvi(of(`${run}/cubes/line_2.img`))).data)),
    );
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });

  it('says what it wrote', async () => {
    const seen: number[] = [];
    const result = await generateSample({ out: of('d'), ...TINY, progress: (done, total) => seen.push(done / total) });
    expect(result.patches).toBe(5);
    expect(result.bands).toBe(340);
    expect(seen).toEqual([0.5, 1]);
    expect(result.files.every(existsSync)).toBe(true);
    expect(result.files).toHaveLength(6);
  });

  it('has cubes of 425 bands on a map, three patches in the first line', async () => {
    const { header, data } = await readEnvi(of('a/cubes/line_1.hdr'));
    // 3 patches, 2 abreast: 2 rows of 6 lines
    expect([header.lines, header.samples, header.bands]).toEqual([12, 12, 425]);
    expect(header.bbl!.reduce((a, b) => a + b, 0)).toBe(340);
    expect(geotransform(header.mapInfo!)).toEqual([300000, 30, 0, 3900000, 0, -30]);
    expect(data.every(Number.isFinite)).toBe(true);
  });

  it.each([
    ['patchSize', 0],
    ['patches', -1],
    ['patches', 2.5],
    ['lines', 0],
    ['seed', Number.NaN],
  ])('refuses %s = %d', async (field, value) => {
    await expect(generateSample({ out: of('x'), ...TINY, [field]: value })).rejects.toThrow(
      new RegExp(`${field}: cannot make such a sample; found ${value}`),
    );
  });

  it('looks like radiance: dark where air absorbs, Landsat as the responses say', async () => {
    const { header, data } = await readEnvi(of('a/cubes/line_1.hdr'));
    const wavelength = header.wavelength!;
    const mean = new Float64Array(425);
    for (let i = 0; i < data.length; i++) mean[i % 425]! += data[i]! / 144;
    const at = (nm: number) => mean[wavelength.findIndex((w) => Math.abs(w - nm) < 2.6)]!;
    // within the range of a real AVIRIS-NG line over land: a few uW cm-2 sr-1 nm-1 in the visible, tenths at 2200 nm
    expect(at(550)).toBeGreaterThan(1);
    expect(at(550)).toBeLessThan(20);
    expect(at(2200) / at(550)).toBeLessThan(0.3);
    // oxygen at 761 nm, water vapour at 940, 1135; nothing at 1380 and 1880
    expect(at(762)).toBeLessThan(0.6 * at(752));
    expect(at(940)).toBeLessThan(0.5 * at(870));
    expect(at(1135)).toBeLessThan(0.4 * at(1080));
    expect(Math.abs(at(1380))).toBeLessThan(0.01);
    expect(Math.abs(at(1880))).toBeLessThan(0.01);
  });

  it('of reflectance stays within what surfaces do, blind bands marked', async () => {
    await generateSample({ out: of('r'), ...TINY, units: 'reflectance' });
    const { header, data } = await readEnvi(of('r/cubes/line_1.hdr'));
    const wavelength = header.wavelength!;
    let least = 1;
    let most = 0;
    for (let i = 0; i < data.length; i++) {
      if (!header.bbl![i % 425]) {
        expect(data[i]).toBe(Math.fround(-0.01));
        continue;
      }
      const w = wavelength[i % 425]!;
      if (w > 420 && w < 1300 && (w < 900 || w > 1000)) {
        least = Math.min(least, data[i]!);
        most = Math.max(most, data[i]!);
      }
    }
    // noise may put black a little below zero; a slope in the sun may put white above one
    expect(least).toBeGreaterThan(-0.01);
    expect(most).toBeGreaterThan(0.2);
    expect(most).toBeLessThan(1.3);
  });
});

describe('what it is made of', () => {
  const wavelength = Float64Array.from({ length: 205 }, (_, i) => 400 + 10 * i);
  const absorption = absorptionAt(wavelength);
  const typical = { vigour: 0, moisture: 0, soil: 0, age: 0, turbidity: 0 };
  const spectrum = (name: (typeof MATERIAL_NAMES)[number], state = typical) => {
    const out = new Float64Array(wavelength.length);
    MATERIALS[name](absorption, state, out);
    return (nm: number) => out[Math.round((nm - 400) / 10)]!;
  };

  it.each(MATERIAL_NAMES)('%s reflects between nothing and all, whatever its state', (name) => {
    for (const v of [-1, 0, 1])
      for (const nm of [400, 550, 670, 860, 1240, 1650, 2200, 2440]) {
        const r = spectrum(name, { vigour: v, moisture: -v, soil: v, age: v, turbidity: v })(nm);
        expect(r).toBeGreaterThan(0);
        expect(r).toBeLessThan(1);
      }
  });

  it('leaves have a green peak, a red edge, and bands of water at 970 and 1200 nm', () => {
    const r = spectrum('broadleaf');
    expect(r(550)).toBeGreaterThan(1.3 * r(670));
    expect(r(860)).toBeGreaterThan(5 * r(670));
    expect(r(970)).toBeLessThan(r(900));
    expect(r(1200)).toBeLessThan(r(1070));
    expect(r(1650)).toBeGreaterThan(r(1450));
    // twice the chlorophyll is much less than half the change in red: not linear
    const [less, more] = [-1, 1].map((vigour) => spectrum('broadleaf', { ...typical, vigour })(670));
    expect(less! - r(670)).toBeGreaterThan(1.2 * (r(670) - more!));
  });

  it('clay absorbs at 2200 nm, wet soil is darker, water is dark beyond 800 nm, turbid water is brighter', () => {
    const soil = spectrum('redSoil');
    expect(soil(2210)).toBeLessThan(0.98 * soil(2120));
    expect(spectrum('loam', { ...typical, moisture: 1 })(860)).toBeLessThan(spectrum('loam')(860));
    expect(spectrum('lake')(1000)).toBeLessThan(0.02);
    expect(spectrum('river', { ...typical, turbidity: 1 })(650)).toBeGreaterThan(spectrum('river')(650));
  });

  it('the sun gives 180-200 uW cm-2 nm-1 at 500 nm above the air', () => {
    // 1.92 W m-2 nm-1 at 500 nm in measured solar spectra; Planck at 5772 K is within 10 % of it. In thin dry air and the sun
    // overhead, E0 = pi (direct + diffuse) up to the air's losses.
    const clear = { waterVapour: 1e-6, aerosol: 1e-9, angstrom: 1.3, sunZenith: 0, altitude: 60 };
    const { direct, path } = bandAtmosphere(clear, [500], [5.5]);
    const irradiance = Math.PI * direct[0]!;
    expect(irradiance).toBeGreaterThan(175);
    expect(irradiance).toBeLessThan(205);
    expect(path[0]!).toBeLessThan(0.01 * direct[0]!);
  });
});

// The file by h5py; the simulated bands by numpy from the patch's own spectra.
const CHECK = `
import h5py, json, sys, numpy as np
with h5py.File(sys.argv[1]) as h:
    a, l = h['aviris'][:], h['landsat'][:]
    print(json.dumps({
        'n': int(h.attrs['n_patches']), 'shape': list(a.shape), 'landsat': list(l.shape), 'factor': float(h.attrs['downsampling_factor']),
        'hash': h.attrs['response_hash'], 'units': h.attrs['units'], 'origins': h['origins'][:].tolist(), 'finite': bool(np.isfinite(a).all() and np.isfinite(l).all()),
        'spectrum': a[1, 2, 3].tolist(), 'mean': a.astype('f8').mean((0, 1, 2)).tolist(), 'bands': l.astype('f8').mean((0, 1, 2)).tolist(),
        'wavelength': h['wavelength'][:].tolist(), 'fwhm': h['fwhm'][:].tolist()}))
`;

describePython('the sample read by h5py', () => {
  it('holds the cube, cut and without the dropped bands', async () => {
    const file = JSON.parse(runPython(CHECK, [of('a/patches/line_1.h5')]));
    expect([file.n, file.shape, file.landsat, file.factor]).toEqual([3, [3, 6, 6, 340], [3, 6, 6, 7], 1]);
    expect(file.hash).toBe(LANDSAT8_OLI.hash);
    expect(file.units).toBe('uW cm-2 sr-1 nm-1');
    expect(file.origins).toEqual([
      [0, 0],
      [0, 6],
      [6, 0],
    ]);
    expect(file.finite).toBe(true);
    const { header, data } = await readEnvi(of('a/cubes/line_1.img'));
    // patch 1 begins at column 6: its pixel (2, 3) is the cube's (2, 9)
    const pixel = data.subarray((2 * 12 + 9) * 425, (2 * 12 + 10) * 425);
    expect(file.spectrum).toEqual([...pixel].filter((_, b) => header.bbl![b] === 1));
  });

  it('has the Landsat bands of its own spectra', () => {
    const file = JSON.parse(runPython(CHECK, [of('a/patches/line_1.h5')]));
    // OLI's bands lie within what is kept, so the patch's own spectra simulate them. The means of 108 pixels: noise of both
    // sensors is below 1 % of a pixel, so below 0.1 % of the mean.
    bandWeights(LANDSAT8_OLI, file.wavelength, file.fwhm).forEach((row, k) => {
      const simulated = row.reduce((sum, w, b) => sum + w * file.mean[b], 0);
      expect(Math.abs(file.bands[k] / simulated - 1)).toBeLessThan(2e-3);
    });
  });
});

// Every dataset of two files, compared bit for bit.
const SAME = `
import h5py, sys
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2]) as b:
    print(sorted(a) == sorted(b) and all(a[k][:].tobytes() == b[k][:].tobytes() for k in a))
`;

// Fitted on two lines, measured in degrees on the third: the training mean scaled by the input, ridge, quadratic ridge.
const SCORES = `
import h5py, json, sys, numpy as np
sets = [(h['landsat'][:].reshape(-1, 7).astype('f8'), h['aviris'][:].reshape(-1, 340).astype('f8')) for h in map(h5py.File, sys.argv[1:])]
x, y = (np.concatenate([s[i] for s in sets[:2]]) for i in (0, 1))
u, v = sets[2]
i, j = np.triu_indices(7)
square = lambda z: np.c_[z, z[:, i] * z[:, j]]
def fit(f):
    a = f(x); m, s = a.mean(0), a.std(0); a = np.c_[(a - m) / s, np.ones(len(a))]
    w = np.linalg.solve(a.T @ a + 1e-6 * len(a) * np.eye(a.shape[1]), a.T @ y)
    return np.c_[(f(u) - m) / s, np.ones(len(u))] @ w
def sam(p): return float(np.degrees(np.arccos((p * v).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(v, axis=1))).mean())
m, M = x.mean(0), y.mean(0)
print(json.dumps([sam((u @ m / (m @ m))[:, None] * M), sam(fit(lambda z: z)), sam(fit(square))]))
`;

describePython('the sample as a problem', () => {
  it('is the same patches, bit for bit, for the same seed', async () => {
    await generateSample({ out: of('again'), ...TINY });
    expect(runPython(SAME, [of('a/patches/line_2.h5'), of('again/patches/line_2.h5')]).trim()).toBe('True');
  });

  it('orders the baselines on an unseen line as real data do', async () => {
    await generateSample({ out: of('p'), seed: 1, patchSize: 20, patches: 6, lines: 3 });
    const [mean, ridge, quadratic] = JSON.parse(
      runPython(
        SCORES,
        [1, 2, 3].map((k) => of(`p/patches/line_${k}.h5`)),
      ),
    ) as number[];
    expect(mean!).toBeGreaterThan(3 * ridge!);
    expect(ridge!).toBeGreaterThan(1.1 * quadratic!);
    // and it is not solved by them
    expect(quadratic!).toBeGreaterThan(0.2);
  });
});

describe('the default', () => {
  it('is small enough to train the full network in minutes', () => {
    // 25.3 MFLOP a pixel and step, 60 % of the pixels in training: below 1 TFLOP an epoch
    expect(0.6 * SAMPLE_DEFAULTS.patches * SAMPLE_DEFAULTS.patchSize ** 2 * 25.3e6).toBeLessThan(1e12);
  });
});

describe('the 4 m part', () => {
  const FINE = { seed: 7, lines: 1, patch: 2, across: 2, along: 2 };

  it('has patches of both grids on the map of the same line', async () => {
    const result = await generateFineSample({ out: of('fine'), ...FINE });
    expect(result.patches).toBe(4);
    const { header } = await readEnvi(of('fine/cubes_4m/line_1.hdr'));
    // 2 x 2 patches of 2 Landsat pixels, 15 pixels of 4 m each
    expect([header.lines, header.samples, header.bands]).toEqual([30, 30, 425]);
    expect(geotransform(header.mapInfo!)).toEqual([300000, 4, 0, 3900000, 0, -4]);
    const set = await openPatchSet([of('fine/patches_4m')]);
    expect([set.count, set.height, set.outBands]).toEqual([4, 2, 340]);
    const fine = await openPatchSet([of('fine/patches_4m')], { sides: { input: 'aviris_lr', target: 'aviris' } });
    expect([fine.inputHeight, fine.height, fine.inBands, fine.outBands]).toEqual([2, 15, 340, 340]);
    expect(set.files[0]!.units).toBe('uW cm-2 sr-1 nm-1');
  });

  it('has a Landsat scene of a line of its own, close to the 30 m line of the same number', async () => {
    const [path] = await generateLandsatSample({ out: of('scene'), seed: 7, line: 1, height: 6, width: 4 });
    const { header, data } = await readEnvi(path!);
    expect([header.lines, header.samples, header.bands]).toEqual([6, 4, 7]);
    expect(geotransform(header.mapInfo!)).toEqual([312000, 30, 0, 3900000, 0, -30]);
    // the centres of OLI's bands as everybody quotes them (443, 482, 561, 655, 865, 1609, 2201 nm)
    const centres = [443, 482, 561, 655, 865, 1609, 2201];
    header.wavelength!.forEach((w, b) => {
      expect(Math.abs(w - centres[b]!)).toBeLessThan(3);
    });
    // the same ground as line 2 of the 30 m part, whose cube through the responses gives the same numbers but for noise
    const cube = (await readEnvi(of('a/cubes/line_2.img'))).data;
    const weights = bandWeights(LANDSAT8_OLI, Float64Array.from(AVIRIS_NG_WAVELENGTH));
    let [worst, brightest] = [0, 0];
    for (let k = 0; k < 7; k++) {
      const expected = weights[k]!.reduce((sum, w, b) => sum + w * cube[b]!, 0);
      worst = Math.max(worst, Math.abs(data[k]! - expected));
      brightest = Math.max(brightest, expected);
    }
    // OLI's signal to noise is above 200 in every band
    expect(worst).toBeLessThan(0.03 * brightest);
  });
});
