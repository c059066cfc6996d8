/** Quantiles counted on a device are those of the reader's workers, and of sorting, to the last bit. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader, type PatchReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { openDevice } from '../../src/engine/device.js';
import { deviceQuantiles, quantilesFor } from '../../src/train/quantiles.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { BANDS, sortedQuantiles, writeQuantilePatches } from '../support/quantile_patches.js';
import { ReferenceDevice } from '../support/reference_device.js';
import { tinyConfig } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const folder = temporaryFolder();
const TRAIN = [4, 0, 2];
const FRACTIONS = [0, 0.01, 0.3, 0.5, 0.99, 1];

let path: string;
let reader: PatchReader;
beforeAll(async () => {
  path = await writeQuantilePatches(join(folder, 'five.h5'));
  reader = await openReader(await openPatchSet(path), { workers: 2 });
});
afterAll(() => reader.close());

const DEVICES = {
  CPU: async () => (await openDevice({ kind: 'cpu', threads: 2 })).device,
  'float64 reference': async () => new ReferenceDevice({ rowBytes: 16, scratch: 64 }),
};

describe.each(Object.entries(DEVICES))('quantiles counted on the %s', (_name, open) => {
  it.each([false, true])('are those of sorting and of the workers (per band: %s)', async (perBand) => {
    const device = await open();
    const sorted = sortedQuantiles(TRAIN, FRACTIONS, perBand);
    expect(sorted.target.length).toBe(perBand ? BANDS.target : 1);
    expect(await reader.quantiles(TRAIN, FRACTIONS, perBand)).toEqual(sorted);
    // batches of one patch, then of two and the last of one
    for (const batchSize of [1, 2])
      expect(await deviceQuantiles(device, reader, batchSize)(TRAIN, FRACTIONS, perBand)).toEqual(sorted);
    device.dispose();
  });
});

describe('a normalisation by quantiles of a device', () => {
  it.each(['percentile', 'per_band', 'none'] as const)('is the same: %s', async (method) => {
    const { device } = await openDevice({ kind: 'cpu' });
    const before = device.memory().bytes;
    const found = await fitNormalization(reader, TRAIN, method, deviceQuantiles(device, reader, 2));
    expect(found).toEqual(await fitNormalization(reader, TRAIN, method));
    expect(device.memory().bytes).toBe(before);
    device.dispose();
  });

  it('is refused where no pixel is valid', async () => {
    const { landsat, aviris } = patchDatasets({ patches: 2, height: 4, width: 4, inBands: 2, outBands: 3 });
    const mask = { data: new Uint8Array(32), shape: [2, 4, 4] };
    const invalid = await openReader(
      await openPatchSet(await writeHdf5(join(folder, 'invalid.h5'), { landsat, aviris, mask })),
    );
    const { device } = await openDevice({ kind: 'cpu' });
    try {
      await expect(fitNormalization(invalid, [0, 1], 'per_band', deviceQuantiles(device, invalid, 2))).rejects.toThrow(
        /invalid\.h5: the patches hold no valid pixel/,
      );
      expect(device.memory().bytes).toBe(0);
    } finally {
      device.dispose();
      await invalid.close();
    }
  });
});

describe('the quantiles of a run', () => {
  const config = (device: string) => tinyConfig({ data_dir: folder, output_dir: folder, device });

  it('are counted by the workers on a CPU', async () => {
    const found = await quantilesFor(config('cpu'), reader)(TRAIN, FRACTIONS, true);
    expect(found).toEqual(sortedQuantiles(TRAIN, FRACTIONS, true));
  });

  it('are asked of the device that will train: one that is not there is refused', async () => {
    // 99: no machine has as many GPUs
    await expect(quantilesFor(config('cuda:99'), reader)(TRAIN, FRACTIONS, true)).rejects.toThrow(/^--device: /);
  });

  it('are counted by the workers where the input has a grid of its own, whose mask a batch does not hold', async () => {
    const [file] = await writeTwoGrids(folder, { scenes: 1 });
    const set = await openPatchSet(file!, { sides: { input: 'aviris_lr', target: 'aviris' } });
    const two = await openReader(set);
    try {
      const found = await quantilesFor(config('cuda:99'), two)([0, 1], FRACTIONS, true);
      expect(found).toEqual(await two.quantiles([0, 1], FRACTIONS, true));
    } finally {
      await two.close();
    }
  });
});
