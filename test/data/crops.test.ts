/** Random crops: tiles read from anywhere in their stored patch, where that is wholly training's. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { balanceScenes } from '../../src/data/balance.js';
import { movableTiles } from '../../src/data/crops.js';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { splitByNames } from '../../src/data/split_named.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE = { patches: 3, height: 8, width: 8, inBands: 2, outBands: 3 };

async function file(name: string, patches: number): Promise<string> {
  const origins = Int32Array.from({ length: 2 * patches }, (_, i) => (i % 2 === 0 ? 8 * (i / 2) : 0));
  return writeHdf5(
    join(folder, `${name}.h5`),
    {
      ...patchDatasets({ ...SHAPE, patches }),
      origins: { data: origins, shape: [patches, 2] },
      wavelength: { data: Float64Array.of(500, 600, 700), shape: [3] },
    },
    { source_scene: name },
  );
}

it('crops lie anywhere in a patch that is wholly trained on, and nowhere else', async () => {
  const set = await openPatchSet(await file('one', 3), { tile: 3 });
  // 2 x 2 tiles of each 8 x 8 patch
  expect(set.count).toBe(12);
  const train = [0, 1, 2, 3, 4, 5, 6];
  const movable = movableTiles(set, train);
  expect([...movable].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  const reader = await openReader(set);
  try {
    const corners = new Set<string>();
    const read = async (epoch: number) => {
      const found: string[] = [];
      const shuffle = { seed: 1, epoch };
      for await (const batch of reader.batches({ patches: train, batchSize: 2, shuffle, movable })) {
        for (let i = 0; i < batch.size; i++) {
          // the value says where it is: 1024 + 64 patch + 8 row + column
          const at = batch.target[i * 27]! - 1024;
          const [patch, y, x] = [Math.floor(at / 64), Math.floor((at % 64) / 8), at % 8];
          const tile = batch.patches[i]!;
          expect(patch).toBe(Math.floor(tile / 4));
          if (!movable.has(tile)) expect([y, x]).toEqual([3 * Math.floor((tile % 4) / 2), 3 * (tile % 2)]);
          else corners.add(`${y},${x}`);
          expect(Math.max(y, x)).toBeLessThanOrEqual(5);
          // the crop is of one piece, on both sides
          expect(batch.target[i * 27 + 26]).toBe(1024 + at + 8 * 2 + 2 + 2 / 16);
          expect(batch.input[i * 18]).toBe(at);
          found.push(`${tile}:${y},${x}`);
        }
        batch.release();
      }
      return found;
    };
    for (let epoch = 1; epoch <= 60; epoch++) await read(epoch);
    // 240 draws of 36 corners: none is missed but with probability 36 (35 / 36)^240 = 0.04, and the seed is fixed
    expect(corners.size).toBeGreaterThanOrEqual(34);
    expect(await read(7)).toEqual(await read(7));
    expect(await read(7)).not.toEqual(await read(8));
  } finally {
    await reader.close();
  }
});

it('a crop that is larger than a patch is refused', async () => {
  await expect(openPatchSet([await file('narrow', 3)], { tile: 99 })).rejects.toThrow(
    /narrow\.h5: tile: cannot be cut into tiles; found 99, expected 1 to \d+ pixels; a crop \(--crop\) is no larger/,
  );
});

it('scenes weigh the same in an epoch when they are balanced', async () => {
  const set = await openPatchSet([await file('small', 1), await file('large', 9)]);
  const train = Array.from({ length: 10 }, (_, i) => i);
  for (const epoch of [1, 2]) {
    const patches = balanceScenes(set, train, 5, epoch);
    expect(patches).toHaveLength(10);
    expect(patches.filter((p) => p === 0)).toHaveLength(5);
    expect(new Set(patches.filter((p) => p > 0)).size).toBe(5);
    expect(balanceScenes(set, train, 5, epoch)).toEqual(patches);
  }
  expect(balanceScenes(set, train, 5, 1)).not.toEqual(balanceScenes(set, train, 5, 2));
});

it('scenes left out are tested on, and what shares no pixel with validation is trained on', async () => {
  const set = await openPatchSet([await file('a', 4), await file('b', 5), await file('c', 6)]);
  const split = splitByNames(set, '', 'b', 1, 0.25);
  expect(split.test).toEqual([4, 5, 6, 7, 8]);
  expect(split.validation.length).toBeGreaterThan(0);
  const all = [...split.train, ...split.validation, ...split.test, ...split.guard].sort((x, y) => x - y);
  expect(all).toEqual(Array.from({ length: 15 }, (_, i) => i));
  expect(() => splitByNames(set, 'a', '', 1, 0.25)).toThrow(/--test-scenes: scenes for the test are needed/);
  expect(() => splitByNames(set, '', 'a,b,c', 1, 0.25)).toThrow(/leaves nothing to train on/);
});
