/** Pairs on one grid: tiles that drop nothing, Landsat's bands of each spectrum, sizes in metres on maps in degrees. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { metresPerDegree } from '../../src/prepare/pixel_size.js';
import { prepareScene } from '../../src/prepare/prepare.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const BANDS = 104;
const CENTRES = wavelengths(BANDS);
// what the documented rule leaves of 400, 420, ... nm
const KEPT = CENTRES.filter((w) => !((w >= 1350 && w <= 1470) || (w >= 1780 && w <= 1980) || w >= 2400));
const value = (y: number, x: number, w: number) => 0.1 + y / 64 + x / 512 + w / 8192;

function cube(name: string, lines: number, samples: number, mapInfo: string, hole?: readonly [number, number]): string {
  return writeCube(join(folder, name), {
    lines,
    samples,
    bands: BANDS,
    value: (y, x, b) => (hole?.[0] === y && hole[1] === x ? -9999 : value(y, x, CENTRES[b]!)),
    entries: {
      'map info': mapInfo,
      wavelength: braces(CENTRES),
      fwhm: braces(CENTRES.map(() => 20)),
      'data ignore value': -9999,
      'data units': 'reflectance',
    },
  });
}

async function patchesOf(file: string) {
  const set = await openPatchSet([file]);
  const reader = await openReader(set);
  try {
    const patches = [];
    for (let p = 0; p < set.count; p++) patches.push(await reader.readPatch(p));
    return { set, patches };
  } finally {
    await reader.close();
  }
}

describe('pairs on one grid', () => {
  it('hold every pixel once; those beyond the edge are masked', async () => {
    const scene = cube('thirty', 10, 7, utm(30), [3, 2]);
    const out = join(folder, 'thirty.h5');
    const report = await prepareScene({ scene, out, pairs: 'spectral', tile: 4, maxNodata: 0.5 });
    expect(report).toMatchObject({
      pairs: 'spectral',
      patch: 4,
      candidates: 6,
      kept: 6,
      dropped: { empty: 0, nodata: 0, outside: 0 },
      gsd: { source: 30, fine: 30, coarse: 30 },
    });
    expect(report.validShare).toBeCloseTo((70 - 1) / (6 * 16), 12);
    const { set, patches } = await patchesOf(out);
    expect(set).toMatchObject({ height: 4, width: 4, inBands: 7, outBands: KEPT.length });
    const { origins } = set.files[0]!;
    const weights = bandWeights(
      LANDSAT8_OLI,
      KEPT,
      KEPT.map(() => 20),
    );
    const seen = new Set<number>();
    let worst = 0;
    patches.forEach(({ input, target, valid }, p) => {
      for (let i = 0; i < 16; i++) {
        const [y, x] = [origins![2 * p]! + Math.floor(i / 4), origins![2 * p + 1]! + (i % 4)];
        expect(valid[i]).toBe(y < 10 && x < 7 && !(y === 3 && x === 2) ? 1 : 0);
        if (valid[i] === 0) continue;
        seen.add(7 * y + x);
        KEPT.forEach((w, b) => {
          worst = Math.max(worst, Math.abs(target[i * KEPT.length + b]! - value(y, x, w)));
        });
        weights.forEach((weight, c) => {
          const band = KEPT.reduce((sum, w, b) => sum + weight[b]! * value(y, x, w), 0);
          worst = Math.max(worst, Math.abs(input[i * 7 + c]! - band));
        });
      }
    });
    expect(seen.size).toBe(69);
    // float32 near 1
    expect(worst).toBeLessThan(2e-7);
  });

  it('of fine pixels are averaged to the size asked for', async () => {
    const scene = cube('ten', 6, 9, utm(10));
    const out = join(folder, 'ten.h5');
    const report = await prepareScene({ scene, out, pairs: 'spectral', gsd: 30, tile: 4 });
    expect(report).toMatchObject({ candidates: 1, kept: 1, gsd: { source: 10, fine: 30, coarse: 30 } });
    const { patches } = await patchesOf(out);
    // a single patch is read as four tiles; 2 x 3 pixels, each the mean of 3 x 3: the value in the middle one of a plane
    for (const [y, x] of [
      [0, 0],
      [1, 2],
    ] as const)
      expect(patches[x >> 1]!.target[(2 * y + (x & 1)) * KEPT.length]).toBeCloseTo(value(3 * y + 1, 3 * x + 1, 400), 6);
    expect(patches.map(({ valid }) => [...valid])).toEqual([
      [1, 1, 1, 1],
      [1, 0, 1, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
  });

  it('of a map in degrees are measured in metres', async () => {
    // WGS 84 at 45 degrees: 111,131.745 m north and 78,846.806 m east (NGA's table of lengths of a degree)
    const [north, east] = metresPerDegree(45);
    expect(north).toBeCloseTo(111131.745, 1);
    expect(east).toBeCloseTo(78846.806, 1);
    const [down, across] = [10 / north, 10 / east];
    const place = ['Geographic Lat/Lon', '1', '1', '11', `${45 + 3 * down}`, `${across}`, `${down}`, 'WGS-84'];
    const scene = cube('degrees', 6, 9, braces([...place, 'units=Degrees']));
    const report = await prepareScene({ scene, out: join(folder, 'degrees.h5'), pairs: 'spectral', gsd: 30, tile: 4 });
    expect(report).toMatchObject({ candidates: 1, kept: 1 });
    expect(report.gsd.source).toBeCloseTo(10, 6);
  });

  it('are refused where options mean nothing or pixels are too large', async () => {
    const scene = cube('refused', 6, 6, utm(30));
    const out = join(folder, 'refused.h5');
    const run = (options: object) => prepareScene({ scene, out, pairs: 'spectral', ...options });
    await expect(run({ patch: 4 })).rejects.toThrow(/--patch: means nothing for pairs on one grid/);
    await expect(run({ phases: 3 })).rejects.toThrow(/--phases: means nothing/);
    await expect(run({ pairs: 'spatial', tile: 4 })).rejects.toThrow(/--tile: is for pairs on one grid/);
    await expect(run({ gsd: 20 })).rejects.toThrow(/--gsd: its pixels are larger.*found 20 m for pixels of 30 x 30 m/);
    await expect(run({ maxMemory: 2 ** 27 })).rejects.toThrow(/max-memory: does not fit/);
  });
});
