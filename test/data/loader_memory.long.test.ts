/** A file that is larger than what may be kept of it goes through the loader in bounded memory. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const MIB = 2 ** 20;

describe('1.5 GB of patches', () => {
  it('need a few patches of memory', async () => {
    const [patches, side, bands] = [96, 128, 250]; // 96 x 15.6 MiB
    const path = join(folder, 'large.h5');
    await h5wasm.ready;
    const file = new h5wasm.File(path, 'w');
    const mark = Float32Array.of(7);
    for (const [name, channels] of [
      ['landsat', 2],
      ['aviris', bands],
    ] as const) {
      // chunks that are never written take no room on the disk and read as zeros; every patch gets one number
      const dataset = file.create_dataset({
        name,
        data: new Float32Array(side * side * channels),
        shape: [1, side, side, channels],
        maxshape: [null, side, side, channels],
        chunks: [1, side, side, channels],
      });
      dataset.resize([patches, side, side, channels]);
      for (let p = 0; p < patches; p++)
        dataset.write_slice(
          [
            [p, p + 1],
            [5, 6],
            [3, 4],
            [1, 2],
          ],
          mark.map((v) => v + p),
        );
    }
    file.close();
    expect(statSync(path).size).toBeGreaterThan(1.5e9);
    const reader = await openReader(await openPatchSet(path), { workers: 1, cacheBytes: 64 * MIB });
    const before = process.memoryUsage.rss();
    let peak = 0;
    let seen = 0;
    for await (const batch of reader.batches({ patches: Array.from({ length: patches }, (_, p) => p), batchSize: 4 })) {
      batch.patches.forEach((patch, i) => {
        const pixel = (i * side + 5) * side + 3;
        expect(batch.target[pixel * bands + 1]).toBe(7 + patch);
        expect(batch.input[pixel * 2 + 1]).toBe(7 + patch);
      });
      seen += batch.size;
      peak = Math.max(peak, process.memoryUsage.rss());
      batch.release();
    }
    await reader.close();
    expect(seen).toBe(patches);
    // 4 buffers of batches (1 in hand, 2 ahead, 1 given back) x 63 MiB, the cache of 64 MiB, a slab of 16 MiB in the
    // library, and decoded patches that were not collected yet: some 20 x 16 MiB; all of the file would be 1500 MiB
    expect((peak - before) / MIB).toBeLessThan(600);
  });
});
