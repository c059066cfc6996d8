/** Stage 1's predictions for the patches of a file: raw float32 [patches, height, width, bands], read patch by patch. */
import { closeSync, openSync, readSync } from 'node:fs';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import type { CachedInput } from './types.js';

/** Bytes of one patch. */
export const cachedPatchBytes = ({ height, width, bands }: CachedInput): number => height * width * bands * 4;

/** Patches first .. first + count - 1. Errors: BandliftError when the file is missing or ends before. */
export function readCached(cached: CachedInput, first: number, count: number): Float32Array[] {
  const bytes = cachedPatchBytes(cached);
  let handle: number;
  try {
    handle = openSync(cached.path, 'r');
  } catch (error) {
    throw fileError(error, cached.path);
  }
  try {
    return Array.from({ length: count }, (_, i) => {
      const patch = new Uint8Array(bytes);
      if (readSync(handle, patch, 0, bytes, (first + i) * bytes) !== bytes)
        throw new BandliftError('the cache of stage 1 ends too early', {
          file: cached.path,
          hint: 'remove it; it will be made again',
        });
      return new Float32Array(patch.buffer);
    });
  } finally {
    closeSync(handle);
  }
}
