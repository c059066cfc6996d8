/** Statistics of a set with invalid pixels, a bad band and a dead one: valid training pixels and good bands only. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader, type PatchReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const [N, H, W, IN, OUT] = [5, 8, 9, 3, 6];
const DEAD = 4;
const BAD = 5;
const NODATA = -9999;
const TRAIN = [0, 2, 3];

/** Log-normal values; band 4 is dead, band 5 bad and full of junk; patch 4 and a few pixels are invalid. */
function datasets() {
  const random = new Random(11);
  const values = (bands: number) => Float32Array.from({ length: N * H * W * bands }, () => Math.exp(random.normal()));
  const [landsat, aviris] = [values(IN), values(OUT)];
  for (let p = 0; p < N * H * W; p++) {
    aviris[p * OUT + DEAD] = 0.25;
    aviris[p * OUT + BAD] = p % 3 === 0 ? Number.NaN : 1e6;
    if (p >= 4 * H * W || p % 50 === 7) landsat[p * IN + 1] = NODATA;
    if (p % 50 === 9) aviris[p * OUT + 2] = Number.NaN;
  }
  return {
    landsat: { data: landsat, shape: [N, H, W, IN] },
    aviris: { data: aviris, shape: [N, H, W, OUT] },
    good_bands: { data: Uint8Array.from({ length: OUT }, (_, b) => (b === BAD ? 0 : 1)), shape: [OUT] },
  };
}

let path: string;
let reader: PatchReader;
beforeAll(async () => {
  path = await writeHdf5(join(folder, 'five.h5'), datasets(), { nodata: NODATA, units: 'uW' });
  reader = await openReader(await openPatchSet(path), { workers: 2 });
});
afterAll(() => reader.close());

const NUMPY = `
import h5py, json, numpy as np, sys
path, train = sys.argv[1], json.loads(sys.argv[2])
with h5py.File(path) as h:
    x, y = h['landsat'][:][train].reshape(-1, 3), h['aviris'][:][train].reshape(-1, 6)
valid = (x != -9999).all(1) & np.isfinite(y[:, :5]).all(1)
x, y = x[valid].astype('f8'), y[valid][:, :5].astype('f8')
out = {'pixels': int(valid.sum()), 'mean': [x.mean(0).tolist(), y.mean(0).tolist()]}
for name, v in (('input', x), ('target', y)):
    p1, p99 = np.percentile(v, 1), np.percentile(v, 99)
    out[name] = {'p1': p1, 'p99': p99, 'each': np.percentile(v, [1, 99], axis=0).T.tolist()}
# a batch as documented: clip((x - p1) / (p99 - p1 + 1e-8), 0, 1)
t = out['target']
out['normalised'] = np.clip((y - t['p1']) / (t['p99'] - t['p1'] + 1e-8), 0, 1)[:40].tolist()
print(json.dumps(out))
`;

describePython('a normalisation', () => {
  // both sides compute in double precision from the same float32 numbers
  const close = (actual: number, expected: number) =>
    expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 + 1e-12 * Math.abs(expected));

  it("is numpy's percentiles of the valid training pixels, for one pair and per band", async () => {
    const numpy = JSON.parse(runPython(NUMPY, [path, JSON.stringify(TRAIN)]));
    const overall = await fitNormalization(reader, TRAIN, 'percentile');
    expect(overall).toMatchObject({ method: 'percentile', units: 'uW', input: { clip: true }, target: { clip: true } });
    const each = await fitNormalization(reader, TRAIN, 'per_band');
    expect(each).toMatchObject({ method: 'per_band', input: { clip: false }, target: { clip: false } });
    for (const side of ['input', 'target'] as const) {
      const { p1, p99 } = numpy[side];
      close(overall[side].offset[0]!, p1);
      close(overall[side].scale[0]!, p99 - p1 + 1e-8);
      expect(overall[side].scale.length).toBe(1);
      numpy[side].each.forEach(([low, high]: [number, number], b: number) => {
        close(each[side].offset[b]!, low);
        if (side === 'input' || b !== DEAD) close(each[side].scale[b]!, high - low + 1e-8);
      });
    }
    // a dead band is divided by the widest range and not by next to nothing; a bad band's junk has no say
    const widest = Math.max(...numpy.target.each.map(([low, high]: [number, number]) => high - low));
    for (const b of [DEAD, BAD]) close(each.target.scale[b]!, widest + 1e-8);
    close(each.target.offset[BAD]!, 0);
    const mean = await reader.meanSpectra(TRAIN);
    expect(mean.pixels).toBe(numpy.pixels);
    for (const [side, i] of [
      ['input', 0],
      ['target', 1],
    ] as const)
      numpy.mean[i].forEach((m: number, b: number) => {
        close(mean[side][b]!, m);
      });
  });

  it('gives batches the documented values', async () => {
    const numpy = JSON.parse(runPython(NUMPY, [path, '[0]']));
    const { target } = await fitNormalization(reader, [0], 'percentile');
    for await (const batch of reader.batches({ patches: [0], batchSize: 1, mask: true, normalize: { target } })) {
      const valid = [...batch.mask!.keys()].filter((p) => batch.mask![p] === 1);
      expect(batch.validPixels).toBe(valid.length);
      // computed in double, stored as float32 in [0, 1]: half a unit in the last place is 6e-8 / 2
      numpy.normalised.forEach((spectrum: number[], i: number) => {
        spectrum.forEach((v, b) => {
          expect(Math.abs(batch.target[valid[i]! * OUT + b]! - v)).toBeLessThanOrEqual(3.1e-8);
        });
      });
      batch.release();
    }
  });
});

