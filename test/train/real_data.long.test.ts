/** Stage 1 on real scenes of the original layout, through the command line; baselines beside float64 numpy. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bandliftHere, TINY, temporaryFolder } from '../support/cli.js';
import { describePython, runPython } from '../support/python.js';
import { printedTable, testRowsOf } from '../support/runs.js';
import { describeShared } from '../support/shared.js';

/**
 * Reads the file with h5py and the run's split.json; fits the scaled mean and ridge on the training part by another way
 * than bandlift (singular values of the standardised pixels, where it solves normal equations), all in float64.
 * argv: patch file, split.json, tile side (0: patches as stored). Prints [[SAM deg, RMSE, MAE], ...].
 */
const NUMPY = `
import sys, json, h5py, numpy as np
file, split, side = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
def load(name):
    a = h5py.File(file)[name][:].astype(np.float64)
    if side:  # tiles of each stored patch, row by row
        n, h, w, b = a.shape
        a = a.reshape(n, h // side, side, w // side, side, b).swapaxes(2, 3).reshape(-1, side, side, b)
    return a
x, y = load('landsat'), load('aviris')
flat = lambda a, part: a[split[part]].reshape(-1, a.shape[-1])
xt, yt, xv, yv = flat(x, 'train'), flat(y, 'train'), flat(x, 'test'), flat(y, 'test')
def row(p):
    cos = (p * yv).sum(1) / np.sqrt((p * p).sum(1) * (yv * yv).sum(1))
    return [np.degrees(np.arccos(np.clip(cos, -1, 1))).mean(), np.sqrt(((p - yv) ** 2).mean()), np.abs(p - yv).mean()]
m = xt.mean(0)
mean = (xv @ m / (m @ m))[:, None] * yt.mean(0)
s = xt.std(0)
s[s < 1e-6 * np.sqrt((xt ** 2).mean(0))] = np.inf  # a band that never varies takes no part
u, d, vt = np.linalg.svd((xt - m) / s, full_matrices=False)
w = vt.T @ ((d / (d * d + 1e-6 * len(xt)))[:, None] * (u.T @ (yt - yt.mean(0))))
print(json.dumps([row(mean), row((xv - m) / s @ w + yt.mean(0))]))
`;

const SETS = [
  // one stored patch of 10 x 10: cut into four tiles, or there would be nothing to test on
  { name: 'aviris_ng_2017', bands: 340, patches: 4, tile: 5 },
  { name: 'neon_sjer', bands: 339, patches: 4, tile: 0 },
  { name: 'santa_barbara', bands: 179, patches: 9, tile: 0 },
];

describeShared('stage 1 on real data', 'data/original_layout', (folder) => {
  const work = temporaryFolder();
  for (const set of SETS) {
    const data = join(folder, set.name);
    it(`trains on ${set.name} and ends with the table`, async () => {
      const run = await bandliftHere(
        ['train', 'stage1', '--data-dir', data, '--output-dir', set.name, '--epochs', '2', ...TINY],
        work,
      );
      expect(run.stderr).not.toMatch(/error/);
      expect(run.status).toBe(0);
      expect(run.stderr).toContain('wavelengths unknown');
      expect(run.stdout).toContain(`7 -> ${set.bands} bands`);
      const split = JSON.parse(readFileSync(join(work, set.name, 'split.json'), 'utf8'));
      const all = [...split.train, ...split.validation, ...split.test, ...split.guard].sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: set.patches }, (_, i) => i));

      const table = printedTable(run.stdout);
      const rows = testRowsOf(join(work, set.name));
      expect([...table.keys()]).toEqual(rows.map((row) => row.label));
      expect(rows.slice(0, 3).map((row) => row.label)).toEqual(['scaled mean spectrum', 'ridge', 'quadratic ridge']);
      expect(rows[3]!.label).toMatch(/^spectral_sr/);
      for (const row of rows) {
        expect(row.rmseByBand).toHaveLength(set.bands);
        // the root of the mean square over bands is the overall RMSE; double arithmetic in another order
        const meanSquare = row.rmseByBand.reduce((sum, r) => sum + r * r, 0) / set.bands;
        expect(Math.abs(Math.sqrt(meanSquare) / row.rmse - 1)).toBeLessThan(1e-12);
        // the table has four digits
        const printed = table.get(row.label)!;
        [row.samDeg, row.rmse, row.mae].forEach((value, i) => {
          expect(Math.abs(printed[i]! / value - 1)).toBeLessThan(5.1e-4);
        });
      }
    });
  }

  describePython('beside numpy', () => {
    for (const set of SETS)
      it(`scaled mean and ridge on ${set.name}`, () => {
        const args = [join(folder, set.name, 'test_patches.h5'), join(work, set.name, 'split.json'), String(set.tile)];
        const expected = JSON.parse(runPython(NUMPY, args)) as [number, number, number][];
        const rows = testRowsOf(join(work, set.name));
        expected.forEach((values, i) => {
          const { label, samDeg, rmse, mae } = rows[i]!;
          // the weights are float32 and nearly collinear bands cancel in their sum
          [samDeg, rmse, mae].forEach((value, k) => {
            expect(Math.abs(value / values[k]! - 1), `${label} ${['SAM', 'RMSE', 'MAE'][k]}`).toBeLessThan(1e-3);
          });
        });
      });
  });
});
