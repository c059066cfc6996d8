import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import type { PatchFile } from '../../src/data/types.js';
import { openLibrary, resampleBands } from '../../src/evaluate/library.js';
import { nearestLibrary, predictNearest } from '../../src/evaluate/nearest_library.js';
import { LANDSAT_TO_AVIRIS_NG } from '../../src/resample/ratio.js';
import { LANDSAT8_OLI } from '../../src/spectra/response.js';
import { AVIRIS_NG_WAVELENGTH } from '../../src/spectra/tables/aviris_ng_2017.js';
import { describePython, runPython } from '../support/python.js';
import { describeShared } from '../support/shared.js';
import { temporaryFolder } from '../support/temporary.js';

/** A patch file as the reader describes it, of so many coarse bands. */
function described(wavelength: ArrayLike<number>, changes: Partial<PatchFile> = {}): PatchFile {
  return {
    path: 'line.h5',
    patches: 1,
    height: 1,
    width: 1,
    inputHeight: 1,
    inputWidth: 1,
    sides: { input: 'landsat', target: 'aviris' },
    ratio: LANDSAT_TO_AVIRIS_NG,
    inBands: 7,
    outBands: wavelength.length,
    scene: 'line',
    masked: false,
    units: 'reflectance',
    wavelength: Float64Array.from(wavelength),
    ...changes,
  };
}

function writeLibrary(path: string, spectra: readonly (readonly number[])[], entries: Record<string, string>): string {
  const bands = spectra[0]!.length;
  const fields = {
    samples: 1,
    lines: spectra.length,
    bands,
    'header offset': 0,
    'data type': 4,
    interleave: 'bip',
    ...entries,
  };
  const text = Object.entries({ ...fields, 'byte order': 0 }).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(`${path}.hdr`, `ENVI\n${text.join('\n')}\n`);
  writeFileSync(`${path}.img`, new Uint8Array(Float32Array.from(spectra.flat()).buffer));
  return `${path}.hdr`;
}

describe('the nearest library spectrum, by hand', () => {
  // two coarse bands that see one fine band each, of three
  const weights = [Float64Array.of(1, 0, 0), Float64Array.of(0, 0, 1)];
  const library = nearestLibrary(Float32Array.of(1, 5, 0, 1, 6, 1, 0, 7, 0), 3, weights);

  it('leaves out spectra that the coarse bands do not see', () => {
    expect(library.count).toBe(2);
  });

  it('takes the smallest angle and scales to the brightness', () => {
    // (2, 0.2) is nearest to (1, 0): scale 2; (3, 3) is 3 times (1, 1); (0, 0) is nothing
    const [a, b, c] = [0, 1, 2].map((p) =>
      predictNearest(Float32Array.of(2, 0.2, 3, 3, 0, 0), library).subarray(3 * p, 3 * p + 3),
    );
    expect([...a!]).toEqual([2, 10, 0]);
    // unit vectors in double, spectra over sqrt 2 in float32: 6e-8
    [3, 18, 3].forEach((value, i) => {
      expect(b![i]).toBeCloseTo(value, 5);
    });
    expect([...c!]).toEqual([0, 0, 0]);
  });
});

describe('resampling to bands', () => {
  it('is linear between the wavelengths of the library, in any order', () => {
    const [at, edge, outside] = resampleBands([700, 500, 600], [525, 700, 701]);
    const value = (r: typeof at) => r!.index.reduce((sum, i, k) => sum + r!.weight[k]! * [7, 5, 6][i]!, 0);
    expect(value(at)).toBeCloseTo(5.25, 14);
    expect(value(edge)).toBeCloseTo(7, 14);
    expect(outside).toBeUndefined();
  });

  it("weighs a fine library by the band's Gaussian", () => {
    // a spike of 1 nm at the centre of a band 10 nm wide: height of a Gaussian of sigma 10 / 2.3548 = .0939;
    // it is sampled every 1.25 nm and cut at 1.5 widths, within 2 %
    const library = Array.from({ length: 101 }, (_, i) => 500 + i);
    const [band] = resampleBands(library, [550], [10]);
    const total = band!.weight.reduce((a, b) => a + b, 0);
    expect(total).toBeCloseTo(1, 12);
    const near = band!.index.reduce((sum, i, k) => sum + (Math.abs(i - 50) <= 1 ? band!.weight[k]! : 0), 0);
    // erf(1.5 / 4.2466 / sqrt 2) = .276 of the light comes from within 1.5 nm
    expect(near).toBeGreaterThan(0.25);
    expect(near).toBeLessThan(0.3);
    // symmetric
    const mean = band!.index.reduce((sum, i, k) => sum + library[i]! * band!.weight[k]!, 0);
    expect(mean).toBeCloseTo(550, 9);
  });
});

