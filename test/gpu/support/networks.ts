/** Small networks and batches for tests of training on the GPU: odd channels, so that padding is at work. */

import type { NativeDevice } from '../../../bindings/addon.js';
import { Random } from '../../../src/base/random.js';
import { DeviceSession } from '../../../src/engine/device_session.js';
import type { Precision } from '../../../src/engine/precision.js';
import { type Batch, COMBINED_LOSS, type SessionOptions, SPATIAL_LOSS } from '../../../src/engine/types.js';
import { outputSize } from '../../../src/models/index.js';
import { openGpu } from './gpu.js';

export const STAGE1: SessionOptions = {
  model: { kind: 'spectral_sr', inBands: 7, outBands: 21, hidden: 10, blocks: 1, axis: 'raster', regression: 'none' },
  loss: COMBINED_LOSS,
  height: 8,
  width: 9,
  batchSize: 4,
  ema: true,
};

export const STAGE2: SessionOptions = {
  model: {
    kind: 'spatial_lightweight',
    inBands: 9,
    outBands: 9,
    features: 5,
    blocks: 1,
    up: 15,
    down: 2,
    backProjections: 0,
  },
  loss: SPATIAL_LOSS,
  height: 4,
  width: 4,
  batchSize: 2,
};

export function batchOf(options: SessionOptions, size = options.batchSize, seed = 1): Batch {
  const { model, height, width } = options;
  const random = new Random(seed);
  const output = outputSize(model, height, width);
  const pixels = size * output.height * output.width;
  const numbers = (n: number) => Float32Array.from({ length: n }, () => random.uniform());
  return {
    size,
    input: numbers(size * height * width * model.inBands),
    target: numbers(pixels * model.outBands),
    validPixels: pixels,
  };
}

export const SCALARS = { learningRate: 1e-3, step: 1, maxNorm: 1, emaDecay: 0.9 };

/** A session with its device in hand, for what only the device tells. */
export async function openSession(
  options: SessionOptions,
  precision: Precision,
): Promise<{ session: DeviceSession; device: NativeDevice }> {
  const { device, name } = await openGpu(precision);
  try {
    return { session: new DeviceSession(device, name, { ...options, device: { kind: 'cuda', precision } }), device };
  } catch (error) {
    device.dispose();
    throw error;
  }
}

/** Everything a checkpoint keeps of a session, as one string of bits. */
export function stateOf(session: DeviceSession): string {
  const kept = (['parameters', 'm', 'v', ...(session.options.ema === true ? ['ema' as const] : [])] as const).flatMap(
    (what) =>
      [...session.read(what)].map(
        ([name, values]) => `${what} ${name} ${Buffer.from(values.buffer).toString('base64')}`,
      ),
  );
  return [...kept, JSON.stringify(session.lossScale())].join('\n');
}
