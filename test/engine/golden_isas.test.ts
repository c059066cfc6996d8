/**
 * The golden numbers with every instruction set of this processor, whichever compiler made the addon (BANDLIFT_ADDON): as
 * they are, and with every parameter moved by a rounding of float32. The second shows that no number is passed by luck:
 * after ten steps of Adam a ReLU or the slope of L1 may have gone the other way, where a value was that close to its kink.
 */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../bindings/load.js';
import { createSession } from '../../src/engine/session.js';
import type { SessionOptions } from '../../src/engine/types.js';
import { verifyGolden } from '../../src/verify/verify.js';
import { goldenPath } from '../support/golden.js';

/** Half a unit in the last place of a number just above a power of two, relative. */
const ROUNDING = 2 ** -24;

/** The same number from -1 to 1 for each (seed, index): the mixing step of xorshift32. */
function between(seed: number, index: number): number {
  let h = Math.imul(index ^ (seed * 7919), 2654435761);
  h = Math.imul(h ^ (h >>> 15), 2246822519);
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 31 - 1;
}

type Isa = 'avx512' | 'avx2' | 'baseline';

/** A session on one instruction set; `seed` above 0 moves the first parameters written to it. */
async function open(options: SessionOptions, isa: Isa, seed: number) {
  const session = await createSession({ ...options, device: { kind: 'cpu', isa } });
  const write = session.write.bind(session);
  let moved = seed === 0;
  session.write = (what, values) => {
    if (moved || what !== 'parameters') return write(what, values);
    moved = true;
    const nudged = [...values].map(
      ([name, numbers]) => [name, numbers.map((v, i) => v * (1 + ROUNDING * between(seed, i)))] as const,
    );
    return write(what, new Map(nudged));
  };
  return session;
}

for (const isa of loadAddon().cpuFeatures().isa as Isa[])
  describe(`golden numbers, ${isa}`, () => {
    it.each(['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight'])('%s', async (net) => {
      for (const seed of [0, 1, 2]) {
        const { rows, device } = await verifyGolden(goldenPath(`${net}.safetensors`), {
          open: (options) => open(options, isa, seed),
        });
        expect(device).toContain(isa);
        expect(rows.filter((row) => !row.ok)).toEqual([]);
      }
    });
  });
