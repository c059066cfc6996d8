/** Prediction by tiles, to a file, against the network's own program on the whole scene. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../../src/models/spec.js';
import { temporaryFolder } from '../support/temporary.js';
import { checkpointOf, memoryScene, predicted, untiled } from './support.js';

const spectral = { inBands: 7, outBands: 20 } as const;
const spatial = { inBands: 6, outBands: 6, up: 15, down: 2, backProjections: 0 } as const;
const sr = { kind: 'spectral_sr', ...spectral, hidden: 12, blocks: 2, regression: 'none' } as const;

const NETWORKS: Record<string, ModelSpec> = {
  'spectral_sr row': { ...sr, axis: 'row' },
  'spectral_sr raster': { ...sr, axis: 'raster' },
  'spectral_sr spectral': { ...sr, axis: 'spectral', regression: 'quadratic' },
  spectral_unmixing: {
    kind: 'spectral_unmixing',
    ...spectral,
    endmembers: 5,
    constraint: 'softplus',
    regression: 'none',
  },
  ridge: { kind: 'ridge', ...spectral },
  quadratic_ridge: { kind: 'quadratic_ridge', ...spectral },
  // wide enough that inputs of its convolutions are cropped
  spatial_sr: { kind: 'spatial_sr', ...spatial, features: 16, groups: 2, blocks: 2, reduction: 4 },
  spatial_lightweight: { kind: 'spatial_lightweight', ...spatial, features: 6, blocks: 2 },
  bicubic: { kind: 'bicubic', ...spatial },
  'bicubic with 2 back-projections': { kind: 'bicubic', ...spatial, backProjections: 2 },
  'bicubic with 3 bounded back-projections': {
    kind: 'bicubic',
    ...spatial,
    backProjections: 3,
    projection: { reach: 2, margin: 0.25, floor: [0] },
  },
  'spatial_lightweight with 2 bounded back-projections': {
    kind: 'spatial_lightweight',
    ...spatial,
    features: 6,
    blocks: 1,
    backProjections: 2,
    projection: { reach: 1, margin: 0.5, floor: [0.1] },
  },
  cascade: {
    kind: 'cascade',
    inBands: 7,
    outBands: 6,
    stage1: { ...sr, axis: 'row', outBands: 6 },
    stage2: { kind: 'spatial_lightweight', ...spatial, features: 6, blocks: 1 },
  },
};

const isSpatial = (spec: ModelSpec) => 'up' in spec || spec.kind === 'cascade';
const stageOf = (spec: ModelSpec, path: string) => ('up' in spec ? { stage2: path } : { stage1: path });

function expectSame(actual: ArrayLike<number>, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  let [low, high, worst] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < expected.length; i++) {
    low = Math.min(low, expected[i]!);
    high = Math.max(high, expected[i]!);
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  }
  // the promise of docs/specification.md, section 9; float32 itself gives about 1e-6
  expect(worst / (high - low)).toBeLessThan(1e-5);
}

describe('tiled predictions equal untiled ones', () => {
  const folder = temporaryFolder();
  for (const [name, spec] of Object.entries(NETWORKS)) {
    it(name, { timeout: 120_000 }, async () => {
      const id = name.replaceAll(/\W/g, '-');
      const path = await checkpointOf(folder, id, spec);
      const [height, width] = isSpatial(spec) ? [13, 18] : [37, 50];
      const scene = memoryScene(height, width, spec.inBands);
      const expected = await untiled(spec, scene);
      // no multiple of the size, larger than the scene, chosen by the plan; tiles of 1 pixel where that is not endless
      for (const tile of [isSpatial(spec) ? 5 : 16, 64, undefined, ...(isSpatial(spec) ? [1] : [])]) {
        const out = join(folder, `${id}-${tile}`);
        const { values, said } = await predicted(scene, {
          ...stageOf(spec, path),
          out,
          ...(tile === undefined ? {} : { tile }),
        });
        expectSame(values, expected);
        expect(said.warnings).toEqual([]);
        expect(existsSync(`${out}.work`)).toBe(false);
      }
    });
  }
});
