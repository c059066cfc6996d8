import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { silentReporter } from '../../src/base/reporter.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { EvaluationOptions } from '../../src/evaluate/common.js';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import { evaluateStage2 } from '../../src/evaluate/stage2.js';
import { bandRegions } from '../../src/metrics/band_regions.js';
import { patchMetrics } from '../../src/metrics/patch_metrics.js';
import { methodMetrics } from '../../src/metrics/region_metrics.js';
import { emptyEvaluation, mergeEvaluation } from '../../src/metrics/sums.js';
import type { BicubicSpec, ModelSpec } from '../../src/models/spec.js';
import { applyTaps } from '../../src/resample/apply_taps.js';
import { bicubicTaps, psfTaps } from '../../src/resample/taps.js';
import { contractOf, IDENTITY, splitOf, writeCheckpoint } from '../support/checkpoints.js';
import { writeHdf5 } from '../support/patch_files.js';
import { temporaryFolder } from '../support/temporary.js';

const [PATCHES, COARSE, FINE, IN, BANDS] = [8, 4, 30, 7, 24];
const split = splitOf([0, 1, 2, 3], [4, 5], [6, 7]);
const bicubicSpec: BicubicSpec = {
  kind: 'bicubic',
  inBands: BANDS,
  outBands: BANDS,
  up: 15,
  down: 2,
  backProjections: 5,
};
/** A space of its own for the model, so that a forgotten normalisation shows. */
const normalization = {
  method: 'per_band' as const,
  input: { offset: Array.from({ length: BANDS }, (_, b) => 0.01 * b), scale: [0.5], clip: false },
  target: { offset: Array.from({ length: BANDS }, (_, b) => 0.01 * b), scale: [0.5], clip: false },
  units: 'reflectance',
};

function makeData() {
  const random = new Random(8);
  const aviris = new Float32Array(PATCHES * FINE * FINE * BANDS);
  for (let i = 0; i < aviris.length; i++) {
    const [b, x, y] = [i % BANDS, Math.floor(i / BANDS) % FINE, Math.floor(i / BANDS / FINE) % FINE];
    const patch = Math.floor(i / BANDS / FINE / FINE);
    const share = 0.5 + 0.4 * Math.sin(x / 4 + patch) * Math.cos(y / 5 + b / 9);
    aviris[i] = 0.2 + 0.3 * share * (1 + Math.sin(b / 6 + share)) + 0.01 * random.normal();
  }
  const down = psfTaps(FINE, COARSE, 7.5);
  const size = FINE * FINE * BANDS;
  const coarse = new Float32Array(PATCHES * COARSE * COARSE * BANDS);
  const landsat = new Float32Array(PATCHES * COARSE * COARSE * IN);
  for (let n = 0; n < PATCHES; n++)
    coarse.set(applyTaps(aviris.subarray(n * size, (n + 1) * size), BANDS, down, down), n * COARSE * COARSE * BANDS);
  for (let p = 0; p < PATCHES * COARSE * COARSE; p++)
    for (let k = 0; k < IN; k++) landsat[p * IN + k] = (coarse[p * BANDS + 3 * k] + coarse[p * BANDS + 3 * k + 2]) / 2;
  return { aviris, coarse, landsat };
}

/** Metrics of bicubic and back-projections from these coarse spectra, from the tables in double precision. */
function byTables(coarse: Float32Array, aviris: Float32Array, count: number) {
  const [up, down] = [bicubicTaps(COARSE, FINE, 1 / 7.5), psfTaps(FINE, COARSE, 7.5)];
  const regions = bandRegions(BANDS, wavelength);
  const sums = emptyEvaluation(BANDS, regions.length);
  for (const n of split.test) {
    const low = coarse.subarray(n * COARSE * COARSE * BANDS, (n + 1) * COARSE * COARSE * BANDS);
    const fine = applyTaps(low, BANDS, up, up);
    for (let k = 0; k < count; k++) {
      const difference = applyTaps(fine, BANDS, down, down).map((seen, i) => low[i] - seen);
      applyTaps(difference, BANDS, up, up).forEach((correction, i) => {
        fine[i] += correction;
      });
    }
    const target = aviris.subarray(n * FINE * FINE * BANDS, (n + 1) * FINE * FINE * BANDS);
    const pair = { height: FINE, width: FINE, bands: BANDS, prediction: Float32Array.from(fine), target };
    mergeEvaluation(sums, patchMetrics(pair, { masks: regions.map((r) => r.mask), range: Array(BANDS).fill(1) }));
  }
  return methodMetrics(sums, regions, 7.5).regions.all!;
}

