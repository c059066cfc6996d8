/** Sizes as text, there and back. */
import { expect, it } from 'vitest';
import { formatBytes, parseBytes } from '../../src/base/bytes.js';

it('are rounded up, so that a limit of what is printed is enough', () => {
  const sizes = [0, 1023, 1024, 1025, 99.95 * 1024, 100 * 1024 + 1, 2 ** 20, 1.51 * 2 ** 30, 3 * 2 ** 50];
  expect(sizes.map(formatBytes)).toEqual([
    ...['0 bytes', '1023 bytes', '1.0 KiB', '1.1 KiB', '100.0 KiB', '101 KiB', '1.0 MiB', '1.6 GiB', '3072 TiB'],
  ]);
  for (const size of sizes.slice(1)) expect(parseBytes(formatBytes(size), '--max-memory')).toBeGreaterThanOrEqual(size);
});

it('are read with and without a unit', () => {
  expect(['512', '4G', '800M', '1.5 GiB', '2kb', '7 bytes'].map((text) => parseBytes(text, 'x'))).toEqual([
    ...[512, 4 * 2 ** 30, 800 * 2 ** 20, 1.5 * 2 ** 30, 2048, 7],
  ]);
  expect(parseBytes(12, 'x')).toBe(12);
  for (const text of ['', 'G', '-1M', '4 P', '1,5G'])
    expect(() => parseBytes(text, '--max-memory')).toThrow(/^--max-memory: not a size/);
});
