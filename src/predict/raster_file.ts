/** A raster in a file, [height, width] pixels of a fixed number of bytes, read and written by regions. */
import type { FileHandle } from 'node:fs/promises';
import { readAt, writeError } from '../base/files.js';
import type { Region } from '../tiling/footprint.js';

export class RasterFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #width: number;
  readonly #pixelBytes: number;
  #dirty = false;

  constructor(handle: FileHandle, path: string, width: number, pixelBytes: number) {
    this.#handle = handle;
    this.path = path;
    this.#width = width;
    this.#pixelBytes = pixelBytes;
  }

  /** Offset in the file and in the region's bytes, and length, of every piece that lies together. */
  *#pieces(r: Region): Generator<readonly [file: number, memory: number, bytes: number]> {
    const row = (r.x1 - r.x0) * this.#pixelBytes;
    const offset = (y: number) => (y * this.#width + r.x0) * this.#pixelBytes;
    if (r.x1 - r.x0 === this.#width) yield [offset(r.y0), 0, row * (r.y1 - r.y0)];
    else for (let y = r.y0; y < r.y1; y++) yield [offset(y), (y - r.y0) * row, row];
  }

  /** Fills `target`, [rows, columns] pixels of the region. */
  async read(r: Region, target: Uint8Array): Promise<void> {
    const file = { path: this.path, handle: this.#handle, size: 0 };
    for (const [at, from, bytes] of this.#pieces(r)) await readAt(file, at, target.subarray(from, from + bytes));
  }

  async write(r: Region, source: Uint8Array): Promise<void> {
    this.#dirty = true;
    try {
      for (const [at, from, bytes] of this.#pieces(r))
        for (let done = 0; done < bytes; ) {
          const { bytesWritten } = await this.#handle.write(source, from + done, bytes - done, at + done);
          done += bytesWritten;
        }
    } catch (error) {
      throw writeError(error, this.path, source.length);
    }
  }

  async sync(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    await this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
