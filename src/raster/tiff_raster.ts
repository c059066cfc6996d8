/** A TIFF read by windows: only the blocks that a window touches are decoded, and the last ones are kept. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { BandliftError } from '../base/errors.js';
import { fileError, type OpenFile, readAt, readAtNow } from '../base/files.js';
import type { BlockCache } from './block_cache.js';
import { checkWindow } from './geo.js';
import { decompress, decompressNow, prepareCodec } from './tiff_codecs.js';
import { readTiffLayout, SAMPLE_ARRAYS, type SampleArray, type TiffLayout } from './tiff_layout.js';
import { findMask } from './tiff_mask.js';
import { toSamples } from './tiff_samples.js';
import { readTiffTags, type TiffTags } from './tiff_tags.js';
import type { Window } from './types.js';

/** Blocks decoded at the same time, as long as they are small. */
const AT_ONCE = 4;
const SMALL = 16 * 2 ** 20;

let opened = 0;

/** A part of a file that is a TIFF by itself, such as a member of an archive. */
export interface FilePart {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

export class TiffRaster {
  readonly path: string;
  readonly layout: TiffLayout;
  readonly tags: TiffTags;
  readonly #file: OpenFile;
  readonly #cache: BlockCache;
  readonly #name = `${opened++}`;
  readonly #now = new Map<string, SampleArray>();

  private constructor(file: OpenFile, tags: TiffTags, layout: TiffLayout, cache: BlockCache) {
    this.path = file.path;
    this.#file = file;
    this.tags = tags;
    this.layout = layout;
    this.#cache = cache;
  }

  /**
   * Reads and checks the header. Errors: BandliftError naming the file and the tag.
   *
   * @param part where the bytes lie, if not in a file called `path`
   */
  static async open(path: string, cache: BlockCache, part?: FilePart): Promise<TiffRaster> {
    const describe = async (file: OpenFile) => {
      const tags = await readTiffTags(file);
      return { tags, layout: await readTiffLayout(file, tags) };
    };
    return (await TiffRaster.#open(path, cache, describe, part))!;
  }

  /**
   * The mask of a file as a raster of bytes: eight pixels each (`packed`), or one. Undefined where the file has none.
   * Errors: BandliftError naming the file and the tag.
   */
  static async openMask(path: string, cache: BlockCache): Promise<{ raster: TiffRaster; packed: boolean } | undefined> {
    let packed = false;
    const raster = await TiffRaster.#open(path, cache, async (file) => {
      const tags = await findMask(file);
      if (tags === undefined) return undefined;
      packed = (await tags.numbers('bitsPerSample'))?.[0] !== 8;
      return { tags, layout: await readTiffLayout(file, tags, packed) };
    });
    return raster && { raster, packed };
  }