describe('opening a library', () => {
  const work = temporaryFolder();
  const wavelength = AVIRIS_NG_WAVELENGTH.filter((w) => w < 1350 || (w > 1470 && w < 1780) || (w > 1980 && w < 2400));
  const grid = Array.from({ length: 220 }, (_, i) => 370 + 10 * i);
  const flat = (value: number) => grid.map(() => value);
  const listed = { wavelength: `{${grid.join(', ')}}`, 'wavelength units': 'Nanometers' };

  it('scales, drops spectra with missing values, and simulates the coarse bands', async () => {
    const gap = grid.map((_, i) => (i === 30 ? -999 : 3000));
    const slope = grid.map((w) => 2 * w);
    const path = writeLibrary(join(work, 'small'), [flat(5000), gap, slope], {
      ...listed,
      'reflectance scale factor': '10000',
      'data ignore value': '-999',
    });
    const library = await openLibrary(path, described(wavelength, { responseHash: LANDSAT8_OLI.hash }));
    expect([library.count, library.coarseBands, library.bands]).toEqual([2, 7, wavelength.length]);
    // a flat spectrum is flat in every band: unit vector of 7 equal numbers, .5 over its length .5 sqrt 7
    for (let k = 0; k < 7; k++) expect(library.directions[k]).toBeCloseTo(1 / Math.sqrt(7), 12);
    expect(library.spectra[0]).toBeCloseTo(1 / Math.sqrt(7), 6);
    // the slope has the band centres' proportions: green over blue is about 561 / 482
    expect(library.directions[7 + 2] / library.directions[7 + 1]).toBeCloseTo(561.4 / 482, 2);
  });

  it.each([
    ['radiance', { units: 'uW cm-2 sr-1 nm-1' }, /units: a library of reflectance is never compared.*found uW/],
    ['unknown units', { units: undefined }, /found unknown/],
    ['another sensor', { responseHash: 'f00' }, /known sensor/],
    ['other coarse bands', { inBands: 4 }, /4 bands/],
  ])('refuses %s', async (_, changes, message) => {
    const path = writeLibrary(join(work, 'flat'), [flat(0.3)], listed);
    await expect(openLibrary(path, described(wavelength, changes as Partial<PatchFile>))).rejects.toThrow(message);
  });

  it('refuses libraries that do not reach, name no wavelengths or hold nothing', async () => {
    const short = writeLibrary(join(work, 'short'), [flat(0.3).slice(0, 50)], {
      wavelength: `{${grid.slice(0, 50).join(', ')}}`,
      'wavelength units': 'Nanometers',
    });
    await expect(openLibrary(short, described(wavelength))).rejects.toThrow(/370 to 860 nm.*expected 86\d nm too/);
    const none = writeLibrary(join(work, 'none'), [flat(0.3)], {});
    await expect(openLibrary(none, described(wavelength))).rejects.toThrow(/no wavelengths/);
    const dark = writeLibrary(join(work, 'dark'), [flat(0)], listed);
    await expect(openLibrary(dark, described(wavelength))).rejects.toThrow(/no spectrum that can be used/);
  });
});

const NUMPY = `
import json, sys, numpy as np
path, meta, out = sys.argv[1:]
m = json.load(open(meta))
head = open(path + '.hdr').read()
lw = np.array([float(v) for v in head.split('wavelength = {')[1].split('}')[0].split(',')])
S = np.fromfile(path, dtype='<f4').reshape(2041, 479).astype(np.float64)
o = np.argsort(lw, kind='stable'); lw, S = lw[o], S[:, o]
wl = np.array(m['wavelength'])
L = np.array([np.interp(wl, lw, s) for s in S])
O = L @ np.array(m['weights']).T
x = np.array(m['input']).reshape(-1, 7)
cos = (x / np.linalg.norm(x, axis=1)[:, None]) @ (O / np.linalg.norm(O, axis=1)[:, None]).T
best = cos.argmax(1)
scale = (x * O[best]).sum(1) / (O[best] ** 2).sum(1)
print(json.dumps((L[best] * scale[:, None]).ravel().tolist()))
`;

describeShared('the shared library', 'data/spectral_library', (folder) => {
  const work = temporaryFolder();
  describePython('beside numpy', () => {
    it('finds the same spectra', async () => {
      const { bandWeights } = await import('../../src/spectra/response.js');
      const path = join(folder, 'ecostress_library_with_mixtures');
      const wavelength = Array.from({ length: 190 }, (_, i) => 420 + 10 * i).filter(
        (w) => w < 1350 || (w > 1470 && w < 1780) || w > 1980,
      );
      const library = await openLibrary(path, described(wavelength));
      const random = new Random(3);
      const input = Float32Array.from({ length: 40 * 7 }, (_, i) => 0.1 + 0.05 * (i % 7) + 0.1 * random.uniform());
      const weights = bandWeights(LANDSAT8_OLI, wavelength).map((w) => [...w]);
      writeFileSync(join(work, 'meta.json'), JSON.stringify({ wavelength, weights, input: [...input] }));
      const peer = JSON.parse(runPython(NUMPY, [path, join(work, 'meta.json'), work])) as number[];
      const own = predictNearest(input, library);
      // float32 spectra
      peer.forEach((value, i) => {
        expect(Math.abs(own[i] - value)).toBeLessThan(1e-6 * (1 + Math.abs(value)));
      });
    });
  });
});
