/** Both stages, regions, formats and headers, resuming, and what is refused. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { saveModel } from '../../src/checkpoint/checkpoint.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { plainUnits } from '../../src/predict/checks.js';
import { Interrupted } from '../../src/predict/segment_run.js';
import { openScene } from '../../src/scenes/open.js';
import { temporaryFolder } from '../support/temporary.js';
import {
  checkpointOf,
  type MemoryScene,
  memoryScene,
  predicted,
  randomValues,
  sceneOf,
  untiled,
  writeJson,
} from './support.js';

const ONE: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 7,
  outBands: 6,
  hidden: 8,
  blocks: 1,
  axis: 'row',
  regression: 'none',
};
const TWO: ModelSpec = {
  kind: 'spatial_sr',
  inBands: 6,
  outBands: 6,
  features: 8,
  groups: 1,
  blocks: 2,
  reduction: 4,
  up: 15,
  down: 2,
  backProjections: 0,
};

const folder = temporaryFolder();
const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const one = () => checkpointOf(folder, 'one', ONE);
const two = () => checkpointOf(folder, 'two', TWO);

/** The part of a scene as a scene of its own. */
function cut(scene: MemoryScene, x0: number, y0: number, width: number, height: number): MemoryScene {
  const values = new Float32Array(width * height * scene.bands);
  const valid = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const at = (y0 + y) * scene.width + x0;
    values.set(scene.values.subarray(at * scene.bands, (at + width) * scene.bands), y * width * scene.bands);
    valid.set(scene.valid.subarray(at, at + width), y * width);
  }
  return sceneOf({ height, width, bands: scene.bands, values, valid });
}

describe('both stages', () => {
  it('stage 2 sees what stage 1 gives; place and bands are those of the models', async () => {
    const scene = memoryScene(11, 14, 7);
    const middle = await untiled(ONE, scene);
    const between = sceneOf({ height: 11, width: 14, bands: 6, values: middle, valid: scene.valid });
    const expected = await untiled(TWO, between);
    const options = { stage1: await one(), stage2: await two(), tile: 6, keepStage1: true };
    const { values, result, cube } = await predicted(scene, { ...options, out: join(folder, 'both.img') });
    expect([cube.height, cube.width, cube.bands]).toEqual([82, 105, 6]);
    let worst = 0;
    for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(values[i]! - expected[i]!));
    expect(worst).toBeLessThan(1e-5);
    // 30 m * 2 / 15 = 4 m; the corner stays
    expect(cube.georeference!.geotransform).toEqual([500000, 4, 0, 4100000, 0, -4]);
    expect([...cube.wavelength!]).toEqual([400, 405, 410, 415, 420, 425]);
    expect([...cube.fwhm!]).toEqual([5.5, 5.5, 5.5, 5.5, 5.5, 5.5]);
    const kept = await openScene(result.stage1!.dataPath);
    const stage1 = await kept.read({ y: 0, x: 0, height: 11, width: 14 });
    await kept.close();
    for (let i = 0; i < middle.length; i++) worst = Math.max(worst, Math.abs(stage1.values[i]! - middle[i]!));
    expect(worst).toBeLessThan(1e-5);
    expect(readdirSync(folder).filter((name) => name.includes('work') || name.includes('partial'))).toEqual([]);
  });

  it('bicubic and back-projections take any cube', async () => {
    const scene = memoryScene(9, 8, 3);
    const spec: ModelSpec = { kind: 'bicubic', inBands: 3, outBands: 3, up: 15, down: 2, backProjections: 2 };
    const { values } = await predicted(scene, {
      stage2: 'bicubic',
      backProjections: 2,
      projection: 'plain',
      tile: 4,
      out: join(folder, 'bic'),
    });
    // no normalisation: `untiled` clips to 0.05 .. 0.95, beyond all values, and its target's differs from its input's
    const expected = (await untiled(spec, scene)).map((v) => ((v - 0.02) / 0.7) * 0.9 + 0.05);
    let worst = 0;
    for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(values[i]! - expected[i]!));
    expect(worst).toBeLessThan(1e-5);
  });

  it('int16: rounded to the scale; the header tells it', async () => {
    const scene = memoryScene(7, 9, 7, (y, x) => y === 3 && x === 4);
    const options = { stage1: await one(), tile: 4 };
    const float = await predicted(scene, { ...options, out: join(folder, 'float') });
    const whole = await predicted(scene, {
      ...options,
      out: join(folder, 'whole'),
      format: { dataType: 'int16', interleave: 'bil', scale: 1000 },
    });
    const worst = float.values.reduce((m, v, i) => Math.max(m, Math.abs(v - whole.values[i]!)), 0);
    // half a step of 1e-3, and float32 of the product
    expect(worst).toBeLessThan(0.51e-3);
    expect(worst).toBeGreaterThan(0.4e-3);
    expect(whole.valid[3 * 9 + 4]).toBe(0);
    const header = readFileSync(join(folder, 'whole.hdr'), 'utf8');
    expect(header).toMatch(/reflectance scale factor = 1000$/m);
    expect(header).toMatch(/data ignore value = -32768/);
    expect(header).toMatch(/bbl = \{/);
    expect(header).toMatch(/stage 1 checkpoint = one.safetensors sha256:[0-9a-f]{64}/);
  });
});

