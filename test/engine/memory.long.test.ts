/** The plan's bytes are what the process grows by: measured as resident memory around two training steps. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createSession } from '../../src/engine/session.js';
import { COMBINED_LOSS, type SessionOptions } from '../../src/engine/types.js';
import type { ModelSpec } from '../../src/models/spec.js';

const MODELS: Readonly<Record<string, ModelSpec>> = {
  spectral_sr: {
    kind: 'spectral_sr',
    inBands: 7,
    outBands: 340,
    hidden: 128,
    blocks: 2,
    axis: 'row',
    regression: 'none',
  },
  spectral_unmixing: {
    kind: 'spectral_unmixing',
    inBands: 7,
    outBands: 340,
    endmembers: 16,
    constraint: 'softplus',
    regression: 'none',
  },
};

const OPTIONS = { loss: COMBINED_LOSS, height: 160, width: 160, batchSize: 2 };
const PIXELS = 2 * 160 * 160;
/** One batch for all tests, so that none is freed during a measurement. */
const BATCH = {
  size: 2,
  input: new Float32Array(PIXELS * 7).fill(0.3),
  target: new Float32Array(PIXELS * 340).fill(0.4),
  validPixels: PIXELS,
};

/** Resident bytes after a full garbage collection. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().rss;
}

describe('planned memory', () => {
  it.each(Object.keys(MODELS))('of %s is what is used, within a tenth', async (name) => {
    const options: SessionOptions = { ...OPTIONS, model: MODELS[name]! };
    // code and the addon are loaded before the measurement
    (await createSession({ ...options, height: 2, width: 2, batchSize: 1 })).dispose();
    const before = residentBytes();
    const session = await createSession(options);
    try {
      session.initialize(1);
      for (let step = 1; step <= 2; step++) {
        await session.step(BATCH, { learningRate: 1e-4, step, maxNorm: 0, emaDecay: 0 });
      }
      const grown = residentBytes() - before;
      expect(session.plan.totalBytes).toBeGreaterThan(50e6);
      expect(grown / session.plan.totalBytes).toBeGreaterThan(0.9);
      expect(grown / session.plan.totalBytes).toBeLessThan(1.1);
    } finally {
      session.dispose();
    }
  });
});
