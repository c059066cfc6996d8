/** Small networks with every variation, and training graphs of them, for the compiler's tests. */

import { Random } from '../../src/base/random.js';
import { combinedLoss } from '../../src/graph/combined_loss.js';
import { elements, type Graph, GraphBuilder, type Shape } from '../../src/graph/ir.js';
import { buildModel } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import type { Feeds } from './reference.js';

export const SMALL_NETWORKS: Readonly<Record<string, ModelSpec>> = {
  'spectral_sr raster': {
    kind: 'spectral_sr',
    inBands: 3,
    outBands: 8,
    hidden: 4,
    blocks: 2,
    axis: 'raster',
    regression: 'none',
  },
  'spectral_sr row': {
    kind: 'spectral_sr',
    inBands: 2,
    outBands: 5,
    hidden: 3,
    blocks: 1,
    axis: 'row',
    regression: 'linear',
  },
  'spectral_sr spectral': {
    kind: 'spectral_sr',
    inBands: 3,
    outBands: 9,
    hidden: 4,
    blocks: 2,
    axis: 'spectral',
    regression: 'quadratic',
  },
  'spectral_sr no blocks': {
    kind: 'spectral_sr',
    inBands: 3,
    outBands: 2,
    hidden: 1,
    blocks: 0,
    axis: 'raster',
    regression: 'none',
  },
  'unmixing free': {
    kind: 'spectral_unmixing',
    inBands: 3,
    outBands: 6,
    endmembers: 4,
    constraint: 'none',
    regression: 'quadratic',
  },
  'unmixing softplus': {
    kind: 'spectral_unmixing',
    inBands: 2,
    outBands: 6,
    endmembers: 3,
    constraint: 'softplus',
    regression: 'none',
  },
  spatial_sr: {
    kind: 'spatial_sr',
    inBands: 3,
    outBands: 3,
    features: 4,
    groups: 2,
    blocks: 1,
    reduction: 2,
    up: 15,
    down: 2,
    backProjections: 0,
  },
  'spatial_sr back-projected': {
    kind: 'spatial_sr',
    inBands: 2,
    outBands: 2,
    features: 3,
    groups: 1,
    blocks: 1,
    reduction: 16,
    up: 5,
    down: 2,
    backProjections: 2,
  },
  spatial_lightweight: {
    kind: 'spatial_lightweight',
    inBands: 5,
    outBands: 5,
    features: 3,
    blocks: 2,
    up: 3,
    down: 1,
    backProjections: 1,
  },
  cascade: {
    kind: 'cascade',
    inBands: 2,
    outBands: 4,
    stage1: { kind: 'ridge', inBands: 2, outBands: 4 },
    stage2: {
      kind: 'spatial_lightweight',
      inBands: 4,
      outBands: 4,
      features: 2,
      blocks: 1,
      up: 5,
      down: 2,
      backProjections: 0,
    },
  },
};

export const LOSS = { l1: 1, l2: 0.3, sam: 0.1, gradient: 0.1 };

/** Inputs input, target, valid_pixels, mask -> outputs prediction, terms. */
export function lossGraph(spec: ModelSpec, [n, h, w]: readonly [number, number, number]): Graph {
  const builder = new GraphBuilder();
  const x = builder.input('input', [n, h, w, spec.inBands]);
  const { output } = buildModel(builder, spec, x, 'learn');
  const bandMask = Float32Array.from({ length: spec.outBands }, (_, c) => (c === 1 ? 0 : 1));
  const masks = spec.outBands > 3 ? { bandMask, pixelMask: true } : { pixelMask: true };
  builder.output('prediction', output);
  builder.output('terms', combinedLoss(builder, output, LOSS, masks));
  return builder.build();
}

/** Numbers for all inputs and parameters. Regression weights and zero-started ones get numbers too. */
export function networkFeeds(graph: Graph, seed = 3): Map<string, Float32Array | Float64Array> {
  const random = new Random(seed);
  const feeds = new Map<string, Float32Array | Float64Array>();
  const fanIn = ([, a, b, c]: Shape) => a * b * c;
  for (const v of graph.values) {
    if (v.role !== 'input' && v.role !== 'parameter') continue;
    const count = elements(v.shape);
    if (v.name === 'valid_pixels') continue;
    if (v.name === 'mask')
      feeds.set(
        v.name,
        Float32Array.from({ length: count }, (_, i) => (i % 5 === 2 ? 0 : 1)),
      );
    else if (v.role === 'input')
      feeds.set(
        v.name,
        Float32Array.from({ length: count }, () => random.uniform()),
      );
    else
      feeds.set(
        v.name,
        Float32Array.from({ length: count }, () => random.normal() / Math.sqrt(fanIn(v.shape))),
      );
  }
  const valid = (feeds.get('mask') as Float32Array).reduce((sum, m) => sum + m, 0);
  feeds.set('valid_pixels', Float64Array.of(valid));
  return feeds;
}

export const trainableNames = (graph: Graph): string[] =>
  graph.values.filter((v) => v.role === 'parameter' && v.trainable === true).map((v) => v.name);

export type { Feeds };
