/**
 * Seconds to fit a normalisation on all patches of a folder: quantiles counted by the reader's workers and by a device, by
 * turns, with decoded patches in memory and without.
 *   node dist/bench/quantiles.js FOLDER [DEVICE]
 */

import { fitNormalization } from '../src/data/fit_normalization.js';
import { openReader } from '../src/data/loader.js';
import { openPatchSet } from '../src/data/patches.js';
import type { Quantiles } from '../src/data/statistics.js';
import { openDevice } from '../src/engine/device.js';
import { parseDevice } from '../src/engine/device_choice.js';
import { deviceQuantiles } from '../src/train/quantiles.js';

const [folder, text = 'cpu'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node dist/bench/quantiles.js FOLDER [DEVICE]');
  process.exit(2);
}
const ROUNDS = 5;
/** Batches of two patches: what a worker reads ahead stays small. */
const BATCH = 2;
const set = await openPatchSet([folder]);
const all = Array.from({ length: set.count }, (_, i) => i);
const { device, name } = await openDevice(parseDevice(text));
console.log(`${set.count} patches of ${set.height} x ${set.width}, ${set.inBands} -> ${set.outBands} bands; ${name}`);

for (const cacheBytes of [2 ** 34, 0]) {
  const reader = await openReader(set, { cacheBytes });
  const who: Record<string, Quantiles> = {
    workers: reader.quantiles,
    device: deviceQuantiles(device, reader, BATCH),
  };
  for (const method of ['percentile', 'per_band'] as const) {
    const seconds: Record<string, number[]> = { workers: [], device: [] };
    const found = new Set<string>();
    // the first round fills the memory and is not counted
    for (let round = 0; round <= ROUNDS; round++)
      for (const [key, quantiles] of Object.entries(who)) {
        const start = performance.now();
        found.add(JSON.stringify(await fitNormalization(reader, all, method, quantiles)));
        if (round > 0) seconds[key]!.push((performance.now() - start) / 1000);
      }
    if (found.size !== 1) throw new Error(`${method}: workers and device differ`);
    const times = Object.entries(seconds).map(([key, list]) => {
      const sorted = list.toSorted((a, b) => a - b).map((s) => s.toFixed(2));
      return `${key} ${sorted[Math.floor(ROUNDS / 2)]} (${sorted[0]} to ${sorted.at(-1)}) s`;
    });
    console.log(`${method}, patches ${cacheBytes > 0 ? 'in memory' : 'decoded in each pass'}: ${times.join(', ')}`);
  }
  await reader.close();
}
device.dispose();
