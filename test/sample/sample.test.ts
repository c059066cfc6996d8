import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPatchSet } from '../../src/data/patches.js';
import { readEnvi } from '../../src/raster/envi.js';
import { geotransform } from '../../src/raster/envi_header.js';
import { absorptionAt } from '../../src/sample/absorption.js';
import { bandAtmosphere } from '../../src/sample/atmosphere.js';
import { SAMPLE_DEFAULTS } from '../../src/sample/defaults.js';
import { generateFineSample, generateLandsatSample } from '../../src/sample/fine.js';
import { Landscape, type MapPoint, type SunDirection } from '../../src/sample/landscape.js';
import { sampleBands } from '../../src/sample/lines.js';
import { MATERIAL_NAMES, MATERIALS } from '../../src/sample/materials.js';
import { generateSample } from '../../src/sample/sample.js';
import { Scene } from '../../src/sample/scene.js';
import { SOIL_KINDS } from '../../src/sample/soils.js';
import { kubelkaMunk, layerOver, type SurfaceState } from '../../src/sample/state.js';
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

  it('of radiance is dark where air absorbs', async () => {
    await generateSample({ out: of('r'), ...TINY, units: 'radiance' });
    const { header, data } = await readEnvi(of('r/cubes/line_1.hdr'));
    expect(header.other!['data units']).toBe('uW cm-2 sr-1 nm-1');
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

  it('is reflectance within what surfaces do, blind bands marked, smooth where the air is nearly opaque', async () => {
    const { header, data } = await readEnvi(of('a/cubes/line_1.hdr'));
    expect(header.other!['data units']).toBe('reflectance');
    const wavelength = header.wavelength!;
    const mean = new Float64Array(425);
    let [least, most] = [1, 0];
    for (let i = 0; i < data.length; i++) {
      mean[i % 425]! += data[i]! / 144;
      if (!header.bbl![i % 425]) {
        expect(data[i]).toBe(Math.fround(-0.01));
        continue;
      }
      least = Math.min(least, data[i]!);
      most = Math.max(most, data[i]!);
    }
    // noise may put black a little below zero: its sigma is at most half of PRIOR_SIGMA's 0.02, and 4 sigma are 0.04
    expect(least).toBeGreaterThan(-0.04);
    expect(most).toBeGreaterThan(0.2);
    expect(most).toBeLessThan(1);
    // the air is taken out: neither oxygen at 762 nm nor water vapour at 1135 nm dents the mean, beyond what leaf water does
    const at = (nm: number) => mean[wavelength.findIndex((w) => Math.abs(w - nm) < 2.6)]!;
    expect(Math.abs(at(762) / at(777) - 1)).toBeLessThan(0.06);
    expect(at(1135) / at(1080)).toBeGreaterThan(0.85);
  });
});

