/** ENVI cubes: a raw data file beside a .hdr. Reading by blocks of lines, writing float32 BIP. */

import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { writeAll, writeFileAtomic } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { fileError, writeError } from '../base/files.js';
import { temporaryName } from '../base/temporary_file.js';
import type { EnviCube } from './envi_cube.js';
import { DATA_TYPES, type EnviHeader, formatEnviHeader, parseEnviHeader } from './envi_header.js';
import { dataOf, headerOf, headersIn, isHeaderName } from './envi_pair.js';
import { EnviWindows, everyBand } from './envi_window.js';

const LARGEST_HEADER = 16 * 1024 * 1024;

/** Bytes that the data file of a header must have. */
const bytesOf = ({ lines, samples, bands, dataType, headerOffset }: EnviHeader): bigint =>
  BigInt(lines) * BigInt(samples) * BigInt(bands) * BigInt(DATA_TYPES[dataType].bytes) + BigInt(headerOffset);

async function readHeader(path: string): Promise<EnviHeader> {
  const { size } = await requireFile(path);
  if (size > LARGEST_HEADER)
    throw new BandliftError('too large for an ENVI header', {
      file: path,
      found: `${size} bytes`,
      expected: `at most ${LARGEST_HEADER}`,
    });
  return parseEnviHeader(await readFile(path, 'utf8'), path);
}

/** What to give instead of a folder. */
const cubesIn = (folder: string): string =>
  headersIn(folder).length === 0
    ? 'give an ENVI header or its data file'
    : `give the ENVI cubes in it: ${folder.replace(/\/+$/, '')}/*.hdr`;

async function requireFile(path: string) {
  const info = await stat(path);
  if (!info.isFile())
    throw new BandliftError(info.isDirectory() ? 'is a folder' : 'is not a regular file', {
      file: path,
      hint: info.isDirectory() ? cubesIn(path) : 'give an ENVI header or its data file',
    });
  return info;
}

/**
 * Reads and checks the header of a cube, given its .hdr or its data file; the data file's size must be what the header says.
 * Errors: BandliftError naming file and entry.
 */
export async function openEnvi(path: string): Promise<EnviCube> {
  try {
    const named = isHeaderName(path);
    if (!named) await requireFile(path);
    const headerPath = named ? path : headerOf(path);
    const header = await readHeader(headerPath);
    const needed = bytesOf(header);
    const dataPath = named ? dataOf(path, needed) : path;
    const found = BigInt((await requireFile(dataPath)).size);
    if (needed !== found)
      throw new BandliftError('the size of the data file is not what its header says', {
        file: dataPath,
        found: `${found} bytes`,
        expected: `${needed} (${header.lines} lines x ${header.samples} samples x ${header.bands} bands of ${DATA_TYPES[header.dataType].name}, offset ${header.headerOffset})`,
        hint:
          found < needed
            ? 'the file is cut off, or the header belongs to another file'
            : 'check data type and header offset',
      });
    return { header, headerPath, dataPath };
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Lines `first` .. `first + count - 1` of a cube as [count, samples, bands], stored values as float32 (not divided by the
 * reflectance scale, nodata as it is). Memory: the block.
 * Errors: BandliftError when the block lies outside the cube or the file cannot be read.
 */
export async function readEnviLines(cube: EnviCube, first: number, count: number): Promise<Float32Array> {
  const { lines, samples, bands } = cube.header;
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 1 || first + count > lines)
    throw new BandliftError('lines outside the cube', {
      file: cube.dataPath,
      found: `${first} to ${first + count - 1}`,
      expected: `within 0 to ${lines - 1}`,
    });
  const windows = new EnviWindows(cube, everyBand(bands), true);
  try {
    const values = new Float32Array(count * samples * bands);
    windows.read(first, 0, count, samples, values, new Uint8Array(count * samples));
    return values;
  } finally {
    windows.close();
  }
}

/** A whole small cube as [lines, samples, bands] float32. */
export async function readEnvi(path: string): Promise<{ header: EnviHeader; data: Float32Array }> {
  const cube = await openEnvi(path);
  return { header: cube.header, data: await readEnviLines(cube, 0, cube.header.lines) };
}

/** Writes a float32 BIP cube line block by line block; nothing appears under its name before `close`. */
export class EnviWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #header: EnviHeader;
  readonly #handle: FileHandle;
  #values = 0;

  private constructor(path: string, temporary: string, header: EnviHeader, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#header = header;
    this.#handle = handle;
  }

  /** @param path of the data file, ending in .img; the header goes beside it. */
  static async create(
    path: string,
    header: Omit<EnviHeader, 'dataType' | 'interleave' | 'byteOrder' | 'headerOffset'>,
  ): Promise<EnviWriter> {
    const full: EnviHeader = { ...header, dataType: 4, interleave: 'bip', byteOrder: 0, headerOffset: 0 };
    const temporary = temporaryName(path);
    const handle = await open(temporary, 'wx').catch((error: unknown) => {
      throw fileError(error, path);
    });
    return new EnviWriter(path, temporary, full, handle);
  }

  /** Appends whole lines, [lines, samples, bands] in physical units. */
  async append(block: Float32Array): Promise<void> {
    try {
      await writeAll(this.#handle, new Uint8Array(block.buffer, block.byteOffset, block.byteLength));
      this.#values += block.length;
    } catch (error) {
      throw writeError(error, this.#path, this.#total() * 4);
    }
  }

  #total(): number {
    return this.#header.lines * this.#header.samples * this.#header.bands;
  }

  /** Flushes, renames the data file and writes the header. Throws when fewer lines came than the header says. */
  async close(): Promise<void> {
    if (this.#values !== this.#total()) {
      await this.discard();
      throw new Error(`${this.#path}: ${this.#values} values were written, the header says ${this.#total()}`);
    }
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#temporary, this.#path);
    await writeFileAtomic(this.#path.replace(/\.img$/, '.hdr'), formatEnviHeader(this.#header));
  }

  /** Gives up: removes what was written. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(this.#temporary, { force: true });
  }
}
