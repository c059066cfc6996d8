/**
 * Parameter names, shapes and numbers of the networks as in PyTorch checkpoints (docs/specification.md, section 1), and how
 * they start.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { modelParameters, outputSize, parameterCount, receptiveField } from '../../src/models/index.js';
import { initialValues } from '../../src/models/network.js';
import type { ModelSpec, SpectralSrSpec } from '../../src/models/spec.js';
import { lossGraph, networkFeeds } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

const SR: SpectralSrSpec = {
  kind: 'spectral_sr',
  inBands: 7,
  outBands: 340,
  hidden: 128,
  blocks: 4,
  axis: 'raster',
  regression: 'none',
};
const UNMIXING: ModelSpec = {
  kind: 'spectral_unmixing',
  inBands: 7,
  outBands: 340,
  endmembers: 16,
  constraint: 'none',
  regression: 'none',
};

const RATIO = { up: 15, down: 2 } as const;
const SPATIAL: ModelSpec = {
  kind: 'spatial_sr',
  inBands: 340,
  outBands: 340,
  features: 64,
  groups: 4,
  blocks: 4,
  reduction: 16,
  backProjections: 0,
  ...RATIO,
};
const LIGHT: ModelSpec = {
  kind: 'spatial_lightweight',
  inBands: 340,
  outBands: 340,
  features: 16,
  blocks: 4,
  backProjections: 0,
  ...RATIO,
};

describe('output size', () => {
  it.each([
    [SPATIAL, [34, 34], [255, 255]],
    // 33 * 7.5 = 247.5: the documented floor
    [LIGHT, [33, 1], [247, 7]],
    [{ ...SPATIAL, up: 4, down: 3 }, [7, 3], [9, 4]],
    [SR, [5, 6], [5, 6]],
    [{ kind: 'cascade', inBands: 7, outBands: 340, stage1: SR, stage2: SPATIAL }, [2, 4], [15, 30]],
  ] as [ModelSpec, [number, number], [number, number]][])('%#', (spec, [h, w], [height, width]) => {
    expect(outputSize(spec, h, w)).toEqual({ height, width });
  });
});

describe('parameters', () => {
  it.each([
    // the documented counts
    ['spectral_sr', SR, 4_276_297],
    ['spectral_sr with 8 blocks', { ...SR, blocks: 8 }, 7_053_417],
    ['spectral_unmixing', UNMIXING, 32_624],
    ['axis row has the same', { ...SR, axis: 'row' }, 4_276_297],
    // 340 x 35 + 340 more with the quadratic regression
    ['with regression', { ...SR, regression: 'quadratic' }, 4_276_297 + 340 * 36],
    ['quadratic ridge', { kind: 'quadratic_ridge', inBands: 7, outBands: 340 }, 340 * 36],
    ['ridge', { kind: 'ridge', inBands: 7, outBands: 340 }, 340 * 8],
    ['spatial_sr', SPATIAL, 2_210_836],
    ['spatial_lightweight', LIGHT, 135_396],
    ['spatial_lightweight with 32 features', { ...LIGHT, features: 32 }, 344_180],
    ['back-projection adds none', { ...LIGHT, backProjections: 5 }, 135_396],
    ['bicubic', { kind: 'bicubic', inBands: 340, outBands: 340, ...RATIO, backProjections: 5 }, 0],
    ['cascade', { kind: 'cascade', inBands: 7, outBands: 340, stage1: SR, stage2: SPATIAL }, 4_276_297 + 2_210_836],
  ] as [string, ModelSpec, number][])('%s', (_name, spec, count) => {
    expect(parameterCount(modelParameters(spec))).toBe(count);
  });

  it('are named, shaped and ordered as in the checkpoints', () => {
    const list = modelParameters({ ...SR, blocks: 1, regression: 'linear' }).map(
      (p) => `${p.name} ${p.shape.join('x')}`,
    );
    expect(list).toEqual([
      'spectral_expand.0.weight 128x7x3x3',
      'spectral_expand.0.bias 128',
      'spectral_expand.2.weight 340x128x3x3',
      'spectral_expand.2.bias 340',
      'res_blocks.0.conv1.weight 340x340x3',
      'res_blocks.0.conv1.bias 340',
      'res_blocks.0.conv2.weight 340x340x3',
      'res_blocks.0.conv2.bias 340',
      'attention.fc.0.weight 85x340',
      'attention.fc.0.bias 85',
      'attention.fc.2.weight 340x85',
      'attention.fc.2.bias 340',
      'final_conv.weight 340x340x3x3',
      'final_conv.bias 340',
      'regression.weight 340x7',
      'regression.bias 340',
    ]);
    expect(modelParameters(UNMIXING).map((p) => p.name)[0]).toBe('endmembers');
  });

  it('start uniform within 1/sqrt(fan-in), from the seed alone', () => {
    const info = modelParameters(SR).find((p) => p.name === 'res_blocks.0.conv1.weight')!;
    const values = initialValues(info, new Random(1));
    const bound = 1 / Math.sqrt(340 * 3);
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(Math.max(...values.subarray(0, 5000))).toBeLessThan(bound);
    expect(Math.max(...values.subarray(0, 5000))).toBeGreaterThan(0.99 * bound);
    expect(variance).toBeCloseTo(bound ** 2 / 3, 5);
    expect(initialValues(info, new Random(1))).toEqual(values);
  });

  it('start as ones or zeros where they say so, and draw no numbers for it', () => {
    const random = new Random(1);
    const start = (kind: 'ones' | 'zeros') =>
      initialValues({ name: 'norm.weight', shape: [3], frozen: false, init: { kind } }, random);
    expect([...start('ones'), ...start('zeros')]).toEqual([1, 1, 1, 0, 0, 0]);
    expect(random.uniform()).toBe(new Random(1).uniform());
  });

  it.each([
    [{ ...SR, hidden: 0 }, 'hidden: spectral_sr has an invalid size; found 0, expected a whole number of at least 1'],
    [{ ...SR, blocks: 1.5 }, 'blocks'],
    [{ ...UNMIXING, endmembers: -1 }, 'endmembers'],
    [{ ...SPATIAL, up: 1, down: 2 }, 'up / down'],
    [{ ...SPATIAL, outBands: 3 }, 'outBands'],
    [
      { kind: 'cascade', inBands: 7, outBands: 340, stage1: { ...SR, outBands: 20 }, stage2: SPATIAL },
      'stage2.inBands',
    ],
    [
      { ...UNMIXING, constraint: 'softplus', regression: 'linear' },
      'regression: non-negative endmembers cannot be combined with a regression',
    ],
  ] as [ModelSpec, string][])('refuses %o', (spec, message) => {
    expect(() => modelParameters(spec)).toThrow(message);
  });
});

describe('receptive field', () => {
  /** Pixels of the output that change with the middle pixel of the input; attention is cut off by weights of 0. */
  function reach(spec: ModelSpec, h: number, w: number): { y: number; x: number } {
    const graph = lossGraph(spec, [1, h, w]);
    const feeds = networkFeeds(graph);
    for (const [name, values] of feeds) if (name.startsWith('attention.fc.2')) values.fill(0);
    const run = () => evaluateGraph(graph, feeds).get('prediction')!;
    const before = run();
    const middle = Math.floor(h / 2) * w + Math.floor(w / 2);
    (feeds.get('input') as Float32Array)[middle * spec.inBands]! += 1;
    const after = run();
    let [y, x] = [0, 0];
    after.forEach((value, i) => {
      if (value === before[i]) return;
      const pixel = Math.floor(i / spec.outBands);
      y = Math.max(y, Math.abs(Math.floor(pixel / w) - Math.floor(h / 2)));
      x = Math.max(x, Math.abs((pixel % w) - Math.floor(w / 2)));
    });
    return { y, x };
  }
  const small = { ...SR, inBands: 2, outBands: 5, hidden: 6, blocks: 2 };
  it.each([
    ['row', { ...small, axis: 'row' }],
    ['spectral', { ...small, axis: 'spectral' }],
    ['unmixing', { ...UNMIXING, inBands: 2, outBands: 5, endmembers: 3 }],
    ['ridge', { kind: 'quadratic_ridge', inBands: 2, outBands: 5 }],
  ] as [string, ModelSpec][])('of %s is what the network declares', (_name, spec) => {
    const { y, x, wrapsRows } = receptiveField(spec);
    expect(wrapsRows).toBe(false);
    expect(reach(spec, 2 * y + 5, 2 * x + 5)).toEqual({ y, x });
  });

  it('of axis raster wraps around rows and is never larger than declared', () => {
    const spec: ModelSpec = { ...small, axis: 'raster' };
    const field = receptiveField(spec);
    expect(field.wrapsRows).toBe(true);
    const { y } = reach(spec, 21, 3);
    expect(y).toBeGreaterThan(3);
    expect(y).toBeLessThanOrEqual(field.y);
  });
});
