/** Scenes in memory, checkpoints with random weights, and the untiled truth. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/base/random.js';
import type { Reporter } from '../../src/base/reporter.js';
import { saveCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { CheckpointContract } from '../../src/checkpoint/schema.js';
import type { AffineNormalization } from '../../src/data/types.js';
import { createSession } from '../../src/engine/session.js';
import { SPATIAL_LOSS } from '../../src/engine/types.js';
import { modelParameters } from '../../src/models/index.js';
import { isSpectral, type ModelSpec } from '../../src/models/spec.js';
import { type PredictOptions, predict } from '../../src/predict/predict.js';
import type { Window } from '../../src/raster/types.js';
import { openScene } from '../../src/scenes/open.js';
import type { Scene } from '../../src/scenes/types.js';

export interface MemoryScene extends Scene {
  /** [height, width, bands], 0 where not valid. */
  readonly values: Float32Array;
  readonly valid: Uint8Array;
  reads: number;
}

/** Smooth values in 0.1 .. 0.9 with some noise; `invalid(y, x)` marks pixels without data. */
export function memoryScene(
  height: number,
  width: number,
  bands: number,
  invalid: (y: number, x: number) => boolean = () => false,
): MemoryScene {
  const random = new Random(11);
  const values = new Float32Array(height * width * bands);
  const valid = new Uint8Array(height * width);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const ok = !invalid(y, x);
      valid[y * width + x] = ok ? 1 : 0;
      for (let b = 0; b < bands; b++, i++) {
        const v = 0.5 + 0.3 * Math.sin(0.7 * y + 0.4 * x + b) + 0.1 * random.uniform();
        if (ok) values[i] = v;
      }
    }
  return sceneOf({ height, width, bands, values, valid });
}

export function sceneOf(content: Pick<MemoryScene, 'height' | 'width' | 'bands' | 'values' | 'valid'>): MemoryScene {
  const { width, bands, values, valid } = content;
  return {
    ...content,
    path: 'memory',
    name: 'memory',
    georeference: { geotransform: [500000, 30, 0, 4100000, 0, -30] },
    units: 'reflectance',
    warnings: [],
    reads: 0,
    async read(w: Window) {
      this.reads++;
      const out = { values: new Float32Array(w.height * w.width * bands), valid: new Uint8Array(w.height * w.width) };
      for (let y = 0; y < w.height; y++) {
        const at = (w.y + y) * width + w.x;
        out.values.set(values.subarray(at * bands, (at + w.width) * bands), y * w.width * bands);
        out.valid.set(valid.subarray(at, at + w.width), y * w.width);
      }
      return out;
    },
    async close() {},
  };
}

const INPUT: AffineNormalization = { offset: [0.05], scale: [0.9], clip: true };
const TARGET: AffineNormalization = { offset: [0.02], scale: [0.7], clip: true };

/** Random weights of the size that PyTorch starts with; frozen ones too. */
export function randomValues(spec: ModelSpec, seed = 3): Map<string, Float32Array> {
  const random = new Random(seed);
  return new Map(
    modelParameters(spec).map(({ name, shape }) => {
      const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: count }, () => random.normal() / Math.sqrt(fanIn))];
    }),
  );
}

/** A checkpoint with these weights, random ones where none are given; returns its path. */
export async function checkpointOf(
  folder: string,
  name: string,
  spec: ModelSpec,
  more: Partial<CheckpointContract> = {},
  parameters: ReadonlyMap<string, Float32Array> = randomValues(spec),
): Promise<string> {
  const path = join(folder, `${name}.safetensors`);
  await saveCheckpoint(path, {
    model: spec,
    bands: {
      wavelength: Array.from({ length: spec.outBands }, (_, b) => 400 + 5 * b),
      fwhm: Array.from({ length: spec.outBands }, () => 5.5),
      units: 'reflectance',
    },
    sensor: null,
    responseHash: null,
    normalization: { method: 'percentile', input: INPUT, target: TARGET, units: 'reflectance' },
    split: { method: 'patch', seed: 1, train: [0], validation: [], test: [], guard: [], description: '' },
    seed: 1,
    loss: SPATIAL_LOSS,
    optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, batchSize: 1, emaDecay: 0 },
    data: [],
    version: '0',
    ...more,
    state: {
      progress: {
        epoch: 1,
        batch: 0,
        step: 0,
        best: null,
        averages: { weight: 0, total: 0, l1: 0, l2: 0, sam: 0, gradient: 0, gradNormSum: 0, steps: 0 },
      },
      schedule: { kind: 'constant', learningRate: 1e-4, best: null, badEpochs: 0 },
      earlyStopping: { best: null, badEpochs: 0 },
    },
    tensors: { parameters },
  });
  return path;
}

/**
 * The whole scene through the session's own program: what tiles must agree with. Physical units; spectra of stage 1 are not
 * below 0, as the scene is not.
 */
export async function untiled(spec: ModelSpec, scene: MemoryScene, values = randomValues(spec)): Promise<Float32Array> {
  const session = await createSession({
    model: spec,
    loss: SPATIAL_LOSS,
    height: scene.height,
    width: scene.width,
    batchSize: 1,
    mode: 'infer',
  });
  try {
    session.write('parameters', values);
    const input = scene.values.map((v, i) =>
      scene.valid[Math.floor(i / scene.bands)] === 0 ? 0 : Math.min(1, Math.max(0, (v - 0.05) / 0.9)),
    );
    const output = await session.predict(input, 1);
    return output.map((v) => (isSpectral(spec) ? Math.max(0, v * 0.7 + 0.02) : v * 0.7 + 0.02));
  } finally {
    session.dispose();
  }
}

export interface Said {
  readonly lines: string[];
  readonly warnings: string[];
  readonly events: { kind: string; fields: Record<string, unknown> }[];
}

/** Predicts and reads the result back. */
export async function predicted(
  scene: Scene,
  options: Omit<PredictOptions, 'format'> & Partial<Pick<PredictOptions, 'format'>>,
  interrupted: () => boolean = () => false,
) {
  const said: Said = { lines: [], warnings: [], events: [] };
  const reporter: Reporter = {
    line: (text = '') => void said.lines.push(text),
    warn: (text) => void said.warnings.push(text),
    event: (kind, fields) => void said.events.push({ kind, fields }),
    progress: () => ({ update: () => {}, stop: () => {} }),
    isTerminal: false,
  };
  const format = { dataType: 'float32', interleave: 'bip' } as const;
  const result = await predict(scene, { device: { kind: 'cpu' }, format, ...options }, { reporter, interrupted });
  if (result === undefined) throw new Error('only planned');
  const cube = await openScene(result.output.dataPath);
  const pixels = await cube.read({ y: 0, x: 0, height: cube.height, width: cube.width });
  await cube.close();
  return { said, ...pixels, result, cube };
}

export const writeJson = (path: string, value: unknown): void => writeFileSync(path, JSON.stringify(value));
