/** ENVI headers and data written by hand, for the tables of quirks. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEnvi } from '../../src/raster/envi.js';
import { type CubeToWrite, enviHeader } from '../support/envi_cubes.js';

export const SIZE = { lines: 2, samples: 3, bands: 4 } as const;
const value = (y: number, x: number, b: number) => 1 + b + 10 * x + 100 * y;
/** A cube of float32 BIP, 96 bytes, whose first number is `first`. */
export const cube = (first = 1): CubeToWrite => ({ ...SIZE, value: (y, x, b) => value(y, x, b) + first - 1 });

/** Writes a header text under `name` and, where there are any, data of `bytes` bytes under `data`. */
export function put(folder: string, name: string, text: string, data?: string, bytes = 96): string {
  writeFileSync(join(folder, name), text);
  if (data !== undefined) writeFileSync(join(folder, data), Buffer.alloc(bytes, 1));
  return join(folder, name);
}
export const headerWith = (entries: Record<string, string | number>, description?: string) =>
  enviHeader({ ...SIZE, entries: { ...entries, ...(description ? { description } : {}) } });
export const described = async (path: string) => (await openEnvi(path)).header.description;
export const refused = (path: string, line: RegExp) => expect(openEnvi(path)).rejects.toThrow(line);

/** The five entries that a header must have. */
export const bare = `ENVI\nsamples = 3\nlines = 2\nbands = 4\ndata type = 4\ninterleave = bip\n`;
