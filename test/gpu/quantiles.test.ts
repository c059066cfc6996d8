/** Quantiles counted on the GPU are those of sorting, to the last bit, whatever the precision. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader, type PatchReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { deviceQuantiles, quantilesFor } from '../../src/train/quantiles.js';
import { sortedQuantiles, writeQuantilePatches } from '../support/quantile_patches.js';
import { tinyConfig } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { describeGpu, openGpu, precisions } from './support/gpu.js';

const folder = temporaryFolder();
const TRAIN = [4, 0, 2];
const FRACTIONS = [0, 0.01, 0.3, 0.5, 0.99, 1];

describeGpu('quantiles counted on the GPU', () => {
  let reader: PatchReader;
  beforeAll(async () => {
    const path = await writeQuantilePatches(join(folder, 'five.h5'));
    reader = await openReader(await openPatchSet(path), { workers: 1 });
  });
  afterAll(() => reader.close());

  it.each(precisions)('are those of sorting: %s', async (precision) => {
    const { device } = await openGpu(precision);
    const before = device.memory().bytes;
    // three patches of one run each: the first is executed, the second recorded, the third replayed
    for (const perBand of [false, true])
      expect(await deviceQuantiles(device, reader, 2)(TRAIN, FRACTIONS, perBand)).toEqual(
        sortedQuantiles(TRAIN, FRACTIONS, perBand),
      );
    expect(device.memory().bytes).toBe(before);
    device.dispose();
  });

  it.each(['percentile', 'per_band'] as const)('make the normalisation of a run: %s', async (method) => {
    const config = tinyConfig({ data_dir: folder, output_dir: folder, device: 'cuda' });
    const found = await fitNormalization(reader, TRAIN, method, quantilesFor(config, reader));
    expect(found).toEqual(await fitNormalization(reader, TRAIN, method));
  });
});
