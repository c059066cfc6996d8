/**
 * Files that are whole or not there: written under a temporary name in the same folder, flushed to the disk, renamed. A process
 * killed at any moment leaves the old file or the new one, and at most a NAME.*.tmp, which the next write of NAME removes.
 * Several processes may write the same file at once: it is then what one of them wrote.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeError } from './files.js';
import { temporaryName } from './temporary_file.js';

const CHUNK = 2 ** 30;

/** Appends all of `bytes` to an open file. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(CHUNK, bytes.length - done));
    done += bytesWritten;
  }
}

/** Writes all of `bytes` from `position` (bytes) on. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(CHUNK, bytes.length - done);
    const { bytesWritten } = await handle.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // some network file systems cannot flush a folder; the rename itself is done
    if (!['EINVAL', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Writes `path` through `write`, which is given the open temporary file. `bytes` is the expected size, for the message
 * when the disk is full. On any error the temporary file is removed and what was at `path` stays.
 */
export async function replaceFile(
  path: string,
  bytes: number,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw writeError(error, path, bytes);
  }
}

/** Replaces the file at `path` with `content`, whole or not at all. Throws a BandliftError (disk full, no permission). */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  await replaceFile(path, bytes.length, (handle) => writeAll(handle, bytes));
}
