/**
 * The first directory of a TIFF or BigTIFF file: tags and their values. Nothing in a file is believed: counts and offsets
 * are held against the size of the file before memory is taken.
 *
 * We parse ourselves, since the decoders on npm take sizes from the file as they stand: a wrong count or an LZW tile that is
 * large enough ends the process.
 */
import { BandliftError } from '../base/errors.js';
import { type OpenFile, readAt } from '../base/files.js';

export const TAG = {
  subfileType: 254,
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  fillOrder: 266,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  predictor: 317,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  sampleFormat: 339,
  pixelScale: 33550,
  tiepoint: 33922,
  transformation: 34264,
  geoKeys: 34735,
  geoDoubles: 34736,
  geoAscii: 34737,
  gdalMetadata: 42112,
  gdalNodata: 42113,
} as const;
export type TagName = keyof typeof TAG;

/** Bytes of the TIFF types; 0: not used by any tag we read. */
const TYPE_BYTES: Record<number, number> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};
const ASCII = 2;
/** More entries than any writer makes. */
const MOST_ENTRIES = 4096;
/** The longest list we read: offsets of 16 million blocks. */
const MOST_VALUES = 2 ** 24;

export interface TiffTags {
  readonly littleEndian: boolean;
  /** Where the next directory lies; 0 after the last. */
  readonly next: number;
  /** Values of a tag, undefined where the file lacks it. Throws a BandliftError when they do not lie in the file. */
  numbers(name: TagName): Promise<number[] | undefined>;
  text(name: TagName): Promise<string | undefined>;
}

interface Entry {
  readonly type: number;
  readonly count: number;
  /** Where the values begin in the file. */
  readonly position: number;
}

const damaged = (file: OpenFile, field: string, found: string | number, expected: string) =>
  new BandliftError('cannot be read as TIFF', {
    file: file.path,
    field,
    found,
    expected,
    hint: 'the file is damaged or incomplete; copy or make it again',
  });

async function readView(file: OpenFile, position: number, length: number, field: string): Promise<DataView> {
  if (!(Number.isSafeInteger(position) && position >= 0 && position + length <= file.size))
    throw damaged(file, field, `bytes ${position} to ${position + length}`, `within the file's ${file.size} bytes`);
  const bytes = new Uint8Array(length);
  await readAt(file, position, bytes);
  return new DataView(bytes.buffer);
}

/**
 * Reads the header and a directory of an open file. Errors: BandliftError naming the file and the field.
 *
 * @param at where the directory lies; the first one without it
 */
export async function readTiffTags(file: OpenFile, at?: number): Promise<TiffTags> {
  const short = Math.min(16, file.size);
  const header = await readView(file, 0, short, 'header');
  const order = short < 8 ? 0 : header.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d)
    throw new BandliftError('not a TIFF file', {
      file: file.path,
      hint: file.size === 0 ? 'the file is empty' : 'it does not begin like TIFF; is it the right one?',
    });
  const little = order === 0x4949;
  const magic = header.getUint16(2, little);
  const big = magic === 43;
  if (magic !== 42 && !(big && short === 16 && header.getUint16(4, little) === 8))
    throw new BandliftError('not a TIFF file', {
      file: file.path,
      field: 'header',
      found: magic,
      expected: '42 or 43',
    });

  const offset = (view: DataView, at: number) =>
    big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  const start = at ?? offset(header, big ? 8 : 4);
  const countBytes = big ? 8 : 2;
  const countView = await readView(file, start, countBytes, 'directory');
  const entries = big ? Number(countView.getBigUint64(0, little)) : countView.getUint16(0, little);
  if (entries < 1 || entries > MOST_ENTRIES)
    throw damaged(file, 'directory', `${entries} tags`, `1 to ${MOST_ENTRIES}`);
  const entryBytes = big ? 20 : 12;
  const view = await readView(file, start + countBytes, entries * entryBytes, 'directory');
  const inline = big ? 8 : 4;
  const table = new Map<number, Entry>();
  for (let i = 0; i < entries; i++) {
    const entryAt = i * entryBytes;
    const type = view.getUint16(entryAt + 2, little);
    const count = offset(view, entryAt + 4);
    const valuesAt = entryAt + entryBytes - inline;
    const fits = count * (TYPE_BYTES[type] ?? 0) <= inline;
    table.set(view.getUint16(entryAt, little), {
      type,
      count,
      position: fits ? start + countBytes + valuesAt : offset(view, valuesAt),
    });
  }

  const read = async (name: TagName): Promise<{ view: DataView; entry: Entry; size: number } | undefined> => {
    const entry = table.get(TAG[name]);
    if (entry === undefined) return undefined;
    const size = TYPE_BYTES[entry.type];
    if (size === undefined) throw damaged(file, `tag ${name}`, `type ${entry.type}`, 'a type of numbers or text');
    if (entry.count < 1 || entry.count > MOST_VALUES)
      throw damaged(file, `tag ${name}`, `${entry.count} values`, `1 to ${MOST_VALUES}`);
    return { view: await readView(file, entry.position, entry.count * size, `tag ${name}`), entry, size };
  };
  const end = start + countBytes + entries * entryBytes;
  // some writers leave the last number out
  const next = end + inline <= file.size ? offset(await readView(file, end, inline, 'directory'), 0) : 0;
  return {
    littleEndian: little,
    next,
    async numbers(name) {
      const found = await read(name);
      if (found === undefined) return undefined;
      const { view: values, entry, size } = found;
      if (entry.type === ASCII) throw damaged(file, `tag ${name}`, 'text', 'numbers');
      return Array.from({ length: entry.count }, (_, i) => number(values, i * size, entry.type, little));
    },
    async text(name) {
      const found = await read(name);
      if (found === undefined) return undefined;
      if (found.entry.type !== ASCII) throw damaged(file, `tag ${name}`, `type ${found.entry.type}`, 'text');
      return new TextDecoder('latin1').decode(found.view).replace(/\0[\s\S]*$/, '');
    },
  };
}

function number(view: DataView, at: number, type: number, little: boolean): number {
  switch (type) {
    case 3:
      return view.getUint16(at, little);
    case 4:
    case 13:
      return view.getUint32(at, little);
    case 6:
      return view.getInt8(at);
    case 8:
      return view.getInt16(at, little);
    case 9:
      return view.getInt32(at, little);
    case 11:
      return view.getFloat32(at, little);
    case 12:
      return view.getFloat64(at, little);
    case 16:
    case 18:
      return Number(view.getBigUint64(at, little));
    case 17:
      return Number(view.getBigInt64(at, little));
    default:
      return view.getUint8(at);
  }
}