describe('a region', () => {
  it('gives what its own scene would, in pixels and in map coordinates', async () => {
    const scene = memoryScene(20, 24, 7, (y, x) => y + x === 20);
    const options = { stage1: await one(), stage2: await two(), tile: 4 };
    const expected = await predicted(cut(scene, 5, 3, 10, 8), { ...options, out: join(folder, 'cut') });
    const roi = await predicted(scene, { ...options, roi: [5, 3, 10, 8], out: join(folder, 'roi') });
    expect(roi.values).toEqual(expected.values);
    expect(roi.valid).toEqual(expected.valid);
    // corners inside pixels 5 and 14, rows 3 and 10: whole pixels around them
    const [west, north] = [500000, 4100000];
    const map = await predicted(scene, {
      ...options,
      roiMap: [west + 5.4 * 30, north - 10.7 * 30, west + 14.2 * 30, north - 3.3 * 30],
      out: join(folder, 'map'),
    });
    expect(map.values).toEqual(expected.values);
    expect(map.cube.georeference!.geotransform).toEqual([west + 150, 4, 0, north - 90, 0, -4]);
  });

  it('outside of the scene is refused', async () => {
    const out = join(folder, 'outside');
    await expect(predicted(memoryScene(5, 5, 7), { stage1: await one(), roi: [3, 3, 3, 2], out })).rejects.toThrow(
      /outside/,
    );
    await expect(predicted(memoryScene(5, 5, 7), { stage1: await one(), roiMap: [0, 0, 10, 10], out })).rejects.toThrow(
      /nothing of it lies in the scene/,
    );
  });
});

describe('an interrupted prediction', () => {
  it('ends with the same bytes wherever it was stopped', { timeout: 120_000 }, async () => {
    const scene = memoryScene(10, 12, 7, (y, x) => x === 5 && y > 3);
    const options = { stage1: await one(), stage2: await two(), tile: 5, keepStage1: true };
    await predicted(scene, { ...options, out: join(folder, 'straight') });
    const expected = ['straight.img', 'straight_stage1.img'].map((name) => hash(join(folder, name)));
    // 6 tiles: 2 passes of stage 1 and 3 of stage 2
    for (let stop = 1; stop < 30; stop += 2) {
      const out = join(folder, `stopped-${stop}`);
      let tiles = 0;
      await expect(predicted(scene, { ...options, out }, () => ++tiles >= stop)).rejects.toThrow(Interrupted);
      expect(existsSync(`${out}.img`)).toBe(false);
      // once more after two more tiles, then to the end; other memory and tiles asked for do not change the result
      tiles = 0;
      await predicted(scene, { ...options, out }, () => ++tiles >= 2).catch((error) => {
        if (!(error instanceof Interrupted)) throw error;
      });
      if (!existsSync(`${out}.img`)) await predicted(scene, { ...options, maxMemory: 3e9, out, resume: 'require' });
      expect([`${out}.img`, `${out}_stage1.img`].map(hash)).toEqual(expected);
    }
  });

  it('is not mixed with another one', async () => {
    const scene = memoryScene(10, 12, 7);
    const out = join(folder, 'other');
    await expect(predicted(scene, { stage1: await one(), tile: 5, out }, () => true)).rejects.toThrow(Interrupted);
    await expect(predicted(scene, { stage1: await one(), out, maxMemory: 1e6 })).rejects.toThrow(
      /interrupted.*--restart/,
    );
    const other = await checkpointOf(folder, 'other-model', { ...ONE, blocks: 2 });
    await expect(predicted(scene, { stage1: other, tile: 5, out })).rejects.toThrow(/unfinished prediction of another/);
    await predicted(scene, { stage1: other, tile: 5, out, resume: 'restart' });
    await expect(predicted(scene, { stage1: other, out, overwrite: true, resume: 'require' })).rejects.toThrow(
      /no unfinished prediction/,
    );
  });
});

