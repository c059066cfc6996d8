/**
 * The files in an uncompressed tar archive (POSIX ustar, GNU), found without unpacking: each lies in one piece. Nothing in
 * the archive is believed: sizes are held against the file's before anything is read.
 */
import { BandliftError } from '../base/errors.js';
import { type OpenFile, readAt, withFile } from '../base/files.js';

export interface TarMember {
  /** The archive. */
  readonly archive: string;
  /** As the archive has it, without a leading './'. */
  readonly name: string;
  /** Where its bytes begin, and how many there are. */
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MOST_MEMBERS = 10_000;
/** The longest name or set of attributes that stands in a member of its own. */
const MOST_TEXT = 65536;

/** Text up to the first 0. */
const text = (block: Buffer, at: number, length: number) =>
  block.toString('utf8', at, at + length).replace(/\0[\s\S]*$/, '');

/** A number: octal digits, or (GNU, for large ones) binary with the highest bit set. */
function number(block: Buffer, at: number, length: number): number {
  if ((block[at]! & 0x80) === 0) {
    const digits = text(block, at, length).trim();
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
  }
  let value = block[at]! & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
  return value;
}

/** The sum of a header's bytes, its own field counted as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum;
}

const isHeader = (block: Buffer) => number(block, 148, 8) === checksum(block);

/** 'path' and 'size' of a pax member ("27 path=a/b\n"). */
function paxEntries(bytes: Buffer): Map<string, string> {
  const entries = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const [, length] = /^(\d{1,6}) /.exec(bytes.toString('latin1', at, at + 8)) ?? [];
    const size = Number(length);
    if (!(size > 0) || at + size > bytes.length) break;
    const [, key, value] = /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(bytes.toString('utf8', at, at + size)) ?? [];
    if (key !== undefined) entries.set(key, value!);
    at += size;
  }
  return entries;
}

async function readBlock(file: OpenFile, at: number, size = BLOCK): Promise<Buffer> {
  const block = Buffer.alloc(size);
  await readAt(file, at, block);
  return block;
}

/** Whether a file begins as a tar archive does. */
export const beginsLikeTar = (path: string): Promise<boolean> =>
  withFile(path, async (file) => file.size >= 2 * BLOCK && isHeader(await readBlock(file, 0)));

/** The regular files of an archive. Errors: BandliftError for what is no archive, cut off or damaged. */
export function listTar(path: string): Promise<TarMember[]> {
  return withFile(path, async (file) => {
    const fail = (message: string, at: number, expected: string): never => {
      throw new BandliftError(message, {
        file: path,
        field: `byte ${at}`,
        expected,
        hint: 'the archive is damaged or incomplete; copy or download it again',
      });
    };
    const members: TarMember[] = [];
    let longName: string | undefined;
    let longSize: number | undefined;
    for (let at = 0; at < file.size; ) {
      if (at + BLOCK > file.size) fail('the archive ends within a header', at, `${BLOCK} bytes of it`);
      const block = await readBlock(file, at);
      // two empty blocks end an archive
      if (block.every((byte) => byte === 0)) break;
      if (!isHeader(block)) fail('cannot be read as a tar archive', at, 'the header of a file');
      const type = String.fromCharCode(block[156]!);
      const size = longSize ?? number(block, 124, 12);
      if (!Number.isSafeInteger(size) || size < 0 || at + BLOCK + size > file.size)
        fail('the archive ends within a file', at, `${size} bytes of it`);
      const special = type === 'L' || type === 'x';
      if (special && size > MOST_TEXT) fail('a name in the archive is too long', at, `at most ${MOST_TEXT} bytes`);
      const own = special ? await readBlock(file, at + BLOCK, size) : undefined;
      if (type === 'L') longName = text(own!, 0, size);
      else if (type === 'x') {
        const entries = paxEntries(own!);
        longName = entries.get('path') ?? longName;
        longSize = entries.has('size') ? Number(entries.get('size')) : undefined;
      } else {
        const prefix = block.toString('latin1', 257, 262) === 'ustar' ? text(block, 345, 155) : '';
        const name = longName ?? `${prefix === '' ? '' : `${prefix}/`}${text(block, 0, 100)}`;
        if (type === '0' || type === '\0')
          members.push({ archive: path, name: name.replace(/^(\.\/)+/, ''), offset: at + BLOCK, size });
        [longName, longSize] = [undefined, undefined];
      }
      if (members.length > MOST_MEMBERS) fail('the archive holds too many files', at, `at most ${MOST_MEMBERS}`);
      at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    }
    return members;
  });
}
