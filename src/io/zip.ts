/**
 * Single entries of ZIP files (PKWARE APPNOTE 6.3), by the central directory: what is not asked for is not read. Sizes are
 * held against the file before memory is taken; the checksum of every entry is compared.
 */
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { BandliftError } from '../base/errors.js';
import { allocate, type OpenFile, readAt } from '../base/files.js';

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  /** Bytes when read. */
  readonly size: number;
  readonly offset: number;
}

const inflate = promisify(inflateRaw);
const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const UNKNOWN32 = 0xffffffff;
/** Directory of a file with 100,000 entries; a checkpoint has one entry per tensor. */
const MAX_DIRECTORY = 16 << 20;
/** All entries together may be this much larger than the file. torch.save does not compress at all. */
const MAX_RATIO = 100;

function damaged(file: OpenFile, message: string, entry?: string): BandliftError {
  return new BandliftError(message, {
    file: file.path,
    ...(entry === undefined ? {} : { field: `entry '${entry.slice(0, 100)}'` }),
    hint: 'the ZIP archive is damaged; copy or save it again',
  });
}

async function read(file: OpenFile, position: number, length: number): Promise<DataView> {
  if (!(position >= 0 && length >= 0 && position + length <= file.size))
    throw damaged(file, 'the archive refers to bytes beyond its end');
  const bytes = new Uint8Array(allocate(length, file.path, 'the archive'));
  await readAt(file, position, bytes);
  return new DataView(bytes.buffer);
}

/** Where the central directory is. */
async function findDirectory(file: OpenFile): Promise<{ count: number; size: number; offset: number }> {
  const length = Math.min(file.size, 22 + 0xffff); // the end record and the longest comment
  const tail = await read(file, file.size - length, length);
  let at = length - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw damaged(file, 'the archive has no directory: the end is missing');
  const end = {
    count: tail.getUint16(at + 10, true),
    size: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  if (end.count !== 0xffff && end.size !== UNKNOWN32 && end.offset !== UNKNOWN32) return end;
  if (at < 20 || tail.getUint32(at - 20, true) !== END64_LOCATOR)
    throw damaged(file, 'the archive has no ZIP64 directory');
  const end64 = await read(file, Number(tail.getBigUint64(at - 12, true)), 56);
  if (end64.getUint32(0, true) !== END64) throw damaged(file, 'the archive has no ZIP64 directory');
  const number = (position: number) => Number(end64.getBigUint64(position, true));
  return { count: number(32), size: number(40), offset: number(48) };
}

/** The 64-bit numbers of the ZIP64 extra field (id 1), in the order of the fields that are too large for 32 bits. */
function wideNumbers(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1 && at + 4 + length <= extra.byteLength)
      return Array.from({ length: Math.floor(length / 8) }, (_, i) => Number(extra.getBigUint64(at + 4 + 8 * i, true)));
    at += 4 + length;
  }
  return [];
}

function parseDirectory(file: OpenFile, view: DataView, count: number): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > view.byteLength || u32(at) !== CENTRAL)
      throw damaged(file, 'the directory of the archive ends early');
    const [nameLength, extraLength, commentLength] = [u16(at + 28), u16(at + 30), u16(at + 32)];
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > view.byteLength) throw damaged(file, 'the directory of the archive ends early');
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameLength));
    const wide = wideNumbers(new DataView(view.buffer, at + 46 + nameLength, extraLength));
    const number = (value: number) => (value === UNKNOWN32 ? (wide.shift() ?? value) : value);
    const [size, compressed, offset] = [number(u32(at + 24)), number(u32(at + 20)), number(u32(at + 42))];
    if ((u16(at + 8) & 1) !== 0) throw damaged(file, 'the entry is encrypted', name);
    if (entries.has(name)) throw damaged(file, 'the entry is there twice', name);
    entries.set(name, { name, method: u16(at + 10), crc: u32(at + 16), compressed, size, offset });
    at = next;
  }
  return entries;
}

export class ZipReader {
  readonly #file: OpenFile;
  readonly #entries: Map<string, ZipEntry>;
  #bytesRead = 0;

  private constructor(file: OpenFile, entries: Map<string, ZipEntry>) {
    this.#file = file;
    this.#entries = entries;
  }

  static async open(file: OpenFile): Promise<ZipReader> {
    const { count, size, offset } = await findDirectory(file);
    if (size > MAX_DIRECTORY || count * 46 > size)
      throw damaged(file, `the directory of the archive has a wrong size (${size} bytes)`);
    return new ZipReader(file, parseDirectory(file, await read(file, offset, size), count));
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  /** Size in bytes of an entry once read; undefined where there is none. */
  size(name: string): number | undefined {
    return this.#entries.get(name)?.size;
  }

  /** The bytes of an entry. Throws a BandliftError for what is missing, damaged, of unknown compression or too large. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.#file;
    const entry = this.#entries.get(name);
    if (entry === undefined) throw damaged(file, 'the entry is missing', name);
    this.#bytesRead += entry.size;
    if (!(this.#bytesRead <= MAX_RATIO * file.size))
      throw damaged(file, `the entries are more than ${MAX_RATIO} times larger than the file`, name);
    const local = await read(file, entry.offset, 30);
    if (local.getUint32(0, true) !== LOCAL) throw damaged(file, 'the entry has no header', name);
    const start = entry.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    const stored = new Uint8Array((await read(file, start, entry.compressed)).buffer as ArrayBuffer);
    const bytes = await this.#expand(entry, stored);
    if (bytes.length !== entry.size || crc32(bytes) !== entry.crc)
      throw damaged(file, 'size or checksum of the entry is wrong', name);
    return bytes;
  }

  async #expand(entry: ZipEntry, stored: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (entry.method === 0) return stored;
    if (entry.method !== 8)
      throw damaged(this.#file, `the entry has an unknown compression (${entry.method})`, entry.name);
    try {
      // one byte more than declared is enough to notice that there is more
      const out = await inflate(stored, { maxOutputLength: entry.size + 1 });
      return new Uint8Array(out); // its own, aligned memory
    } catch {
      throw damaged(this.#file, 'the entry cannot be inflated to its size', entry.name);
    }
  }
}
