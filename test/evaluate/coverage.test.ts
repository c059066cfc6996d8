/** `evaluate` of a closed-form model of scenes: its intervals against the truth of patches, counted another way. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { saveSceneModel } from '../../src/checkpoint/checkpoint.js';
import { openReader } from '../../src/data/loader.js';
import { IDENTITY } from '../../src/data/normalize.js';
import { openPatchSet } from '../../src/data/patches.js';
import { LANDSAT8_OLI } from '../../src/spectra/response.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { writeTinyScenes } from '../support/tiny_scenes.js';

const folder = temporaryFolder();
const BANDS = 8;
/** Variance within a scene, relative to the square of the brightness. */
const WITHIN = 0.01;

/** y_b = x_0 with a standard deviation of 0.1 m, no differences between scenes and no distance. */
async function model(): Promise<string> {
  const path = join(folder, 'model.safetensors');
  const weight = new Float32Array(BANDS * 35);
  for (let b = 0; b < BANDS; b++) weight[35 * b] = 1;
  const wavelength = Array.from({ length: BANDS }, (_, b) => 450 + 200 * b);
  await saveSceneModel(
    path,
    { kind: 'quadratic_ridge', inBands: 7, outBands: BANDS },
    new Map([
      ['regression.weight', weight],
      ['regression.bias', new Float32Array(BANDS)],
    ]),
    {
      facts: {
        bands: { wavelength, fwhm: wavelength.map(() => 10), units: 'reflectance' },
        goodBands: wavelength.map(() => 1),
        sensor: LANDSAT8_OLI.sensor,
        responseHash: LANDSAT8_OLI.hash,
        normalization: { method: 'none', input: IDENTITY, target: IDENTITY, units: 'reflectance' },
        recipe: 'made for a test',
        scenes: [],
        range: { low: new Array(7).fill(0), high: new Array(7).fill(1) },
        uncertainty: { limit: 1, scenes: 3 },
        version: '0',
      },
      tables: {
        differences: {
          terms: 8,
          prior: new Float64Array(BANDS * 64),
          within: new Float64Array(BANDS).fill(WITHIN),
        },
        factors: new Float64Array(BANDS).fill(1),
        spread: { mean: new Float64Array(7), inverse: new Float64Array(49) },
        observability: new Float64Array(BANDS),
      },
    },
  );
  return path;
}

it('tells the share inside for each scene and over scenes, and for other shares than 90 %', async () => {
  const data = await writeTinyScenes(join(folder, 'patches'), { scenes: 3, bands: BANDS });
  const stage1 = await model();
  const args = [
    'evaluate',
    '--stage1',
    stage1,
    '--data-dir',
    data,
    '--baselines-from',
    data,
    '--out',
    join(folder, 'out'),
  ];
  const ran = await bandliftHere([...args, '--device', 'cpu'], folder);
  expect(ran.status).toBe(0);

  const set = await openPatchSet([data], {});
  const reader = await openReader(set);
  const inside: number[][] = [];
  for (let patch = 0; patch < set.count; patch++) {
    const { input, target } = await reader.readPatch(patch);
    const scene = Math.floor(patch / 2); // two patches a scene
    for (let p = 0; p < set.height * set.width; p++) {
      const x = input.subarray(7 * p, 7 * p + 7);
      const half = 1.6448536 * 0.1 * (x.reduce((sum, v) => sum + v, 0) / 7);
      inside[scene] ??= [];
      for (let b = 0; b < BANDS; b++) inside[scene]!.push(Math.abs(target[BANDS * p + b]! - x[0]!) <= half ? 1 : 0);
    }
  }
  await reader.close();
  const shares = inside.map((list) => (100 * list.reduce((sum, v) => sum + v, 0)) / list.length);
  shares.forEach((share, s) => {
    expect(ran.stdout).toContain(`hold ${share.toFixed(1)} % of the values of line_${s}`);
  });
  const mean = shares.reduce((sum, share) => sum + share, 0) / 3;
  const spread = `from ${Math.min(...shares).toFixed(1)} % to ${Math.max(...shares).toFixed(1)} %`;
  expect(ran.stdout).toContain(`over 3 scenes, each the same: ${mean.toFixed(1)} %, ${spread}; calibrated on 3 scenes`);
  expect(ran.stdout).toContain(`90.0 % ${mean.toFixed(1)} %`);
  // a share that no rounding makes: the test would not see a constant
  expect(new Set(shares.map((share) => share.toFixed(1))).size).toBeGreaterThan(1);
});

it('tells of patches whose bands are those of another sensor', async () => {
  const data = await writeTinyScenes(join(folder, 'msi'), { scenes: 1, bands: BANDS, sensor: 'msi.csv' });
  const out = ['--data-dir', data, '--baselines-from', data, '--out', join(folder, 'msi_out'), '--device', 'cpu'];
  const ran = await bandliftHere(['evaluate', '--stage1', await model(), ...out], folder);
  expect(ran.status).toBe(0);
  expect(ran.stderr).toMatch(
    /warning: .* holds bands of msi\.csv; .*model\.safetensors was trained on those of Landsat 8 OLI/,
  );
});

it('is nothing to train on', async () => {
  const data = await writeTinyScenes(join(folder, 'training'), { bands: BANDS });
  const args = ['train', 'stage1', '--data-dir', data, '--output-dir', join(folder, 'run'), '--init', await model()];
  const ran = await bandliftHere(args, folder);
  expect(ran.status).not.toBe(0);
  expect(expectOneError(ran.stderr)).toContain('nothing in it to train on');
});
