import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { sourcePixel } from '../../src/data/assemble.js';
import { DataWorker } from '../../src/data/data_worker.js';
import { openReader, type PatchReader, type ReaderOptions } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { LoaderOptions } from '../../src/data/types.js';
import { avirisValue, landsatValue, type PatchShape, patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE: PatchShape = { patches: 11, height: 3, width: 3, inBands: 2, outBands: 3 };
const ALL = Array.from({ length: 11 }, (_, p) => p);
const EPOCH = { patches: ALL, batchSize: 4, shuffle: { seed: 5, epoch: 2 }, augment: true } satisfies LoaderOptions;

let path: string;
beforeAll(async () => {
  path = await writeHdf5(join(folder, 'eleven.h5'), patchDatasets(SHAPE, [2, 3, 3]));
});

async function using<T>(
  file: string | readonly string[],
  options: ReaderOptions,
  use: (reader: PatchReader) => Promise<T>,
) {
  const reader = await openReader(await openPatchSet(file), options);
  try {
    return await use(reader);
  } finally {
    await reader.close();
  }
}

interface Copy {
  patches: readonly number[];
  input: number[];
  target: number[];
  mask: number[] | undefined;
  validPixels: number;
}

/** The batches copied; each is released at once, so that its memory is used again. */
async function collect(reader: PatchReader, options: LoaderOptions): Promise<Copy[]> {
  const copies: Copy[] = [];
  for await (const b of reader.batches(options)) {
    expect(b.size).toBe(b.patches.length);
    copies.push({
      patches: [...b.patches],
      input: [...b.input],
      target: [...b.target],
      mask: b.mask && [...b.mask],
      validPixels: b.validPixels,
    });
    b.release();
  }
  return copies;
}

describe('an epoch', () => {
  it('has every patch once, in an order and with turns of (seed, epoch) alone', async () => {
    await using(path, {}, async (reader) => {
      const first = await collect(reader, EPOCH);
      expect(first.map((b) => b.patches.length)).toEqual([4, 4, 3]);
      expect(first.flatMap((b) => b.patches).sort((a, b) => a - b)).toEqual(ALL);
      expect(await collect(reader, EPOCH)).toEqual(first);
      for (const shuffle of [
        { seed: 5, epoch: 3 },
        { seed: 6, epoch: 2 },
      ]) {
        const other = await collect(reader, { ...EPOCH, shuffle });
        expect(other.flatMap((b) => b.patches)).not.toEqual(first.flatMap((b) => b.patches));
      }
      const plain = await collect(reader, { patches: [7, 3, 5], batchSize: 2 });
      expect(plain.map((b) => b.patches)).toEqual([[7, 3], [5]]);
    });
  });

  it('continues in the middle as it would have', async () => {
    await using(path, {}, async (reader) => {
      const whole = await collect(reader, EPOCH);
      expect(await collect(reader, { ...EPOCH, startBatch: 1 })).toEqual(whole.slice(1));
      expect(await collect(reader, { ...EPOCH, startBatch: 2 })).toEqual(whole.slice(2));
      expect(await collect(reader, { ...EPOCH, startBatch: 3 })).toEqual([]);
    });
  });

  it('is the same with any number of threads, cache, batches ahead and split over files', async () => {
    const whole = await using(path, {}, (reader) => collect(reader, EPOCH));
    for (const options of [{ workers: 1, cacheBytes: 0 }, { workers: 3, cacheBytes: 1000 }, { workers: 5 }])
      await using(path, options, async (reader) => {
        for (const prefetch of [0, 1, 7]) {
          expect(await collect(reader, { ...EPOCH, prefetch })).toEqual(whole);
          expect(await collect(reader, { ...EPOCH, prefetch })).toEqual(whole); // now from the cache
        }
      });
  });

  it('gives every patch all turns in time, and the same one to both sides', async () => {
    const turns = new Set<number>();
    await using(path, {}, async (reader) => {
      for (let epoch = 0; epoch < 20; epoch++)
        for await (const b of reader.batches({ ...EPOCH, shuffle: { seed: 1, epoch } })) {
          b.patches.forEach((patch, i) => {
            const matches = (turn: number) =>
              Array.from({ length: 9 }, (_, p) => {
                const [y, x] = sourcePixel(turn, Math.floor(p / 3), p % 3, 3, 3);
                const [l, a] = [2, 3].map((bands) => (i * 9 + p) * bands) as [number, number];
                return (
                  b.input[l] === landsatValue(patch, y, x, 0) &&
                  b.input[l + 1] === landsatValue(patch, y, x, 1) &&
                  [0, 1, 2].every((band) => b.target[a + band] === avirisValue(patch, y, x, band))
                );
              }).every(Boolean);
            const found = [0, 1, 2, 3, 4, 5, 6, 7].filter(matches);
            expect(found.length).toBe(1);
            turns.add(found[0]!);
          });
          b.release();
        }
    });
    expect(turns.size).toBe(8);
  });
});

describe('turns by hand', () => {
  const turned = (turn: number, h: number, w: number) => {
    const names = 'abcdef';
    const [rows, columns] = turn & 1 ? [w, h] : [h, w];
    return Array.from({ length: rows }, (_, y) =>
      Array.from({ length: columns }, (_, x) => {
        const [row, column] = sourcePixel(turn, y, x, rows, columns);
        return names[row * w + column];
      }).join(''),
    ).join('/');
  };

  it('of a square of 2 x 2: ab/cd', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((turn) => turned(turn, 2, 2))).toEqual([
      'ab/cd',
      'bd/ac', // counter-clockwise: the right column becomes the upper row
      'dc/ba',
      'ca/db',
      'ba/dc', // mirrored left to right, then the same
      'ac/bd',
      'cd/ab',
      'db/ca',
    ]);
  });

  it('of 2 x 3 pixels: abc/def, only those that keep the shape', async () => {
    expect([0, 2, 4, 6].map((turn) => turned(turn, 2, 3))).toEqual(['abc/def', 'fed/cba', 'cba/fed', 'def/abc']);
    const wide = { ...SHAPE, height: 2, inBands: 1, outBands: 1 };
    const file = await writeHdf5(join(folder, 'wide.h5'), patchDatasets(wide));
    const seen = new Set<string>();
    await using(file, {}, async (reader) => {
      for (let epoch = 0; epoch < 10; epoch++)
        for (const b of await collect(reader, { ...EPOCH, shuffle: { seed: 1, epoch } }))
          b.patches.forEach((patch, i) => {
            const letters = b.input.slice(i * 6, i * 6 + 6).map((v) => {
              const at = v - landsatValue(patch, 0, 0, 0);
              return 'abcdef'[Math.floor(at / 8) * 3 + (at % 8)];
            });
            seen.add(`${letters.slice(0, 3).join('')}/${letters.slice(3).join('')}`);
          });
    });
    expect([...seen].sort()).toEqual(['abc/def', 'cba/fed', 'def/abc', 'fed/cba']);
  });
});

