/** ENVI cubes: a raw data file beside a .hdr. Reading by blocks of lines, writing float32 BIP. */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { BandliftError } from '../errors.js';
import { writeAll, writeFileAtomic } from '../io/atomic.js';
import { fileError, writeError } from '../io/files.js';
import { DATA_TYPES, type DataType, type EnviHeader, formatEnviHeader, parseEnviHeader } from './envi_header.js';

const LARGEST_HEADER = 16 * 1024 * 1024;
/** Where the data file of NAME.hdr may be. */
const DATA_SUFFIXES = ['', '.img', '.dat', '.bip', '.bil', '.bsq', '.raw'];

export interface EnviCube {
  readonly header: EnviHeader;
  readonly headerPath: string;
  readonly dataPath: string;
}

function findPair(path: string): { headerPath: string; dataPath: string } {
  if (/\.hdr$/i.test(path)) {
    const stem = path.slice(0, -4);
    const dataPath = DATA_SUFFIXES.map((suffix) => stem + suffix).find(existsSync);
    if (dataPath === undefined)
      throw new BandliftError('the data file of this header is missing', {
        file: path,
        expected: `${stem}.img (or .dat, .bip, .bil, .bsq, no ending)`,
      });
    return { headerPath: path, dataPath };
  }
  const headerPath = [path.replace(/\.[^./]*$/, '.hdr'), `${path}.hdr`].find(existsSync);
  if (headerPath === undefined)
    throw new BandliftError('the header of this data file is missing', {
      file: path,
      expected: `${path.replace(/\.[^./]*$/, '')}.hdr`,
    });
  return { headerPath, dataPath: path };
}

/**
 * Reads and checks the header of a cube, given its .hdr or its data file; the data file's size must be what the header says.
 * Errors: BandliftError naming file and entry.
 */
export async function openEnvi(path: string): Promise<EnviCube> {
  try {
    const { headerPath, dataPath } = findPair(path);
    const { size } = await stat(headerPath);
    if (size > LARGEST_HEADER)
      throw new BandliftError('too large for an ENVI header', {
        file: headerPath,
        found: `${size} bytes`,
        expected: `at most ${LARGEST_HEADER}`,
      });
    const header = parseEnviHeader(await readFile(headerPath, 'utf8'), headerPath);
    const values = BigInt(header.lines) * BigInt(header.samples) * BigInt(header.bands);
    const needed = values * BigInt(DATA_TYPES[header.dataType].bytes) + BigInt(header.headerOffset);
    const found = BigInt((await stat(dataPath)).size);
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

/** `count` stored values as float32, from bytes of either order. */
function decode(bytes: Uint8Array, type: DataType, byteOrder: 0 | 1): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = byteOrder === 0;
  const count = bytes.byteLength / DATA_TYPES[type].bytes;
  const out = new Float32Array(count);
  const get: Record<DataType, (i: number) => number> = {
    1: (i) => view.getUint8(i),
    2: (i) => view.getInt16(2 * i, little),
    3: (i) => view.getInt32(4 * i, little),
    4: (i) => view.getFloat32(4 * i, little),
    5: (i) => view.getFloat64(8 * i, little),
    12: (i) => view.getUint16(2 * i, little),
  };
  const at = get[type];
  for (let i = 0; i < count; i++) out[i] = at(i);
  return out;
}

async function readBytes(handle: FileHandle, position: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (bytesRead === 0)
      throw new BandliftError('the file ended while it was read', { file: path, found: `${position + done} bytes` });
    done += bytesRead;
  }
  return bytes;
}

/**
 * Lines `first` .. `first + count - 1` of a cube as [count, samples, bands], stored values as float32 (not divided by the
 * reflectance scale, nodata as it is). Memory: twice the block.
 * Errors: BandliftError when the block lies outside the cube or the file cannot be read.
 */
export async function readEnviLines(cube: EnviCube, first: number, count: number): Promise<Float32Array> {
  const { lines, samples, bands, dataType, interleave, byteOrder, headerOffset } = cube.header;
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 1 || first + count > lines)
    throw new BandliftError('lines outside the cube', {
      file: cube.dataPath,
      found: `${first} to ${first + count - 1}`,
      expected: `within 0 to ${lines - 1}`,
    });
  const size = DATA_TYPES[dataType].bytes;
  const handle = await open(cube.dataPath, 'r').catch((error: unknown) => {
    throw fileError(error, cube.dataPath);
  });
  try {
    const block = (value: number, values: number) =>
      readBytes(handle, headerOffset + value * size, values * size, cube.dataPath);
    const line = samples * bands;
    if (interleave !== 'bsq') {
      const stored = decode(await block(first * line, count * line), dataType, byteOrder);
      if (interleave === 'bip') return stored;
      const out = new Float32Array(stored.length);
      for (let y = 0; y < count; y++)
        for (let b = 0; b < bands; b++) {
          const from = (y * bands + b) * samples;
          for (let x = 0; x < samples; x++) out[(y * samples + x) * bands + b] = stored[from + x]!;
        }
      return out;
    }
    const out = new Float32Array(count * line);
    for (let b = 0; b < bands; b++) {
      const stored = decode(await block((b * lines + first) * samples, count * samples), dataType, byteOrder);
      for (let p = 0; p < stored.length; p++) out[p * bands + b] = stored[p]!;
    }
    return out;
  } finally {
    await handle.close();
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
  readonly #header: EnviHeader;
  readonly #handle: FileHandle;
  #values = 0;

  private constructor(path: string, header: EnviHeader, handle: FileHandle) {
    this.#path = path;
    this.#header = header;
    this.#handle = handle;
  }

  /** @param path of the data file, ending in .img; the header goes beside it. */
  static async create(
    path: string,
    header: Omit<EnviHeader, 'dataType' | 'interleave' | 'byteOrder' | 'headerOffset'>,
  ): Promise<EnviWriter> {
    const full: EnviHeader = { ...header, dataType: 4, interleave: 'bip', byteOrder: 0, headerOffset: 0 };
    const handle = await open(`${path}.tmp`, 'w').catch((error: unknown) => {
      throw fileError(error, path);
    });
    return new EnviWriter(path, full, handle);
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
    await rename(`${this.#path}.tmp`, this.#path);
    await writeFileAtomic(this.#path.replace(/\.img$/, '.hdr'), formatEnviHeader(this.#header));
  }

  /** Gives up: removes what was written. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(`${this.#path}.tmp`, { force: true });
  }
}
