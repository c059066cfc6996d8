/** Pixels without data: counted, left out of averages, masked. Scenes made by hand. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareScene } from '../../src/prepare/prepare.js';
import { braces, type CubeToWrite, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { describePython, runPython } from '../support/python.js';
import { temporariesOf } from '../support/temporaries.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const BANDS = 105;
let scenes = 0;
const write = (lines: number, samples: number, value: CubeToWrite['value'], more: Partial<CubeToWrite> = {}) =>
  writeCube(join(folder, `scene_${scenes++}`), {
    lines,
    samples,
    bands: BANDS,
    value,
    entries: { 'map info': utm(4), wavelength: braces(wavelengths(BANDS)), 'data ignore value': -9999 },
    ...more,
  });

describe('nodata', () => {
  it.each(['bip', 'bil', 'bsq'] as const)('is counted by its reasons, %s', async (interleave) => {
    // patches of 15 x 15 pixels, 3 rows of 4, and 7 columns and 3 rows that hold no further coarse pixel pair
    // row 0: full, 11 of 225 pixels lost (4.9 %), 12 lost (5.3 %), none valid; row 1: all ignored; row 2: all zero but the last
    const lost = (y: number, x: number) => {
      const [row, column, inside] = [Math.floor(y / 15), Math.floor(x / 15), (y % 15) * 15 + (x % 15)];
      if (row === 1) return true;
      if (row === 2) return column < 3;
      return column === 1 ? inside < 11 : column === 2 ? inside < 12 : column === 3;
    };
    const scene = write(48, 67, (y, x, b) => (lost(y, x) ? (y >= 30 ? 0 : -9999) : 10 + b), { interleave, type: 2 });
    const out = join(folder, `counted_${interleave}.h5`);
    const seen: number[][] = [];
    const report = await prepareScene({ scene, out, patch: 2, progress: (...at) => seen.push(at) });
    expect(report).toMatchObject({
      candidates: 12,
      kept: 3,
      dropped: { empty: 1 + 4 + 3, nodata: 1, outside: 0 },
      file: out,
    });
    // progress ends with everything settled
    expect(seen.at(-1)).toEqual([12, 12, 3]);
    const all = await prepareScene({ scene, out, patch: 2, maxNodata: 0 });
    expect(all).toMatchObject({ kept: 2, dropped: { empty: 8, nodata: 2, outside: 0 } });
  });

  it('alone makes no file, and takes an old one away', async () => {
    const out = join(folder, 'empty.h5');
    expect((await prepareScene({ scene: write(15, 15, () => 7), out })).file).toBe(out);
    expect(existsSync(out)).toBe(true);
    const report = await prepareScene({ scene: write(15, 15, () => -9999), out });
    expect(report).toMatchObject({ kept: 0, candidates: 1, dropped: { empty: 1 } });
    expect(report.file).toBeUndefined();
    expect(report.warnings.join()).toMatch(/no patch was kept/);
    expect(existsSync(out) || temporariesOf(out).length > 0).toBe(false);
  });
});

// Normalised convolution by scipy: the average of valid pixels alone, and the share of the weight they have.
const MASKED = `
import json, sys
import h5py, numpy as np
from scipy.ndimage import gaussian_filter
raw = np.fromfile(sys.argv[2], '<f4').reshape(60, 60, ${BANDS}).astype('f8')
valid = raw[:, :, 0] != -9999
def low(image):
    s = 7.5 / 2.355
    b = gaussian_filter(image, (s, s) + (0,) * (image.ndim - 2), mode='nearest', truncate=3.5)
    # 15 half pixels a coarse pixel
    for axis in (0, 1):
        b = np.repeat(b, 2, axis)
        n = b.shape[axis] // 15
        b = b.reshape(b.shape[:axis] + (n, 15) + b.shape[axis + 1:]).mean(axis + 1)
    return b
share = low(valid.astype('f8'))
with h5py.File(sys.argv[1]) as h:
    keep = h['aviris'].shape[3]
    kept = [b for b in range(${BANDS}) if not (1350 <= 400 + 20 * b <= 1470 or 1780 <= 400 + 20 * b <= 1980 or 400 + 20 * b >= 2400)]
    assert len(kept) == keep
    x = low(np.where(valid[:, :, None], raw, 0))[:, :, kept] / share[:, :, None]
    mask_lr = h['mask_lr'][0] == 1
    ok = share >= 0.5
    fine = np.kron(ok, np.ones((15, 15)))
    fine = fine.reshape(8, 15, 8, 15)  # half pixels: the coarse pixel of a fine pixel's middle
    middle = lambda n: np.floor((np.arange(n) + 0.5) / 7.5).astype(int)
    joint = valid & ok[middle(60)][:, middle(60)]
    a, l, ll = h['aviris'][0], h['landsat'][0], h['landsat_lr'][0]
    print(json.dumps({
        'margin': float(np.abs(share - 0.5).min()), 'invalid': int((~ok).sum()), 'partly': int((ok & (share < 0.999)).sum()),
        'masks': bool((mask_lr == ok).all()) and bool(((h['mask'][0] == 1) == joint).all()),
        'coarse': float(np.abs(h['aviris_lr'][0] - x)[ok].max() / np.abs(x[ok]).max()),
        'zeros': float(max(np.abs(h['aviris_lr'][0][~ok]).max(), np.abs(ll[~ok]).max(), np.abs(a[~valid]).max(), np.abs(l[~joint]).max())),
        'fine': float(np.abs(a - raw[:, :, kept].astype('f4'))[valid].max()),
        'landsat': [float(l[joint].min()), float(l[joint].max())]}))
`;

describePython('values beside nodata', () => {
  const hole = (y: number, x: number) => (y - 20) ** 2 + (x - 33) ** 2 < 150 || (y > 50 && x > 45);

  it('are averages of what is valid, valid where half of the weight is', async () => {
    const scene = write(60, 60, (y, x, b) => (hole(y, x) ? -9999 : 50 + ((y * 31 + x * 17 + b * 7) % 100)));
    const out = join(folder, 'hole.h5');
    const report = await prepareScene({ scene, out, maxNodata: 0.3 });
    expect(report).toMatchObject({ kept: 1, patch: 8 });
    const found = JSON.parse(runPython(MASKED, [out, scene.replace('.hdr', '.img')]));
    // the case is a real one: pixels on both sides of the limit, none on it
    expect(found.invalid).toBeGreaterThan(3);
    expect(found.partly).toBeGreaterThan(10);
    expect(found.margin).toBeGreaterThan(1e-6);
    expect(found.masks).toBe(true);
    expect(found.zeros).toBe(0);
    expect(found.fine).toBe(0);
    // float32
    expect(found.coarse).toBeLessThan(1e-6);
    // values are 50 to 149 everywhere; with holes taken as zeros or -9999 the interpolated ones would be far off
    expect(found.landsat[0]).toBeGreaterThan(80);
    expect(found.landsat[1]).toBeLessThan(120);
  });

  it('of a constant scene are that constant', async () => {
    const scene = write(60, 60, (y, x) => (hole(y, x) ? -9999 : 3.25));
    const out = join(folder, 'constant.h5');
    await prepareScene({ scene, out, maxNodata: 0.3 });
    const code = `
import json, sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as h:
    print(json.dumps([float(np.abs(h[k][0][h[m][0] == 1] - 3.25).max()) for k, m in (('aviris', 'mask'), ('landsat', 'mask'), ('aviris_lr', 'mask_lr'), ('landsat_lr', 'mask_lr'))]))
`;
    // float32 of 3.25 is exact; weights sum to 1 within 1e-7
    for (const off of JSON.parse(runPython(code, [out])) as number[]) expect(off).toBeLessThan(1e-6);
  });
});
