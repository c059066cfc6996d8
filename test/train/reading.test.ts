/** Threads and memory for reading, worked out by hand for machines of some sizes. */
import { expect, it } from 'vitest';
import { readerOptions } from '../../src/train/reading.js';
import { tinyConfig } from '../support/runs.js';

const GIB = 2 ** 30;
const config = tinyConfig({ data_dir: 'anywhere', output_dir: 'anywhere' });

it('leaves the processor to the engine where that computes on it', () => {
  expect(readerOptions(config)).toEqual({}); // tinyConfig asks for the CPU
  expect(readerOptions(config, false, { cores: 64, free: 512 * GIB })).toEqual({});
});

it.each([
  [{ cores: 1, free: 2 * GIB }, 1, GIB],
  [{ cores: 8, free: 20 * GIB }, 7, 6 * GIB],
  [{ cores: 64, free: 500 * GIB }, 16, 150 * GIB],
])('beside a GPU, with %o', (machine, workers, cacheBytes) => {
  const options = readerOptions(config, true, machine);
  expect(options.workers).toBe(workers);
  expect(options.cacheBytes! / cacheBytes).toBeCloseTo(1, 9);
});