describe('what is refused', () => {
  const scene = () => memoryScene(8, 9, 7);

  it('other bands, other units unless forced, stages in the wrong place', async () => {
    const out = join(folder, 'refused');
    await expect(predicted(memoryScene(8, 9, 6), { stage1: await one(), out })).rejects.toThrow(/found 6, expected 7/);
    const radiance = { ...scene(), units: 'uW cm-2 sr-1 nm-1' };
    await expect(predicted(radiance, { stage1: await one(), out })).rejects.toThrow(/--force-units/);
    await predicted(radiance, { stage1: await one(), out, forceUnits: true });
    await expect(predicted(scene(), { stage1: await two(), out })).rejects.toThrow(/give it as --stage2/);
    await expect(predicted(memoryScene(8, 9, 7), { stage2: await one(), out })).rejects.toThrow(/give it as --stage1/);
    await expect(predicted(scene(), { stage1: await one(), out })).rejects.toThrow(/exists already/);
  });

  it('one unit has several spellings', () => {
    expect(plainUnits('uW/cm^2/sr/nm')).toBe(plainUnits('µW cm-2 sr-1 nm-1'));
    expect(plainUnits('W/m2/sr/um')).not.toBe(plainUnits('uW cm-2 sr-1 nm-1'));
    expect(plainUnits('Surface Reflectance (0-1)')).toBe(plainUnits('reflectance'));
  });

  it('a model without normalisation, until one is given', async () => {
    const path = join(folder, 'imported.safetensors');
    await saveModel(path, ONE, randomValues(ONE));
    const out = join(folder, 'stats');
    await expect(predicted(scene(), { stage1: path, out })).rejects.toThrow(/--stage1-stats: none, a checkpoint/);
    const expected = await untiled(ONE, scene());
    const json = join(folder, 'stats.json');
    writeJson(json, { input: { offset: [0.05], scale: [0.9], clip: true }, target: { offset: [0.02], scale: [0.7] } });
    for (const stats of [json, await one()]) {
      const { values } = await predicted(scene(), { stage1: path, stage1Stats: stats, out, overwrite: true });
      const worst = values.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i]!)), 0);
      expect(worst).toBeLessThan(1e-5);
    }
    writeJson(json, {
      input: { offset: [0.05, 0], scale: [0.9], clip: true },
      target: { offset: [0.02], scale: [0.7] },
    });
    await expect(predicted(scene(), { stage1: path, stage1Stats: json, out })).rejects.toThrow(
      /2 numbers, expected 1 or 7/,
    );
    writeJson(json, { input: { offset: [0.05] } });
    await expect(predicted(scene(), { stage1: path, stage1Stats: json, out })).rejects.toThrow(/input.scale/);
  });

  it('too little memory: it says what would do', async () => {
    const out = join(folder, 'memory');
    await expect(predicted(scene(), { stage1: await one(), out, maxMemory: 1e6 })).rejects.toThrow(
      /expected at least [\d.]+ MiB/,
    );
  });

  it('numbers that are not finite: exit code 4, the place, and nothing left behind', async () => {
    const values = randomValues(ONE);
    values.get('final_conv.bias')![2] = Number.NaN;
    const path = join(folder, 'nan.safetensors');
    await saveModel(path, ONE, values);
    const error = await predicted(scene(), {
      stage1: path,
      stage1Stats: 'none',
      tile: 4,
      out: join(folder, 'nan'),
    }).catch((e) => e);
    expect(error.exitCode).toBe(4);
    expect(error.message).toMatch(/tile 0, row 0, column 0, band 2/);
    expect(readdirSync(folder).filter((name) => name.startsWith('nan'))).toEqual(['nan.safetensors']);
  });
});
