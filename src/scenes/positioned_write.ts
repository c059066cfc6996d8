/** Writes at given places of a file that is open. */
import { writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

const CHUNK = 2 ** 30;

/** All of `bytes` from `position` on. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(CHUNK, bytes.length - done);
    const { bytesWritten } = await handle.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}

/**
 * Pieces of `size` bytes, `step` bytes apart from `position` on. Synchronous calls: the pieces are small (a band of a tile's
 * row), go to the page cache, and a promise for each would cost ten times the write.
 */
export async function writeStrided(
  handle: FileHandle,
  bytes: Uint8Array,
  size: number,
  position: number,
  step: number,
): Promise<void> {
  for (let from = 0, at = position; from < bytes.length; from += size, at += step)
    for (let done = 0; done < size; ) done += writeSync(handle.fd, bytes, from + done, size - done, at + done);
  // let others have their turn between the rows
  await new Promise(setImmediate);
}
