/** Predicted radiance and reflectance are not below 0 where the input is not. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../../src/models/spec.js';
import { readEnvi } from '../../src/raster/envi.js';
import { generateLandsatSample } from '../../src/sample/fine.js';
import { generateSample } from '../../src/sample/sample.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { tinyConfig, train } from '../support/runs.js';
import { checkpointOf, predicted, sceneOf } from './support.js';

const folder = temporaryFolder();

describe('a regression that goes below 0', () => {
  // y = (x0 - x1, x0 + x1) in physical numbers
  const ridge: ModelSpec = { kind: 'ridge', inBands: 2, outBands: 2 };
  const plain = { offset: [0], scale: [1], clip: false };
  const normalization = { method: 'none' as const, input: plain, target: plain, units: 'reflectance' };
  const weights = new Map([
    ['regression.weight', Float32Array.of(1, -1, 1, 1)],
    ['regression.bias', Float32Array.of(0, 0)],
  ]);

  it('is held at 0 where no input band is negative, and only there', async () => {
    const stage1 = await checkpointOf(folder, 'ridge', ridge, { normalization }, weights);
    // a row of 6: bright, dark, equal, negative input twice, no data
    const values = Float32Array.of(3, 1, 1, 3, 2, 2, -1, 3, 1, -3, 0, 0);
    const scene = sceneOf({ height: 1, width: 6, bands: 2, values, valid: Uint8Array.of(1, 1, 1, 1, 1, 0) });
    for (const tile of [1, 6]) {
      const out = join(folder, `row${tile}.img`);
      const { values: found, valid, result } = await predicted(scene, { stage1, out, tile });
      expect([...found.subarray(0, 10)]).toEqual([2, 4, 0, 4, 0, 4, -4, 2, 4, -2]);
      expect([...valid]).toEqual([1, 1, 1, 1, 1, 0]);
      // one of ten values of valid pixels
      expect([result.output.counts.bounded, result.bounded]).toEqual([1, true]);
    }
  });

  it('tells the share for both stages, and stage 2 begins from what was held', async () => {
    const stage1 = await checkpointOf(folder, 'ridge', ridge, { normalization }, weights);
    const values = Float32Array.from({ length: 8 * 8 * 2 }, (_, i) => (i % 2 === 0 ? 1 : i % 16 < 8 ? 0.5 : 3));
    const scene = sceneOf({ height: 8, width: 8, bands: 2, values, valid: new Uint8Array(64).fill(1) });
    const { values: fine, result } = await predicted(scene, {
      stage1,
      stage2: 'bicubic',
      out: join(folder, 'both.img'),
    });
    // the right half is (1, 3) in the input: -2 becomes 0 in one of two bands
    expect(result.stage1Bounded).toBe(0.25);
    expect(fine).toHaveLength(60 * 60 * 2);
    expect(fine.filter((v) => v < 0)).toHaveLength(0);
  });
});

describe('the generated sample at 4 m', () => {
  it('has no negative value where the scene has none', async () => {
    await generateSample({ out: folder, seed: 5, patchSize: 12, patches: 8 });
    const run = join(folder, 'run');
    const data_dir = join(folder, 'patches');
    // few pixels and many features: it extrapolates badly, below 0 too
    const { best } = await train(tinyConfig({ data_dir, output_dir: run, model: 'quadratic_ridge' }));
    const [landsat] = await generateLandsatSample({ out: folder, seed: 5, line: 9, height: 40, width: 40 });
    const scene = await readEnvi(landsat!);
    expect(scene.data.every((v) => v >= 0)).toBe(true);
    const args = ['--stage1', best, '--stage2', 'bicubic', landsat!, '--out', 'fine'];
    const { status, stdout, stderr } = await bandliftHere(['predict', ...args, '--device', 'cpu'], folder);
    expect(status, stderr).toBe(0);
    const shares = [...stdout.matchAll(/([\d.]+) % of the values were held at a bound of what the input allows/g)];
    // stage 1, then stage 2
    expect(shares).toHaveLength(2);
    expect(Number(shares[0]![1])).toBeGreaterThan(0);
    const cube = await readEnvi(join(folder, 'fine.img'));
    expect(cube.data).toHaveLength(300 * 300 * 340);
    expect(cube.data.reduce((count, v) => count + (v < 0 ? 1 : 0), 0)).toBe(0);
  });
});