describe('a normalisation', () => {
  it('is fitted where the first band of an input of the same bands is bad', async () => {
    const { aviris, landsat } = patchDatasets({ patches: 1, height: 15, width: 15, inBands: 2, outBands: 3 });
    const good_bands = { data: Uint8Array.of(0, 1, 1), shape: [3] };
    const file = await writeHdf5(join(folder, 'first_bad.h5'), { aviris, landsat, good_bands });
    const set = await openPatchSet(file, { sides: { input: 'aviris_lr', target: 'aviris' } });
    const degraded = await openReader(set, { workers: 1 });
    try {
      const { input } = await fitNormalization(degraded, [0], 'per_band');
      expect(input.offset[0]).toBe(0);
      // bands are 1/16 apart (test/support/patch_files.ts); weights that sum to 1 keep that, in float32 at 1024
      expect(input.offset[2]! - input.offset[1]!).toBeCloseTo(1 / 16, 3);
    } finally {
      await degraded.close();
    }
  });

  it('called none leaves physical values', async () => {
    const none = await fitNormalization(reader, TRAIN, 'none');
    for (const side of [none.input, none.target]) expect(side).toEqual({ offset: [0], scale: [1], clip: false });
  });

  it('cannot be fitted where no pixel is valid', async () => {
    for (const method of ['percentile', 'per_band'] as const)
      await expect(fitNormalization(reader, [4], method)).rejects.toThrow(`${path}: the patches hold no valid pixel`);
    await expect(reader.meanSpectra([4])).rejects.toThrow('no valid pixel');
    expect((await reader.sampleSpectra([4], 10, 1)).count).toBe(0);
  });
});

describe('spectra drawn from patches', () => {
  it('are pairs of valid pixels, the same for a seed and any number of threads', async () => {
    const drawn = await reader.sampleSpectra(TRAIN, 500, 3);
    expect(drawn.count).toBe(500);
    const { landsat, aviris } = datasets();
    const pairs = new Map<string, number>();
    for (let p = 0; p < N * H * W; p++) pairs.set([...landsat.data.subarray(p * IN, (p + 1) * IN)].join(), p);
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const input = drawn.input.subarray(i * IN, (i + 1) * IN);
      const pixel = pairs.get([...input].join())!;
      expect(TRAIN).toContain(Math.floor(pixel / (H * W)));
      expect(input.includes(NODATA)).toBe(false);
      const spectrum = [...aviris.data.subarray(pixel * OUT, (pixel + 1) * OUT)].map((v) => (Number.isNaN(v) ? 0 : v));
      expect([...drawn.target.subarray(i * OUT, (i + 1) * OUT)]).toEqual(spectrum);
      seen.add(pixel);
    }
    // 500 draws of 207 or so pixels: an even chance leaves out a share of exp(-500 / 207) = 9 %
    expect(seen.size).toBeGreaterThan(150);
    const single = await openReader(reader.set, { workers: 1 });
    expect(await single.sampleSpectra(TRAIN, 500, 3)).toEqual(drawn);
    await single.close();
    expect(await reader.sampleSpectra(TRAIN, 500, 4)).not.toEqual(drawn);
  });

  it('come normalised where a normalisation is given', async () => {
    const n = await fitNormalization(reader, TRAIN, 'per_band');
    const [plain, normalised] = [await reader.sampleSpectra(TRAIN, 20, 3), await reader.sampleSpectra(TRAIN, 20, 3, n)];
    const band = 1;
    for (let i = 0; i < 20; i++)
      expect(normalised.target[i * OUT + band]).toBe(
        Math.fround((plain.target[i * OUT + band]! - n.target.offset[band]!) / n.target.scale[band]!),
      );
  });
});