describe('values', () => {
  it('are normalised per side, with one pair or one per band, clipped or not', async () => {
    const input = { offset: [100], scale: [50], clip: true };
    const target = { offset: [1, 2, 3], scale: [2, 4, 8], clip: false };
    await using(path, {}, async (reader) => {
      const [b] = await collect(reader, { patches: [2], batchSize: 1, normalize: { input, target } });
      const [raw] = await collect(reader, { patches: [2], batchSize: 1 });
      // double precision, rounded to float32 once
      expect(b!.input).toEqual(raw!.input.map((v) => Math.fround(Math.min(1, Math.max(0, (v - 100) / 50)))));
      expect(b!.target).toEqual(raw!.target.map((v, i) => Math.fround((v - [1, 2, 3][i % 3]!) / [2, 4, 8][i % 3]!)));
      expect(Math.min(...b!.input)).toBeGreaterThan(0.5);
      expect(Math.max(...b!.input)).toBeLessThanOrEqual(1);
      const [one] = await collect(reader, { patches: [2], batchSize: 1, normalize: { input } });
      expect(one).toEqual({ ...raw, input: b!.input });
    });
  });

  it('of invalid pixels are 0, they are counted out, and the mask turns with the patch', async () => {
    const { landsat, aviris } = patchDatasets(SHAPE);
    const mask = new Uint8Array(11 * 9).fill(1);
    mask[0] = 0; // patch 0, pixel 0
    (landsat.data as Float32Array)[(9 + 1) * 2] = -9999; // patch 1, pixel 1
    (aviris.data as Float32Array)[(18 + 5) * 3 + 2] = Number.NaN; // patch 2, pixel 5
    (aviris.data as Float32Array)[(18 + 6) * 3] = Number.POSITIVE_INFINITY; // patch 2, pixel 6
    const file = await writeHdf5(
      join(folder, 'masked.h5'),
      { landsat, aviris, mask: { data: mask, shape: [11, 3, 3] } },
      { nodata: -9999 },
    );
    const invalid = new Set(['0 0', '1 1', '2 5', '2 6']);
    await using(file, {}, async (reader) => {
      const batches = await collect(reader, {
        ...EPOCH,
        mask: true,
        normalize: { input: { offset: [-5], scale: [1], clip: false } },
      });
      expect(batches.reduce((sum, b) => sum + b.validPixels, 0)).toBe(99 - 4);
      let zeros = 0;
      for (const b of batches) {
        expect(b.validPixels).toBe(b.mask!.reduce((x, y) => x + y, 0));
        b.mask!.forEach((m, p) => {
          expect(b.input.slice(2 * p, 2 * p + 2).every((v) => v === 0)).toBe(m === 0);
          expect(b.target.slice(3 * p, 3 * p + 3).every((v) => v === 0)).toBe(m === 0);
          zeros += 1 - m;
        });
      }
      expect(zeros).toBe(4);
      const [plain] = await collect(reader, { patches: [0, 1, 2], batchSize: 3, mask: true });
      plain!.mask!.forEach((m, p) => {
        expect(m).toBe(invalid.has(`${Math.floor(p / 9)} ${p % 9}`) ? 0 : 1);
      });
      // masked pixels are no part of the statistics
      const mean = await reader.meanSpectra(ALL);
      expect(mean.pixels).toBe(95);
      const values = ALL.flatMap((n) =>
        Array.from({ length: 9 }, (_, p) =>
          invalid.has(`${n} ${p}`) ? [] : [landsatValue(n, Math.floor(p / 3), p % 3, 0)],
        ).flat(),
      );
      expect(mean.input[0]).toBeCloseTo(values.reduce((a, b) => a + b, 0) / 95, 10);
      const { input } = await reader.quantiles(ALL, [0, 1], true);
      expect(input[0]).toEqual([Math.min(...values), Math.max(...values)]);
      const drawn = await reader.sampleSpectra(ALL, 2000, 1);
      expect(drawn.count).toBe(2000);
      expect(new Set(drawn.input.filter((_, i) => i % 2 === 0)).size).toBe(95);
    });
  });

  it('of a file without invalid pixels come with a mask of ones where one is asked for', async () => {
    await using(path, {}, async (reader) => {
      const [b] = await collect(reader, { patches: [0, 1], batchSize: 2, mask: true });
      expect(b!.mask).toEqual(new Array(18).fill(1));
      const [none] = await collect(reader, { patches: [0, 1], batchSize: 2 });
      expect([none!.mask, none!.validPixels]).toEqual([undefined, 18]);
    });
  });
});

