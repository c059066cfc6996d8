/** The final table of stage 2 beside numpy, from the files alone. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describePython, runPython } from '../support/python.js';
import { printedTable, testRowsOf } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

/**
 * Bicubic as in PyTorch (a = -0.75, half-pixel centres, edges repeated) and Irani and Peleg's back-projections through a
 * Gaussian of 7.5 pixels FWHM and exact means, in float64. argv: folder of patches, split.json.
 */
const NUMPY = `
import sys, json, glob, h5py, numpy as np
files = sorted(glob.glob(sys.argv[1] + '/*.h5'))
load = lambda name: np.concatenate([h5py.File(f)[name][:] for f in files]).astype(np.float64)
x, y = load('aviris_lr'), load('aviris')
test = json.load(open(sys.argv[2]))['test']
def cubic(t):
    t, a = abs(t), -0.75
    return ((a + 2) * t - (a + 3)) * t * t + 1 if t <= 1 else ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0
def up(n):
    m = np.zeros((n * 15 // 2, n))
    for i in range(len(m)):
        c = (i + 0.5) * 2 / 15 - 0.5
        for k in range(int(np.floor(c)) - 1, int(np.floor(c)) + 3): m[i, min(max(k, 0), n - 1)] += cubic(c - k)
    return m
def down(n):
    s = 7.5 / 2.355; r = int(3.5 * s + 0.5)
    k = np.exp(-0.5 * (np.arange(-r, r + 1) / s) ** 2); k /= k.sum()
    size = n * 15 // 2
    blur = np.zeros((size, size))
    for i in range(size):
        for j in range(-r, r + 1): blur[i, min(max(i + j, 0), size - 1)] += k[j + r]
    return area(n) @ blur
def area(n):
    size = n * 15 // 2
    m = np.zeros((n, size))
    for i in range(n):
        for j in range(size): m[i, j] = max(0, min(j + 1, 7.5 * (i + 1)) - max(j, 7.5 * i)) / 7.5
    return m
U, D = up(x.shape[1]), down(x.shape[1])
both = lambda m, a: np.einsum('yi,xj,nijb->nyxb', m, m, a, optimize=True)
def row(p, t):
    p, t = p.reshape(-1, p.shape[-1]), t.reshape(-1, t.shape[-1])
    cos = (p * t).sum(1) / np.sqrt((p * p).sum(1) * (t * t).sum(1))
    rmse = np.sqrt(((p - t) ** 2).mean(0))
    return [np.degrees(np.arccos(np.clip(cos, -1, 1))).mean(), np.sqrt(((p - t) ** 2).mean()), np.abs(p - t).mean(), (20 * np.log10(t.max(0) / rmse)).mean()]
xt, yt = x[test], y[test]
p = both(U, xt)
rows = [row(p, yt)]
for _ in range(5): p = p + both(U, xt - both(D, p))
print(json.dumps(rows + [row(p, yt)]))
`;

describePython('the table of stage 2', () => {
  it('has the numbers of numpy for bicubic and for 5 back-projections', async () => {
    const work = temporaryFolder();
    const data = join(work, 'patches');
    mkdirSync(data);
    await writeTwoGrids(data, { side: 6 });
    const run = join(work, 'run');
    const { lines } = await trainSpatial(
      tinyStage2({ data_dir: data, output_dir: run, input: 'simulated', epochs: 1 }),
    );
    const rows = testRowsOf(run);
    const labels = rows.map((row) => row.label);
    expect(labels).toEqual([
      'bicubic',
      'bicubic + 5 back-projections',
      'bicubic + 8 bounded back-projections',
      expect.stringMatching(/^spatial_lightweight/),
    ]);
    const expected = JSON.parse(runPython(NUMPY, [data, join(run, 'split.json')])) as number[][];
    // float32 throughout; the angle's arc cosine loses some digits
    // numpy has no bounded ones
    rows.splice(2, 1);
    expected.forEach(([sam, rmse, mae, psnr], i) => {
      expect(Math.abs(rows[i]!.samDeg / sam! - 1)).toBeLessThan(1e-4);
      expect(Math.abs(rows[i]!.rmse / rmse! - 1)).toBeLessThan(1e-5);
      expect(Math.abs(rows[i]!.mae / mae! - 1)).toBeLessThan(1e-5);
      expect(Math.abs(rows[i]!.psnr - psnr!)).toBeLessThan(1e-4);
    });
    expect([...printedTable(lines.join('\n')).keys()]).toEqual(labels);
    expect(JSON.parse(readFileSync(join(run, 'split.json'), 'utf8')).test.length).toBeGreaterThan(0);
  });
});
