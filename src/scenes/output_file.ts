/** The data file of a result cube while it is unfinished: made in full size, written at given places. */
import { existsSync, writeSync } from 'node:fs';
import { type FileHandle, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAt } from '../base/atomic.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError, writeError } from '../base/files.js';
import type { Window } from '../raster/types.js';
import { type CubeDescription, cubePaths, VALUE_BYTES } from './cube_description.js';
import type { CubeCounts, RowEncoder } from './cube_encoding.js';

export interface OutputOptions {
  /** Replace a finished cube of this name (at the end, when the new one is whole). Otherwise its presence is an error. */
  readonly overwrite?: boolean;
}

/**
 * Pieces of `size` bytes, `step` bytes apart from `position` on. Synchronous calls: the pieces are small (a band of a tile's
 * row) and many (87,040 to a tile of 256 x 256 x 340), and go to the page cache.
 */
async function writeStrided(
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

/** Rows are turned into bytes in blocks of about this size. */
const BLOCK_BYTES = 16 * 2 ** 20;

/**
 * Writes a window of a cube where it belongs, and counts what is in it.
 *
 * @param values [height, width, bands] of the window, physical units
 * @param valid [height, width], 1 = valid; all are without it
 */
export async function writeWindow(
  handle: FileHandle,
  encoder: RowEncoder,
  description: CubeDescription,
  window: Window,
  values: Float32Array,
  valid: Uint8Array | undefined,
  counts: CubeCounts,
): Promise<void> {
  const { bands, width: cubeWidth, interleave } = description;
  const { height, width } = window;
  const size = VALUE_BYTES[description.dataType];
  const line = cubeWidth * bands * size;
  const rowsAtOnce = Math.max(1, Math.floor(BLOCK_BYTES / (width * bands * size)));
  for (let row = 0; row < height; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, height - row);
    const part = values.subarray(row * width * bands, (row + rows) * width * bands);
    const partValid = valid?.subarray(row * width, (row + rows) * width);
    const bytes = encoder.encode(part, partValid, rows, width, counts);
    const start = (window.y + row) * line;
    if (width === cubeWidth) {
      await writeAt(handle, bytes, start);
      continue;
    }
    for (let r = 0; r < rows; r++) {
      const rowBytes = bytes.subarray(r * width * bands * size, (r + 1) * width * bands * size);
      const first = start + r * line;
      if (interleave === 'bip') await writeAt(handle, rowBytes, first + window.x * bands * size);
      else await writeStrided(handle, rowBytes, width * size, first + window.x * size, cubeWidth * size);
    }
  }
}

/** Throws when a finished cube has the name and must stay. */
export function checkName(path: string, options: OutputOptions): void {
  const { dataPath, headerPath } = cubePaths(path);
  const taken = [dataPath, headerPath].find(existsSync);
  if (taken !== undefined && !options.overwrite)
    throw new BandliftError('exists already', { file: taken, hint: 'give another name, or --overwrite' }, EXIT.usage);
}

/** Opens the .partial file at its full size, once the disk is known to have room for what is not yet allocated. */
export async function openData(dataPath: string, flags: 'wx+' | 'r+', bytes: number): Promise<FileHandle> {
  const partial = `${dataPath}.partial`;
  try {
    const { bavail, bsize } = await statfs(dirname(dataPath));
    // POSIX counts a file's blocks in 512 bytes
    const allocated = flags === 'r+' ? (await stat(partial)).blocks * 512 : 0;
    if (bavail * bsize < bytes - allocated)
      throw new BandliftError(
        'the disk is too small for the result',
        {
          file: dataPath,
          found: `${(bavail * bsize).toLocaleString('en')} bytes free`,
          expected: `${(bytes - allocated).toLocaleString('en')}`,
          hint: 'choose another disk, a smaller region, or int16 values, which take half of float32',
        },
        EXIT.failure,
      );
    const handle = await open(partial, flags);
    try {
      await handle.truncate(bytes);
      return handle;
    } catch (error) {
      await handle.close();
      if (flags === 'wx+') await rm(partial, { force: true });
      throw writeError(error, dataPath, bytes);
    }
  } catch (error) {
    throw fileError(error, partial);
  }
}
