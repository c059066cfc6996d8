/**
 * Patches whose sides lie on grids of their own: stored, or made of the documented layout's two datasets
 * (docs/specification.md, section 4).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { openReader } from '../../src/data/loader.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { LoadedBatch, PatchSet } from '../../src/data/types.js';
import { writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const [BANDS, FINE, COARSE] = [3, 15, 2];

const noise = (n: number, seed: number) => {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.uniform());
};

/** Three patches with all datasets of both grids. */
async function bothGrids(name: string): Promise<string> {
  const path = join(folder, name);
  const writer = await PatchWriter.create(path, {
    height: FINE,
    width: FINE,
    inBands: 2,
    outBands: BANDS,
    downsamplingFactor: 7.5,
    wavelength: Float64Array.of(500, 600, 700),
    fwhm: Float64Array.of(5, 5, 5),
    units: 'reflectance',
    scale: 1,
    sourceScene: name,
    seed: 1,
    lowResolution: { height: COARSE, width: COARSE },
    degraded: true,
    masked: true,
  });
  for (let p = 0; p < 3; p++)
    writer.append({
      aviris: noise(FINE * FINE * BANDS, 10 + p),
      landsat: noise(FINE * FINE * 2, 20 + p),
      landsatLr: noise(COARSE * COARSE * 2, 30 + p),
      avirisLr: noise(COARSE * COARSE * BANDS, 40 + p),
      mask: new Uint8Array(FINE * FINE).fill(1),
      maskLr: Uint8Array.of(1, 1, 1, p === 1 ? 0 : 1),
      origin: [15 * p, 30],
      geotransform: [0, 4, 0, 0, 0, -4],
    });
  writer.close();
  return path;
}

async function first(set: PatchSet, patch: number, turn = false): Promise<LoadedBatch> {
  const reader = await openReader(set);
  try {
    const options = { patches: [patch], batchSize: 1, mask: true };
    const shuffled = turn ? { ...options, shuffle: { seed: 3, epoch: 3 }, augment: true } : options;
    for await (const batch of reader.batches(shuffled)) return batch;
    throw new Error('no batch');
  } finally {
    await reader.close();
  }
}

