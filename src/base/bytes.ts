/** Sizes of memory and files as text. */
import { BandliftError, EXIT } from './errors.js';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** 12 bytes, 1.5 GiB, 120 MiB; rounded up, so that a limit of the size printed is enough. */
export function formatBytes(count: number): string {
  let [unit, value] = [0, count];
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return `${value} bytes`;
  return `${value >= 100 ? Math.ceil(value) : (Math.ceil(value * 10) / 10).toFixed(1)} ${UNITS[unit]}`;
}

/** '4G', '800M', '512K', '1.5 GiB' or a number of bytes. Errors: a usage error that names `field`. */
export function parseBytes(value: string | number, field: string): number {
  if (typeof value === 'number') return value;
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)i?(?:B|bytes)?$/i.exec(value.trim());
  if (!match)
    throw new BandliftError(
      'not a size',
      { field, found: `'${value}'`, expected: "a number of bytes or e.g. '4G', '800M'" },
      EXIT.usage,
    );
  const power = { '': 0, K: 1, M: 2, G: 3, T: 4 }[match[2]!.toUpperCase() as '' | 'K' | 'M' | 'G' | 'T'];
  return Math.floor(Number(match[1]) * 1024 ** power);
}