  /** Opens what `describe` finds in the file; undefined where it finds nothing. */
  static async #open(
    path: string,
    cache: BlockCache,
    describe: (file: OpenFile) => Promise<{ tags: TiffTags; layout: TiffLayout } | undefined>,
    part?: FilePart,
  ): Promise<TiffRaster | undefined> {
    let handle: FileHandle | undefined;
    try {
      // before opening: a named pipe would block
      const source = part?.path ?? path;
      const info = await stat(source);
      if (!info.isFile())
        throw new BandliftError(info.isDirectory() ? 'is a folder' : 'is not a regular file', {
          file: path,
          hint: 'give a file',
        });
      handle = await open(source, 'r');
      const { size } = await handle.stat();
      if (part && part.offset + part.size > size)
        throw new BandliftError('has become shorter', { file: source, found: `${size} bytes` });
      const file: OpenFile = { path, handle, ...(part ? { offset: part.offset, size: part.size } : { size }) };
      const found = await describe(file);
      if (found !== undefined) return new TiffRaster(file, found.tags, found.layout, cache);
      await handle.close();
      return undefined;
    } catch (error) {
      await handle?.close();
      throw fileError(error, path);
    }
  }

  /** Samples of a window as stored, [height, width, bands]. Errors: BandliftError for damaged blocks. */
  async read(window: Window): Promise<SampleArray> {
    const { layout } = this;
    checkWindow(window, layout.height, layout.width, this.path);
    const out = new SAMPLE_ARRAYS[layout.type](window.height * window.width * layout.bands);
    const jobs: (() => Promise<void>)[] = [];
    const lastRow = Math.floor((window.y + window.height - 1) / layout.blockHeight);
    const lastColumn = Math.floor((window.x + window.width - 1) / layout.blockWidth);
    for (let row = Math.floor(window.y / layout.blockHeight); row <= lastRow; row++)
      for (let column = Math.floor(window.x / layout.blockWidth); column <= lastColumn; column++)
        for (let band = 0; band < (layout.chunky ? 1 : layout.bands); band++)
          jobs.push(async () => this.#copy(await this.#block(row, column, band), row, column, band, window, out));
    const workers = blockBytes(layout) > SMALL ? 1 : AT_ONCE;
    let next = 0;
    const work = async () => {
      while (next < jobs.length) await jobs[next++]!();
    };
    // all have ended before an error is told, so that nothing reads from a closed file
    const results = await Promise.allSettled(Array.from({ length: workers }, work));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw fileError(failed.reason, this.path);
    return out;
  }

  /** Must have ended before `readNow`. */
  prepare(): Promise<void> {
    return prepareCodec(this.layout.compression);
  }

  /** The same at once, with blocks of its own: those last used are kept, up to `keep` bytes. */
  readNow(window: Window, keep: number): SampleArray {
    const { layout } = this;
    checkWindow(window, layout.height, layout.width, this.path);
    const out = new SAMPLE_ARRAYS[layout.type](window.height * window.width * layout.bands);
    const lastRow = Math.floor((window.y + window.height - 1) / layout.blockHeight);
    const lastColumn = Math.floor((window.x + window.width - 1) / layout.blockWidth);
    try {
      for (let row = Math.floor(window.y / layout.blockHeight); row <= lastRow; row++)
        for (let column = Math.floor(window.x / layout.blockWidth); column <= lastColumn; column++)
          for (let band = 0; band < (layout.chunky ? 1 : layout.bands); band++)
            this.#copy(this.#blockNow(row, column, band, keep), row, column, band, window, out);
    } catch (error) {
      throw fileError(error, this.path);
    }
    return out;
  }

  #blockNow(row: number, column: number, band: number, keep: number): SampleArray {
    const key = `${band}/${row}/${column}`;
    const found = this.#now.get(key);
    if (found) {
      // to the end of the map's order: used last
      this.#now.delete(key);
      this.#now.set(key, found);
      return found;
    }
    const full = blockBytes(this.layout);
    for (const oldest of this.#now.keys()) {
      if ((this.#now.size + 1) * full <= keep) break;
      this.#now.delete(oldest);
    }
    const place = this.#place(row, column, band);
    const block = this.#samples(place, (data) => {
      readAtNow(this.#file, place.offset, data);
      return decompressNow(this.layout.compression, data, place.least, full);
    });
    this.#now.set(key, block);
    return block;
  }

  async close(): Promise<void> {
    await this.#file.handle.close();
  }

  /** Rows of the image in a row of blocks. */
  #rows(row: number): number {
    return Math.min(this.layout.blockHeight, this.layout.height - row * this.layout.blockHeight);
  }

  #block(row: number, column: number, band: number): Promise<SampleArray> {
    const { layout } = this;
    const key = `${this.#name}/${band}/${row}/${column}`;
    return this.#cache.get(key, blockBytes(layout), () => this.#decode(row, column, band));
  }

  /** Where a block lies in the file; 0 bytes: it is not stored. */
  #locate(row: number, column: number, band: number, least: number): { index: number; offset: number; bytes: number } {
    const { layout } = this;
    const { pieces } = layout;
    const rows = Math.ceil(layout.blocksDown / pieces);
    const index = (band * rows + Math.floor(row / pieces)) * layout.blocksAcross + column;
    const [offset, bytes] = [layout.offsets[index]!, layout.byteCounts[index]!];
    if (offset === 0 || bytes === 0) return { index, offset, bytes: 0 };
    if (pieces === 1) return { index, offset, bytes };
    // a piece that reaches beyond the strip is found to be too short
    const start = (row % pieces) * blockBytes(layout);
    return { index, offset: offset + start, bytes: Math.max(1, Math.min(least, bytes - start)) };
  }

  /** Where a block lies, how many rows it has and how many bytes they take. */
  #place(row: number, column: number, band: number) {
    const { layout } = this;
    const rows = layout.tiled ? layout.blockHeight : this.#rows(row);
    const least = (blockBytes(layout) / layout.blockHeight) * rows;
    return { rows, least, ...this.#locate(row, column, band, least) };
  }

  /** Samples of a block that is not stored: left out by writers of sparse files. */
  #absent(least: number): SampleArray {
    const { layout } = this;
    const samples = new SAMPLE_ARRAYS[layout.type](least / layout.size);
    return layout.nodata === undefined ? samples : samples.fill(layout.nodata);
  }

  #damaged(index: number, error: unknown): unknown {
    if (error instanceof BandliftError) return error;
    return new BandliftError(`cannot be decoded: ${(error as Error).message}`, {
      file: this.path,
      field: `${this.layout.tiled ? 'tile' : 'strip'} ${index}`,
      hint: 'the file is damaged or incomplete; copy or make it again',
    });
  }

  #samples(
    { index, bytes, least, rows }: { index: number; bytes: number; least: number; rows: number },
    decode: (data: Uint8Array) => Uint8Array<ArrayBuffer>,
  ): SampleArray {
    if (bytes === 0) return this.#absent(least);
    try {
      return toSamples(this.layout, decode(new Uint8Array(bytes)), rows);
    } catch (error) {
      throw this.#damaged(index, error);
    }
  }

  async #decode(row: number, column: number, band: number): Promise<SampleArray> {
    const { layout } = this;
    const { index, offset, bytes, least, rows } = this.#place(row, column, band);
    if (bytes === 0) return this.#absent(least);
    const data = new Uint8Array(bytes);
    await readAt(this.#file, offset, data);
    try {
      return toSamples(layout, await decompress(layout.compression, data, least, blockBytes(layout)), rows);
    } catch (error) {
      throw this.#damaged(index, error);
    }
  }

  /** Brings what a block and the window share to its place. */
  #copy(block: SampleArray, row: number, column: number, band: number, window: Window, out: SampleArray): void {
    const { layout } = this;
    const { bands, blockWidth, chunky } = layout;
    const [top, left] = [row * layout.blockHeight, column * blockWidth];
    const y1 = Math.min(top + layout.blockHeight, window.y + window.height);
    const x0 = Math.max(left, window.x);
    const x1 = Math.min(left + blockWidth, window.x + window.width);
    for (let y = Math.max(top, window.y); y < y1; y++) {
      const from = (y - top) * blockWidth + x0 - left;
      const to = ((y - window.y) * window.width + x0 - window.x) * bands;
      if (chunky) out.set(block.subarray(from * bands, (from + x1 - x0) * bands), to);
      else for (let i = 0; i < x1 - x0; i++) out[to + i * bands + band] = block[from + i]!;
    }
  }
}

const blockBytes = (layout: TiffLayout) =>
  layout.blockHeight * layout.blockWidth * layout.size * (layout.chunky ? layout.bands : 1);