describe('sides', () => {
  it('are those of Landsat where a file holds both of its datasets, with origins in its pixels', async () => {
    const set = await openPatchSet([await bothGrids('auto.h5')]);
    expect(set.sides).toEqual({ input: 'landsat_lr', target: 'aviris_lr' });
    expect([set.height, set.inputHeight, set.inBands, set.outBands]).toEqual([2, 2, 2, BANDS]);
    expect([...set.files[0]!.origins!]).toEqual([0, 4, 2, 4, 4, 4]);
    const batch = await first(set, 0);
    expect(batch.input).toEqual(noise(8, 30));
    expect(batch.target).toEqual(noise(12, 40));
  });

  it('may lie on two grids; fine pixels whose middle lies in a coarse pixel without data are masked', async () => {
    const set = await openPatchSet([await bothGrids('two.h5')], { sides: { input: 'aviris_lr', target: 'aviris' } });
    expect([set.height, set.inputHeight, set.inBands]).toEqual([FINE, COARSE, BANDS]);
    expect((await first(set, 0)).target).toEqual(noise(FINE * FINE * BANDS, 10));
    const batch = await first(set, 1);
    expect([...batch.input]).toEqual([...noise(12, 41).subarray(0, 9), 0, 0, 0]);
    // the last of 2 x 2 pixels ends at 15 and begins at 7.5: fine pixel 7 has its middle on the border
    const hidden = (p: number) => Math.floor(p / FINE) >= 7 && p % FINE >= 7;
    expect([...batch.mask!]).toEqual(Array.from({ length: FINE * FINE }, (_, p) => (hidden(p) ? 0 : 1)));
    expect(batch.validPixels).toBe(15 * 15 - 8 * 8);
    const truth = noise(FINE * FINE * BANDS, 11).map((v, i) => (hidden(Math.floor(i / BANDS)) ? 0 : v));
    expect(batch.target).toEqual(truth);
  });

  it('are turned together', async () => {
    const set = await openPatchSet([await bothGrids('turn.h5')], { sides: { input: 'aviris_lr', target: 'aviris' } });
    const [plain, turned] = [await first(set, 0), await first(set, 0, true)];
    // corners of both grids go to the same corners
    const corners = (data: Float32Array, side: number) =>
      [0, side - 1, side * (side - 1), side * side - 1].map((p) => data[p * BANDS]!);
    const order = corners(turned.target, FINE).map((v) => corners(plain.target, FINE).indexOf(v));
    expect(order).not.toEqual([0, 1, 2, 3]);
    expect(corners(turned.input, COARSE).map((v) => corners(plain.input, COARSE).indexOf(v))).toEqual(order);
  });

  it('have mean spectra over the valid pixels of their own grids', async () => {
    const set = await openPatchSet([await bothGrids('mean.h5')], { sides: { input: 'aviris_lr', target: 'aviris' } });
    const reader = await openReader(set);
    const found = await reader.meanSpectra([1]).finally(() => reader.close());
    const mean = (values: Float32Array, band: number, valid: (p: number) => boolean) => {
      const own = [...values].filter((_, i) => i % BANDS === band && valid(Math.floor(i / BANDS)));
      return own.reduce((sum, v) => sum + v, 0) / own.length;
    };
    for (let b = 0; b < BANDS; b++) {
      // the same sums in double, in the same order
      expect(found.input[b]).toBeCloseTo(
        mean(noise(12, 41), b, (p) => p < 3),
        12,
      );
      const fine = mean(noise(FINE * FINE * BANDS, 11), b, (p) => Math.floor(p / FINE) < 7 || p % FINE < 7);
      expect(found.target[b]).toBeCloseTo(fine, 12);
    }
  });

  it("take stage 1's predictions from raw files", async () => {
    const path = await bothGrids('cached.h5');
    const raw = join(folder, 'cached.f32');
    const values = noise(3 * COARSE * COARSE * 5, 7);
    writeFileSync(raw, new Uint8Array(values.buffer));
    const cached = [{ path: raw, height: COARSE, width: COARSE, bands: 5 }];
    const set = await openPatchSet([path], { sides: { input: 'stage1', target: 'aviris' }, cached });
    expect([set.inBands, set.inputHeight, set.height]).toEqual([5, COARSE, FINE]);
    expect((await first(set, 2)).input).toEqual(values.slice(40, 60));
  });

  it('must fit each other', async () => {
    const path = await bothGrids('misfit.h5');
    const cached = [{ path: 'nowhere', height: 3, width: 2, bands: 5 }];
    await expect(openPatchSet([path], { sides: { input: 'stage1', target: 'aviris' }, cached })).rejects.toThrow(
      /two grids do not fit.*3 x 2 pixels for 15 x 15/,
    );
  });
});