describe('memory of batches', () => {
  it('is used again after release, and never before', async () => {
    await using(path, { workers: 2 }, async (reader) => {
      const held: { patches: readonly number[]; input: Float32Array; copy: number[]; release(): void }[] = [];
      const buffers = new Set<ArrayBufferLike>();
      for (let epoch = 0; epoch < 12; epoch++)
        for await (const b of reader.batches({ ...EPOCH, shuffle: { seed: 9, epoch }, prefetch: 3 })) {
          buffers.add(b.input.buffer);
          held.push({ patches: b.patches, input: b.input, copy: [...b.input], release: b.release });
          // hold on to a few, let go of the others in another order; a second release does nothing
          if (held.length > 3) {
            const [gone] = held.splice(epoch % 3, 1);
            gone!.release();
            gone!.release();
          }
          for (const h of held) expect([...h.input]).toEqual(h.copy);
        }
      // 36 batches went through a handful of buffers: 3 held, 3 ahead, 1 in hand, and what an epoch's end left over
      expect(buffers.size).toBeLessThanOrEqual(12);
    });
  });
});

describe('ends', () => {
  it('of a loop give up what is being prepared, and the next loop is whole', async () => {
    await using(path, {}, async (reader) => {
      const whole = await collect(reader, EPOCH);
      for (let i = 0; i < 5; i++)
        for await (const b of reader.batches({ ...EPOCH, prefetch: 3 })) {
          b.release();
          break;
        }
      expect(await collect(reader, EPOCH)).toEqual(whole);
    });
  });

  it('of the reader reject batches that are awaited', async () => {
    const reader = await openReader(await openPatchSet(path));
    const batches = reader.batches(EPOCH);
    const refused = expect(batches.next()).rejects.toThrow('the reader was closed');
    await reader.close();
    await refused;
    await expect(collect(reader, EPOCH)).rejects.toThrow('the reader was closed');
    await reader.close();
  });

  it('of a file that was cut off while open are one line about the file', async () => {
    const big = { ...SHAPE, height: 128, width: 128 };
    const file = await writeHdf5(join(folder, 'cut_off.h5'), patchDatasets(big));
    await using(file, {}, async (reader) => {
      truncateSync(file, 4096);
      // HDF5 by itself would give zeros for what is no longer there
      await expect(collect(reader, EPOCH)).rejects.toThrow(`${file}: has become shorter since it was opened`);
    });
  });

  it('of a file that was exchanged after the set was described', async () => {
    const file = await writeHdf5(join(folder, 'exchanged.h5'), patchDatasets(SHAPE));
    const set = await openPatchSet(file);
    await writeHdf5(file, patchDatasets({ ...SHAPE, patches: 4 }));
    await expect(openReader(set)).rejects.toThrow(`${file}: has changed since it was opened`);
  });

  it.each([
    ['exits', 'process.exit(3)', /stopped: it ended with code 3/],
    ['throws', "throw new Error('out of luck')", /stopped: out of luck/],
  ])('of a worker that %s reject what was asked, at once and later', async (name, code, wanted) => {
    const script = join(folder, `${name.replaceAll(' ', '_')}.mjs`);
    writeFileSync(
      script,
      `import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => { ${code} });`,
    );
    const worker = new DataWorker(pathToFileURL(script));
    const ask = () => worker.ask('open', { paths: [], cacheBytes: 0, sides: 'auto' });
    const [first, second] = await Promise.allSettled([ask(), ask()]);
    for (const answer of [first, second]) {
      expect(answer.status).toBe('rejected');
      expect((answer as PromiseRejectedResult).reason).toBeInstanceOf(BandliftError);
      expect((answer as PromiseRejectedResult).reason.message).toMatch(wanted);
    }
    await expect(ask()).rejects.toThrow(wanted);
    await worker.close();
  });

  it('refuse batch sizes that are none', async () => {
    await using(path, {}, async (reader) => {
      for (const batchSize of [0, -1, 1.5, Number.NaN])
        await expect(collect(reader, { ...EPOCH, batchSize })).rejects.toThrow(
          /batch size; found .*expected a whole number/,
        );
    });
  });
});