describe('what it is made of', () => {
  const wavelength = Float64Array.from({ length: 205 }, (_, i) => 400 + 10 * i);
  const absorption = absorptionAt(wavelength);
  const oneSoil = (kind: number) => Float64Array.from({ length: SOIL_KINDS }, (_, k) => (k === kind ? 1 : 0));
  const typical: SurfaceState = { vigour: 0, moisture: 0, cover: 0, age: 0, turbidity: 0, soil: oneSoil(0) };
  const spectrum = (name: (typeof MATERIAL_NAMES)[number], state: Partial<SurfaceState> = {}) => {
    const out = new Float64Array(wavelength.length);
    MATERIALS[name](absorption, { ...typical, ...state }, out);
    return (nm: number) => out[Math.round((nm - 400) / 10)]!;
  };
  /** How far below the straight line between two wavelengths a third one lies, as a share. */
  const depth = (r: (nm: number) => number, left: number, middle: number, right: number) => {
    const t = (middle - left) / (right - left);
    return 1 - r(middle) / (r(left) * (1 - t) + r(right) * t);
  };

  it.each(MATERIAL_NAMES)('%s reflects between nothing and 0.8, whatever its state', (name) => {
    for (const v of [-1, 0, 1])
      for (let soil = 0; soil < SOIL_KINDS; soil++)
        for (const nm of [400, 550, 670, 860, 1240, 1650, 2200, 2440]) {
          const state = { vigour: v, moisture: -v, cover: v, age: v, turbidity: v, soil: oneSoil(soil) };
          const r = spectrum(name, state)(nm);
          expect(r).toBeGreaterThan(0);
          expect(r).toBeLessThan(0.8);
        }
  });

  it('a thick layer inverts to its absorption over scattering', () => {
    for (const q of [0.01, 0.3, 2, 20]) {
      const r = kubelkaMunk(q);
      // Kubelka and Munk's remission function
      expect((1 - r) ** 2 / (2 * r)).toBeCloseTo(q, 9);
    }
  });

  it('a layer over a ground solves the equation of two fluxes', () => {
    for (const [ground, q, thickness] of [
      [0.1, 0.2, 0.7],
      [0.6, 1.5, 0.4],
      [0.3, 0.02, 3],
    ] as const) {
      // dR/dx = 1 - 2 (1 + q) R + R^2 from the ground up, in scattering depths, by Runge and Kutta
      const slope = (r: number) => 1 - 2 * (1 + q) * r + r * r;
      let r: number = ground;
      const h = thickness / 2000;
      for (let i = 0; i < 2000; i++) {
        const k1 = slope(r);
        const k2 = slope(r + (h / 2) * k1);
        const k3 = slope(r + (h / 2) * k2);
        r += (h / 6) * (k1 + 2 * k2 + 2 * k3 + slope(r + h * k3));
      }
      // the steps' error is far below 1e-9
      expect(layerOver(ground, kubelkaMunk(q), thickness)).toBeCloseTo(r, 8);
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
    const [less, more] = [-1, 1].map((vigour) => spectrum('broadleaf', { vigour })(670));
    expect(less! - r(670)).toBeGreaterThan(1.2 * (r(670) - more!));
    // red leaves lack the green peak
    expect(spectrum('redLettuce')(550)).toBeLessThan(spectrum('redLettuce')(640));
  });

  it.each([
    // the published centres of the strongest bands between 2000 and 2400 nm, and shoulders beside them
    ['red clay: kaolinite at 2207 nm', 1, 2120, 2210, 2260],
    ['chalk: calcite at 2340 nm', 4, 2260, 2340, 2400],
    ['dolomite at 2320 nm', 5, 2240, 2320, 2390],
    ['gypsum at 1750 nm', 6, 1690, 1750, 1800],
    ['basalt: ferrous iron at 1000 nm', 8, 700, 1010, 1400],
  ] as const)('soil of %s absorbs there, and leaves hide it', (_, kind, left, middle, right) => {
    const soil = { soil: oneSoil(kind) };
    const bare = depth(spectrum('soil', soil), left, middle, right);
    expect(bare).toBeGreaterThan(0.03);
    // the same canopy over it and over loam, thin and dense: what the soil changes fades with leaf area
    const shown = (cover: number) =>
      Math.abs(
        depth(spectrum('vineyard', { ...soil, cover }), left, middle, right) -
          depth(spectrum('vineyard', { cover }), left, middle, right),
      );
    expect(shown(1)).toBeLessThan(0.6 * shown(-1));
  });

  it('grains of two soils mixed are darker than the two side by side', () => {
    const half = Float64Array.from({ length: SOIL_KINDS }, (_, k) => (k === 1 || k === 4 ? 0.5 : 0));
    const [mixed, red, chalk] = [half, oneSoil(1), oneSoil(4)].map((soil) => spectrum('soil', { soil })(500));
    expect(mixed!).toBeLessThan(0.8 * 0.5 * (red! + chalk!));
    expect(mixed!).toBeGreaterThan(red!);
  });

  it('wet soil is darker, water is dark beyond 800 nm, turbid water is brighter, algae show at 700 nm', () => {
    expect(spectrum('soil', { moisture: 1 })(860)).toBeLessThan(spectrum('soil')(860));
    expect(spectrum('lake')(1000)).toBeLessThan(0.02);
    expect(spectrum('river', { turbidity: 1 })(650)).toBeGreaterThan(spectrum('river')(650));
    expect(spectrum('algaePond')(710)).toBeGreaterThan(1.1 * spectrum('algaePond')(670));
  });

  it('provinces of soil share out the ground', () => {
    const map = new Landscape(3, { x: 0, y: 0 });
    const shares = new Float64Array(SOIL_KINDS);
    const seen = new Set<number>();
    for (let i = 0; i < 400; i++) {
      map.soil(137 * (i % 20), 137 * Math.floor(i / 20), shares);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
      seen.add(shares.indexOf(Math.max(...shares)));
    }
    // 2.7 km x 2.7 km hold most kinds
    expect(seen.size).toBeGreaterThanOrEqual(6);
  });

  it('trees and houses cast shadows unless the sun stands overhead', () => {
    const dark = (sun: SunDirection) => {
      const map = new Landscape(3, sun);
      const point: MapPoint = { material: 0, vigour: 0, moisture: 0, cover: 0, age: 0, lit: 1 };
      let shaded = 0;
      for (let i = 0; i < 20000; i++) {
        map.at(23 * (i % 200), 23 * Math.floor(i / 200), point);
        if (point.lit < 1) shaded++;
      }
      return shaded / 20000;
    };
    expect(dark({ x: 0, y: 0 })).toBe(0);
    const [high, low] = [dark({ x: 0.2, y: 0.2 }), dark({ x: 0.7, y: 0.7 })];
    expect(high).toBeGreaterThan(0);
    expect(low).toBeGreaterThan(high);
    expect(low).toBeLessThan(0.3);
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
    expect(file.units).toBe('reflectance');
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

// Fitted on two lines, measured in degrees on the third: the training mean scaled by the input, ridge on the bands, on
// their products of two, and of three.
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
c = np.array([(a, b, d) for a in range(7) for b in range(a, 7) for d in range(b, 7)])
cubic = lambda z: np.c_[square(z), z[:, c].prod(-1)]
print(json.dumps([sam((u @ m / (m @ m))[:, None] * M), sam(fit(lambda z: z)), sam(fit(square)), sam(fit(cubic))]))
`;

describePython('the sample as a problem', () => {
  it('is the same patches, bit for bit, for the same seed', async () => {
    await generateSample({ out: of('again'), ...TINY });
    expect(runPython(SAME, [of('a/patches/line_2.h5'), of('again/patches/line_2.h5')]).trim()).toBe('True');
  });

  it('orders the baselines on an unseen line as real data do', async () => {
    await generateSample({ out: of('p'), seed: 1, patchSize: 20, patches: 6, lines: 3 });
    const [mean, ridge, quadratic, cubic] = JSON.parse(
      runPython(
        SCORES,
        [1, 2, 3].map((k) => of(`p/patches/line_${k}.h5`)),
      ),
    ) as number[];
    expect(mean!).toBeGreaterThan(3 * ridge!);
    expect(ridge!).toBeGreaterThan(1.1 * quadratic!);
    // and it is not solved by them: the truth bends more than a quadratic function of the 7 bands, on unseen ground too
    expect(quadratic!).toBeGreaterThan(0.2);
    expect(quadratic!).toBeGreaterThan(1.08 * cubic!);
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
    expect(set.files[0]!.units).toBe('reflectance');
  });

  it('has a Landsat scene of a line of its own, blurred as the sensor blurs', async () => {
    const [path] = await generateLandsatSample({ out: of('scene'), seed: 7, line: 1, height: 6, width: 4 });
    const { header, data } = await readEnvi(path!);
    expect([header.lines, header.samples, header.bands]).toEqual([6, 4, 7]);
    expect(geotransform(header.mapInfo!)).toEqual([312000, 30, 0, 3900000, 0, -30]);
    // the centres of OLI's bands as everybody quotes them (443, 482, 561, 655, 865, 1609, 2201 nm)
    const centres = [443, 482, 561, 655, 865, 1609, 2201];
    header.wavelength!.forEach((w, b) => {
      expect(Math.abs(w - centres[b]!)).toBeLessThan(3);
    });
    // ground of line 2 at 15 m, seen through the responses and a Gaussian of 30 m FWHM (two cells), edges replicated
    const weights = bandWeights(LANDSAT8_OLI, Float64Array.from(AVIRIS_NG_WAVELENGTH));
    const scene = new Scene({ ...sampleBands(), seed: 7, line: 1, units: 'reflectance', pixelSize: 15 });
    const { cube } = scene.block(0, 12, 8);
    const cell = (y: number, x: number, k: number) => {
      const at = (Math.min(11, Math.max(0, y)) * 8 + Math.min(7, Math.max(0, x))) * AVIRIS_NG_WAVELENGTH.length;
      return weights[k]!.reduce((sum, w, b) => sum + w * cube[at + b]!, 0);
    };
    const reach = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
    const gauss = (d: number) => 2 ** -(d * d); // exp(-4 ln 2 (d / 2)^2)
    const total = reach.reduce((sum, d) => sum + gauss(d), 0);
    const seen = (y: number, x: number, k: number) => {
      let sum = 0;
      for (const [cy, cx] of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ] as const)
        for (const dy of reach)
          for (const dx of reach)
            sum += (gauss(dy) * gauss(dx) * cell(2 * y + cy + dy, 2 * x + cx + dx, k)) / (4 * total * total);
      return sum;
    };
    let [worst, brightest] = [0, 0];
    for (const [y, x] of [
      [0, 0],
      [2, 1],
      [5, 3],
    ] as const)
      for (let k = 0; k < 7; k++) {
        const expected = seen(y, x, k);
        worst = Math.max(worst, Math.abs(data[(y * 4 + x) * 7 + k]! - expected));
        brightest = Math.max(brightest, expected);
      }
    // OLI's signal to noise is above 200 in every band
    expect(worst).toBeLessThan(0.03 * brightest);
  });
});
