/**
 * The full-size networks with formula weights against PyTorch's numbers (full_size.json): loss terms, 256 output samples,
 * mean, standard deviation and the norm of every gradient. Minutes and gigabytes: `npm run test:full` runs it.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createSession } from '../../src/engine/session.js';
import { COMBINED_LOSS, SPATIAL_LOSS } from '../../src/engine/types.js';
import { modelParameters, parameterCount } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import {
  type Allowance,
  compare,
  GRADIENT_ALLOWANCE,
  OUTPUT_ALLOWANCE,
  toChannelsLast,
} from '../../src/verify/verify.js';
import { goldenPath } from '../support/golden.js';

interface FullSize {
  params: number;
  input_shape: number[];
  output_shape: number[];
  loss: Record<'l1' | 'sam' | 'spectral_grad' | 'total', number>;
  output_mean: number;
  output_std: number;
  sample_index: number[];
  sample_value: number[];
  grad_l2: Record<string, number>;
}

const BANDS = { inBands: 7, outBands: 340, regression: 'none' } as const;
const sr = (blocks: number): ModelSpec => ({ kind: 'spectral_sr', ...BANDS, hidden: 128, blocks, axis: 'raster' });
const SPATIAL = { inBands: 340, outBands: 340, up: 15, down: 2, backProjections: 0 } as const;
const NETS: Readonly<Record<string, ModelSpec>> = {
  spectral_sr_4m: sr(4),
  spectral_sr_8_blocks: sr(8),
  spectral_unmixing: { kind: 'spectral_unmixing', ...BANDS, endmembers: 16, constraint: 'none' },
  spatial_sr: { kind: 'spatial_sr', ...SPATIAL, features: 64, groups: 4, blocks: 4, reduction: 16 },
  spatial_lightweight_16: { kind: 'spatial_lightweight', ...SPATIAL, features: 16, blocks: 4 },
  spatial_lightweight_32: { kind: 'spatial_lightweight', ...SPATIAL, features: 32, blocks: 4 },
};

/** The README's formula: a hash of the index as a float32 in [-1, 1). */
function formula(n: number, s: number, map: (v: number) => number): Float32Array {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    let h = Math.imul(i ^ s, 2654435761) >>> 0;
    h ^= h >>> 15;
    h = Math.imul(h, 2246822519) >>> 0;
    h ^= h >>> 13;
    values[i] = map(Math.fround((2 * (h >>> 0)) / 2 ** 32 - 1));
  }
  return values;
}

function formulaParameters(spec: ModelSpec): Map<string, Float32Array> {
  return new Map(
    modelParameters(spec).map(({ name, shape }, k) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const scale = shape.length > 1 ? Math.fround(Math.sqrt(shape[0]! / count)) : Math.fround(0.01);
      const map = name === 'endmembers' ? (v: number) => 0.5 + 0.5 * v : (v: number) => v * scale;
      return [name, formula(count, 1000 + k, map)];
    }),
  );
}

const image = (shape: number[], s: number) =>
  toChannelsLast(
    formula(
      shape.reduce((a, b) => a * b, 1),
      s,
      (v) => 0.5 + 0.5 * v,
    ),
    shape,
  );

const within = (t: Allowance) => (_i: number, b: number) => t.absolute + t.relative * Math.abs(b);

/** Adds up in double. */
function moments(values: Float32Array): { mean: number; std: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  // PyTorch's std divides by n - 1
  return { mean, std: Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)) };
}

async function verifyFull(spec: ModelSpec, golden: FullSize) {
  const [n, , height, width] = golden.input_shape as [number, number, number, number];
  const stage2 = spec.kind.startsWith('spatial_');
  const loss = stage2 ? SPATIAL_LOSS : COMBINED_LOSS;
  const session = await createSession({ model: spec, loss, height, width, batchSize: n });
  try {
    session.write('parameters', formulaParameters(spec));
    const batch = {
      size: n,
      input: image(golden.input_shape, stage2 ? 3 : 1),
      target: image(golden.output_shape, stage2 ? 4 : 2),
      validPixels: n * golden.output_shape[2]! * golden.output_shape[3]!,
    };
    const { loss: terms, output, gradients } = await session.gradients(batch);
    const pixels = golden.output_shape[2]! * golden.output_shape[3]!;
    const samples = golden.sample_index.map((i) => output[(i % pixels) * spec.outBands + Math.floor(i / pixels)]!);
    const { mean, std } = moments(output);
    const norms = Object.keys(golden.grad_l2).map((name) =>
      Math.sqrt(gradients.get(name)!.reduce((sum, g) => sum + g * g, 0)),
    );
    const ours = [terms.l1, terms.sam, terms.total, ...(stage2 ? [] : [terms.gradient])];
    const { l1, sam, total, spectral_grad } = golden.loss;
    const theirs = [l1, sam, total, ...(stage2 ? [] : [spectral_grad])];
    return [
      compare('loss', ours, theirs, within(OUTPUT_ALLOWANCE)),
      compare('output samples', samples, golden.sample_value, within(OUTPUT_ALLOWANCE)),
      compare('output mean, std', [mean, std], [golden.output_mean, golden.output_std], within(OUTPUT_ALLOWANCE)),
      compare('gradient norms', norms, Object.values(golden.grad_l2), within(GRADIENT_ALLOWANCE)),
    ];
  } finally {
    session.dispose();
  }
}

describe('full-size golden numbers', () => {
  const path = goldenPath('full_size.json');
  it.each(Object.entries(NETS))(
    '%s',
    async (name, spec) => {
      const golden = JSON.parse(readFileSync(path, 'utf8'))[name] as FullSize;
      expect(parameterCount(modelParameters(spec))).toBe(golden.params);
      const rows = await verifyFull(spec, golden);
      expect(rows.filter((row) => !row.ok)).toEqual([]);
    },
    900_000,
  );
});