describe('Landsat pixels made of the fine ones', () => {
  // one band of 1, but for columns that are masked or nodata and hold something else
  const SIZE = 45;
  const holds = (column: number, value: number) => {
    const one = Float32Array.from({ length: SIZE * SIZE }, (_, p) => (p % SIZE === column ? value : 1));
    return Float32Array.from({ length: 3 * one.length }, (_, i) => one[i % one.length]!);
  };
  const images = (column: number, value: number) => {
    const data = holds(column, value);
    const shape = [3, SIZE, SIZE, 1];
    return { aviris: { data, shape }, landsat: { data: holds(column, 1), shape } };
  };
  /** Columns of the 6 x 6 grid without data. */
  async function invalid(path: string): Promise<number[]> {
    const set = await openPatchSet([path], { sides: { input: 'aviris_lr', target: 'aviris' } });
    const { input, mask } = await first(set, 0);
    expect([...input].filter((v) => v !== 0).every((v) => Math.abs(v - 1) < 1e-6)).toBe(true); // float32
    expect([...mask!].filter((v) => v === 0)).toHaveLength(15 * SIZE); // below those two coarse columns
    return [0, 1, 2, 3, 4, 5].filter((x) => input[x] === 0);
  }
  // the point spread reaches int(3.5 sigma + 0.5) = 11 pixels (sigma 7.5 / 2.355): column 0 is seen by those of 0 .. 11
  const SEEN = [0, 1];

  it('have no data where the point spread reaches a masked one', async () => {
    const mask = Uint8Array.from({ length: 3 * SIZE * SIZE }, (_, i) => (i % SIZE === 0 ? 0 : 1));
    const path = join(folder, 'masked.h5');
    await writeHdf5(path, { ...images(0, 1000), mask: { data: mask, shape: [3, SIZE, SIZE], dtype: '<B' } });
    expect(await invalid(path)).toEqual(SEEN);
  });

  it('or one that holds the nodata value', async () => {
    const path = await writeHdf5(join(folder, 'nodata.h5'), images(0, -9999), { nodata: -9999 });
    expect(await invalid(path)).toEqual(SEEN);
  });

  it('are as large as the file says', async () => {
    const columns = { data: Float32Array.from({ length: 10 * 10 }, (_, p) => p % 10), shape: [1, 10, 10, 1] };
    const datasets = { aviris: columns, landsat: columns };
    const path = await writeHdf5(join(folder, 'thirds.h5'), datasets, { downsampling_factor: 10 / 3 });
    const set = await openPatchSet([path], { sides: { input: 'landsat_lr', target: 'aviris' } });
    expect([set.inputHeight, set.height, set.files[0]!.ratio]).toEqual([3, 10, { up: 10, down: 3 }]);
    // means of columns 0, 1, 2 and a third of 3; two thirds of 3, 4, 5 and two thirds of 6; a third of 6, 7, 8, 9
    const row = [(0 + 1 + 2 + 3 / 3) / (10 / 3), (2 + 4 + 5 + 4) / (10 / 3), (2 + 7 + 8 + 9) / (10 / 3)];
    const { input } = await first(set, 0);
    input.forEach((value, i) => {
      expect(value).toBeCloseTo(row[i % 3]!, 6);
    });
  });

  it('of patches that are on its grid already come with a warning, tiles or not', async () => {
    const path = await writeHdf5(join(folder, 'coarse.h5'), images(0, 1), { downsampling_factor: 1 });
    const sides = { input: 'landsat_lr', target: 'aviris_lr' } as const;
    for (const options of [{ sides }, { sides, tile: 2 }]) {
      const { warnings } = await openPatchSet([path], options);
      expect(warnings.join()).toMatch(/no \*_lr datasets.*on Landsat's grid already/);
    }
  });
});

describePython('the documented layout on two grids', () => {
  it("is cut to 15/2 and degraded as numpy's blur and means do", async () => {
    const path = join(folder, 'plain.h5');
    const printed = runPython(
      `
import json, sys, h5py, numpy as np
rng = np.random.default_rng(1)
a = rng.random((3, 17, 32, 2), dtype=np.float32)
l = rng.random((3, 17, 32, 1), dtype=np.float32)
with h5py.File(sys.argv[1], 'w') as f:
    f['aviris'], f['landsat'] = a, l
s = 7.5 / 2.355; r = int(3.5 * s + 0.5)
k = np.exp(-0.5 * (np.arange(-r, r + 1) / s) ** 2); k /= k.sum()
c = a[0, :15, :30].astype(float)
p = np.pad(c, ((r, r), (r, r), (0, 0)), mode='edge')
for axis in (0, 1): p = np.apply_along_axis(lambda v: np.convolve(v, k, mode='valid'), axis, p)
mean = lambda x: x.repeat(2, 0).repeat(2, 1).reshape(2, 15, 4, 15, -1).mean((1, 3))
print(json.dumps({'cube': mean(p).ravel().tolist(), 'landsat': mean(l[0, :15, :30].astype(float)).ravel().tolist(), 'fine': c.ravel().tolist()}))
`,
      [path],
    );
    const expected = JSON.parse(printed) as Record<'cube' | 'landsat' | 'fine', number[]>;
    const cube = await openPatchSet([path], { sides: { input: 'aviris_lr', target: 'aviris' } });
    expect(cube.warnings.join()).toContain('no *_lr datasets');
    const batch = await first(cube, 0);
    expect([...batch.target]).toEqual(expected.fine);
    const landsat = await openPatchSet([path], { sides: { input: 'landsat_lr', target: 'aviris_lr' } });
    const coarse = await first(landsat, 0);
    expect(coarse.target).toEqual(batch.input);
    for (const [ours, theirs] of [
      [batch.input, expected.cube],
      [coarse.input, expected.landsat],
    ] as const) {
      expect(ours).toHaveLength(theirs.length);
      // stored as float32
      ours.forEach((v, i) => {
        expect(Math.abs(v - theirs[i]!)).toBeLessThan(1e-7);
      });
    }
  });
});
