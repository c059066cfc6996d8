/** The plan's bytes are what the process grows by: measured as resident memory around two training steps. */
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

describe('planned memory', () => {
  it.each(Object.keys(MODELS))('of %s is what is used, within 10 %%', async (name) => {
    const model = MODELS[name]!;
    const options: SessionOptions = { model, loss: COMBINED_LOSS, height: 160, width: 160, batchSize: 2 };
    const pixels = 2 * 160 * 160;
    const batch = {
      size: 2,
      input: new Float32Array(pixels * 7).fill(0.3),
      target: new Float32Array(pixels * 340).fill(0.4),
      validPixels: pixels,
    };
    // code and the addon are loaded, and garbage is made, before the measurement
    const warmUp = await createSession({ ...options, height: 2, width: 2, batchSize: 1 });
    warmUp.dispose();
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const session = await createSession(options);
    try {
      session.initialize(1);
      for (let step = 1; step <= 2; step++) {
        await session.step(batch, { learningRate: 1e-4, step, maxNorm: 0, emaDecay: 0 });
      }
      const grown = process.memoryUsage().rss - before;
      expect(session.plan.totalBytes).toBeGreaterThan(50e6);
      expect(grown / session.plan.totalBytes).toBeGreaterThan(0.9);
      expect(grown / session.plan.totalBytes).toBeLessThan(1.1);
    } finally {
      session.dispose();
    }
  });
});