const wavelength = Float64Array.from({ length: BANDS }, (_, b) => 420 + 80 * b);
const KEYS = ['samDeg', 'rmse', 'mae', 'mrae', 'psnr', 'ergas', 'cc'] as const;

describe('evaluate stage 2', () => {
  const work = temporaryFolder();
  const folder = join(work, 'patches');
  const data = makeData();
  const options: EvaluationOptions = {
    data: folder,
    split: 'test',
    machine: { device: { kind: 'cpu', threads: 1 } },
    threads: 2,
  };
  const checkpoint = async (name: string, model: ModelSpec, parameters: Map<string, Float32Array>, changes = {}) => {
    const set = await openPatchSet([folder], { sides: { input: 'landsat_lr', target: 'aviris' } });
    return writeCheckpoint(join(work, `${name}.safetensors`), contractOf(set, model, split, changes), parameters);
  };
  const weight = Float32Array.from({ length: BANDS * IN }, (_, i) =>
    i % IN === Math.min(IN - 1, Math.floor(i / IN / 3)) ? 1 : 0,
  );
  const ridge = new Map([
    ['regression.weight', weight],
    ['regression.bias', new Float32Array(BANDS).fill(0.01)],
  ]);
  const ridgeSpec = { kind: 'ridge', inBands: IN, outBands: BANDS } as const;
  let stage1: string;
  let stage2: string;

  beforeAll(async () => {
    mkdirSync(folder);
    await writeHdf5(
      join(folder, 'line.h5'),
      {
        aviris: { data: data.aviris, shape: [PATCHES, FINE, FINE, BANDS] },
        landsat: { data: new Float32Array(PATCHES * FINE * FINE * IN), shape: [PATCHES, FINE, FINE, IN] },
        aviris_lr: { data: data.coarse, shape: [PATCHES, COARSE, COARSE, BANDS] },
        landsat_lr: { data: data.landsat, shape: [PATCHES, COARSE, COARSE, IN] },
        wavelength: { data: wavelength, shape: [BANDS] },
      },
      { units: 'reflectance' },
    );
    stage1 = await checkpoint('stage1', ridgeSpec, ridge);
    stage2 = await checkpoint('stage2', bicubicSpec, new Map(), { normalization });
  });

  const expectMetrics = (result: EvaluationResult, label: string, expected: Record<string, number>) => {
    const found = result.methods.find((m) => m.label === label)!.regions.all! as unknown as Record<string, number>;
    // the engine in float32, errors a tenth of the values; the offset of the model's space costs another digit
    for (const key of KEYS) expect(Math.abs(found[key]! / expected[key]! - 1), `${label} ${key}`).toBeLessThan(2e-5);
  };

  it('measures the degraded true cubes', async () => {
    const result = await evaluateStage2({ stage2 }, options, silentReporter);
    expect(result.stage).toBe('stage 2');
    expect(result.methods.map((m) => m.label)).toEqual([
      'bicubic',
      'bicubic + 5 back-projections',
      'bicubic + 8 bounded back-projections',
      'bicubic of the checkpoint',
      'oracle, 7 components',
      'oracle, 20 components',
    ]);
    expectMetrics(result, 'bicubic', { ...byTables(data.coarse, data.aviris, 0) });
    expectMetrics(result, 'bicubic + 5 back-projections', { ...byTables(data.coarse, data.aviris, 5) });
    expectMetrics(result, 'bicubic of the checkpoint', { ...byTables(data.coarse, data.aviris, 5) });
    expect(result.models).toMatchObject([{ stage: 2, kind: 'bicubic', parameters: 0, epoch: 4 }]);
    expect(result.data).toMatchObject({ patches: 2, height: FINE, width: FINE });
    expect(result.pictures[0]!.rgb.map((p) => p.label)).toEqual([
      'input, coarse grid',
      'bicubic + 5 back-projections',
      'bicubic of the checkpoint',
      'truth',
    ]);
    expect(result.pictures[0]!.rgb[0]!.pixels).toHaveLength(FINE * FINE * 3);
    expect(result.notes.join(' ')).toMatch(/100 \/ 7\.5/);
    const below = (label: string) => result.methods.find((m) => m.label === label)!.regions.all!.negativeShare;
    expect(below('bicubic + 8 bounded back-projections')).toBe(0);
  });

  it('puts stage 1 before it, and a regression in its place', async () => {
    const result = await evaluateStage2({ stage1, stage2 }, options, silentReporter);
    expect(result.stage).toBe('end to end');
    expect(result.methods.map((m) => m.label)).toEqual([
      'ridge, bicubic',
      'ridge, bicubic + 5 back-projections',
      'ridge, bicubic + 8 bounded back-projections',
      'quadratic ridge, bicubic + 5 back-projections',
      'ridge, bicubic of the checkpoint',
      'oracle, 7 components',
      'oracle, 20 components',
    ]);
    const predicted = new Float32Array(data.coarse.length);
    for (let i = 0; i < predicted.length; i++) {
      const [p, b] = [Math.floor(i / BANDS), i % BANDS];
      predicted[i] = data.landsat[p * IN + Math.min(IN - 1, Math.floor(b / 3))] + 0.01;
    }
    expectMetrics(result, 'ridge, bicubic', { ...byTables(predicted, data.aviris, 0) });
    expectMetrics(result, 'ridge, bicubic + 5 back-projections', { ...byTables(predicted, data.aviris, 5) });
    expectMetrics(result, 'ridge, bicubic of the checkpoint', { ...byTables(predicted, data.aviris, 5) });
    expect(result.models.map((m) => [m.stage, m.kind])).toEqual([
      [1, 'ridge'],
      [2, 'bicubic'],
    ]);
    expect(result.pictures[0]!.rgb.map((p) => p.label)).toEqual([
      'input, 7 bands',
      'ridge, bicubic + 5 back-projections',
      'ridge, bicubic of the checkpoint',
      'truth',
    ]);
  });

  it('takes both stages from one checkpoint', async () => {
    const spec = { kind: 'cascade', inBands: IN, outBands: BANDS, stage1: ridgeSpec, stage2: bicubicSpec } as const;
    const named = new Map([...ridge].map(([name, value]) => [`stage1.${name}`, value]));
    const cascade = await checkpoint('cascade', spec, named);
    const result = await evaluateStage2({ stage2: cascade }, options, silentReporter);
    expect(result.stage).toBe('end to end');
    expect(result.methods.map((m) => m.label).slice(0, 4)).toEqual([
      'quadratic ridge, bicubic',
      'quadratic ridge, bicubic + 5 back-projections',
      'quadratic ridge, bicubic + 8 bounded back-projections',
      'both stages',
    ]);
    const apart = await evaluateStage2({ stage1, stage2 }, options, silentReporter);
    expectMetrics(result, 'both stages', { ...apart.methods[1]!.regions.all! });
    await expect(evaluateStage2({ stage1, stage2: cascade }, options, silentReporter)).rejects.toThrow(
      /holds both stages/,
    );
  });

  it('refuses what does not fit', async () => {
    const evaluate = (paths: { stage1?: string; stage2: string }) => evaluateStage2(paths, options, silentReporter);
    await expect(evaluate({ stage2: stage1 })).rejects.toThrow(/not a spatial model; found ridge/);
    await expect(evaluate({ stage1: stage2, stage2 })).rejects.toThrow(/not a spectral model; found bicubic/);
    const tripled = await checkpoint('tripled', { ...bicubicSpec, up: 3, down: 1 }, new Map());
    await expect(evaluate({ stage2: tripled })).rejects.toThrow(/found 4 x 4 -> 12 x 12 pixels, expected 30 x 30/);
    const seen = await checkpoint('seen', ridgeSpec, ridge, { split: splitOf([0, 1, 6], [2], [7]) });
    await expect(evaluate({ stage1: seen, stage2 })).rejects.toThrow(/split\.train: was trained on patches.*patch 6/);
    const other = await checkpoint('other', { ...bicubicSpec, inBands: 9, outBands: 9 }, new Map(), {
      normalization: { ...normalization, input: IDENTITY, target: IDENTITY },
    });
    await expect(evaluate({ stage1, stage2: other })).rejects.toThrow(
      /predicts other bands.*found 24 bands, expected 9/,
    );
  });
});
