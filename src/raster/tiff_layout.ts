/** How the pixels of a TIFF lie in its file, checked before any is read: size, numbers, blocks (tiles or strips). */
import { BandliftError } from '../base/errors.js';
import type { OpenFile } from '../base/files.js';
import type { TagName, TiffTags } from './tiff_tags.js';

export type SampleType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32' | 'float64';
export type SampleArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

export const SAMPLE_ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** TIFF's numbers of the compressions we read. */
export const COMPRESSION = {
  1: 'none',
  5: 'lzw',
  8: 'deflate',
  32946: 'deflate',
  32773: 'packbits',
  50000: 'zstd',
} as const;
export type Compression = (typeof COMPRESSION)[keyof typeof COMPRESSION];

export interface TiffLayout {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly type: SampleType;
  /** Bytes of a sample. */
  readonly size: number;
  readonly littleEndian: boolean;
  /** All bands of a pixel side by side; otherwise each band has blocks of its own. */
  readonly chunky: boolean;
  /** Tiles at the right and lower edge are stored whole; the last strip is as high as what is left. */
  readonly tiled: boolean;
  readonly blockHeight: number;
  readonly blockWidth: number;
  readonly blocksDown: number;
  readonly blocksAcross: number;
  /**
   * Blocks to each strip of the file. Uncompressed strips can be read in pieces: a large one (often there is one for the
   * whole image) counts as so many blocks of fewer rows.
   */
  readonly pieces: number;
  readonly compression: Compression;
  /** 1 none, 2 differences of integers, 3 differences of floats. */
  readonly predictor: 1 | 2 | 3;
  /** Of tile or strip (row, column) at row * blocksAcross + column; one list after the other for bands that lie apart. 0: not stored. */
  readonly offsets: readonly number[];
  readonly byteCounts: readonly number[];
  readonly nodata: number | undefined;
}

/** A mosaic of the whole Earth at 30 m has 1.3 million columns. */
const MOST_SIDE = 2 ** 22;
const MOST_BANDS = 4096;
/** A block is decoded whole. */
export const MOST_BLOCK_BYTES = 256 * 2 ** 20;
/** No compressor makes data longer than this much of itself. */
const LONGEST = 1.2;

const SAMPLE_FORMATS: Record<string, SampleType> = {
  '1/8': 'uint8',
  '1/16': 'uint16',
  '1/32': 'uint32',
  '2/8': 'int8',
  '2/16': 'int16',
  '2/32': 'int32',
  '3/32': 'float32',
  '3/64': 'float64',
};
const REWRITE = 'gdal_translate -co COMPRESS=DEFLATE -co PREDICTOR=1 IN OUT writes one that can be read';
const FORMAT_NAMES = ['', 'unsigned integer', 'signed integer', 'floating point'];

/**
 * Describes the image of a file. Errors: BandliftError naming the file, the tag, what was found and what was expected.
 *
 * @param packed the image has one bit a pixel: it is described as bytes of eight pixels, most significant bit first
 */
export async function readTiffLayout(file: OpenFile, tags: TiffTags, packed = false): Promise<TiffLayout> {
  const fail = (field: string, found: string | number, expected: string | number, hint?: string): never => {
    throw new BandliftError('cannot be read', { file: file.path, field, found, expected, ...(hint ? { hint } : {}) });
  };
  const one = async (name: TagName, least: number, most: number, preset?: number): Promise<number> => {
    const value = (await tags.numbers(name))?.[0] ?? preset;
    if (value === undefined) return fail(name, 'nothing', 'a number');
    if (!Number.isInteger(value) || value < least || value > most)
      fail(name, value, `${least} to ${most}`, 'the file is damaged, or no scene');
    return value;
  };
  const side = (pixels: number) => (packed ? Math.ceil(pixels / 8) : pixels);
  const width = side(await one('width', 1, MOST_SIDE));
  const height = await one('height', 1, MOST_SIDE);
  const bands = await one('samplesPerPixel', 1, MOST_BANDS, 1);
  const same = async (name: TagName, preset: number): Promise<number> => {
    const values = (await tags.numbers(name)) ?? [preset];
    if (values.some((value) => value !== values[0]))
      fail(name, [...new Set(values)].join(', '), 'the same for all bands');
    return values[0]!;
  };
  const bits = await same('bitsPerSample', 1);
  const format = await same('sampleFormat', 1);
  const type = packed ? 'uint8' : SAMPLE_FORMATS[`${format}/${bits}`];
  if (type === undefined)
    return fail(
      'sample format',
      `${FORMAT_NAMES[format] ?? `format ${format}`} of ${bits} bits`,
      'integers of 8, 16 or 32 bits, or floats of 32 or 64',
    );
  const code = await one('compression', 1, 65535, 1);
  const compression = COMPRESSION[code as keyof typeof COMPRESSION];
  if (compression === undefined)
    return fail(
      'compression',
      code,
      'none, DEFLATE, LZW, ZSTD or PackBits',
      'gdal_translate -co COMPRESS=DEFLATE -co TILED=YES IN OUT makes one that can be read',
    );
  const predictor = compression === 'none' || compression === 'packbits' ? 1 : await one('predictor', 1, 3, 1);
  const floating = type === 'float32' || type === 'float64';
  if (predictor === 3 && !floating) fail('predictor', predictor, `one that fits ${type}`, REWRITE);
  // libtiff has written these in two ways, and GDAL 3.6 reads its own wrongly
  if (predictor === 3 && !tags.littleEndian)
    fail(
      'predictor',
      '3 in a big-endian file, which programs have written in two ways that cannot be told apart',
      'predictor 1 or 2, or little-endian numbers',
      'write it again with the program that made it: in GDAL and rasterio ENDIANNESS=LITTLE or PREDICTOR=1',
    );
  const chunky = (await one('planarConfiguration', 1, 2, 1)) === 1;

  const tiled = (await tags.numbers('tileWidth')) !== undefined;
  const blockWidth = tiled ? side(await one('tileWidth', 1, MOST_SIDE)) : width;
  // writers say 2^32 - 1 for "all rows in one strip"
  const rows = tiled ? await one('tileHeight', 1, MOST_SIDE) : await one('rowsPerStrip', 1, 2 ** 32 - 1, 2 ** 32 - 1);
  const blockHeight = tiled ? rows : Math.min(rows, height);
  const blocksDown = Math.ceil(height / blockHeight);
  const blocksAcross = Math.ceil(width / blockWidth);
  const blocks = blocksDown * blocksAcross * (chunky ? 1 : bands);
  const size = SAMPLE_ARRAYS[type].BYTES_PER_ELEMENT;
  const blockBytes = blockHeight * blockWidth * size * (chunky ? bands : 1);
  if (blockBytes > MOST_BLOCK_BYTES && !(compression === 'none' && !tiled))
    fail(
      tiled ? 'tile size' : 'strip size',
      `${blockWidth} x ${blockHeight} pixels = ${blockBytes} bytes`,
      `at most ${MOST_BLOCK_BYTES}`,
      'gdal_translate -co TILED=YES -co INTERLEAVE=BAND -co COMPRESS=DEFLATE IN OUT makes smaller ones',
    );
  const list = async (name: TagName): Promise<number[]> => {
    const values = (await tags.numbers(name)) ?? fail(name, 'nothing', `${blocks} entries`);
    if (values.length !== blocks) fail(name, `${values.length} entries`, `${blocks}, one a block`);
    const bad = values.find((value) => !Number.isSafeInteger(value) || value < 0);
    if (bad !== undefined) fail(name, bad, 'whole numbers from 0');
    return values;
  };
  const offsets = await list(tiled ? 'tileOffsets' : 'stripOffsets');
  const byteCounts = await list(tiled ? 'tileByteCounts' : 'stripByteCounts');
  const most = Math.ceil(blockBytes * LONGEST) + 65536;
  for (let i = 0; i < blocks; i++) {
    const [offset, bytes] = [offsets[i]!, byteCounts[i]!];
    if (bytes === 0 || offset === 0) continue;
    if (offset + bytes > file.size)
      fail(
        `${tiled ? 'tile' : 'strip'} ${i}`,
        `a file of ${file.size} bytes`,
        `at least ${offset + bytes}`,
        'the file is cut off; copy or make it again',
      );
    if (bytes > most)
      fail(`${tiled ? 'tile' : 'strip'} ${i}`, `${bytes} bytes`, `at most ${most} for ${blockBytes} decoded`);
  }
  const pieces = compression === 'none' && !tiled ? piecesOf(blockHeight, blockBytes) : 1;
  const nodataText = (await tags.text('gdalNodata'))?.trim();
  // "nan" is usual
  const nodata =
    nodataText === undefined || nodataText === '' ? undefined : Number(nodataText.replace(/^[-+]?nan$/i, 'NaN'));
  return {
    height,
    width,
    bands,
    type,
    size,
    littleEndian: tags.littleEndian,
    chunky,
    tiled,
    blockHeight: blockHeight / pieces,
    blockWidth,
    blocksDown: Math.ceil(height / (blockHeight / pieces)),
    blocksAcross,
    pieces,
    compression,
    predictor: predictor as 1 | 2 | 3,
    offsets,
    byteCounts,
    nodata,
  };
}

/** Pieces are about this large. */
const PIECE_BYTES = 2 ** 20;

/** Into how many pieces of whole rows a strip is cut: pieces must not reach over its end, so a divisor of its rows. */
function piecesOf(rows: number, bytes: number): number {
  let height = Math.max(1, Math.min(rows, Math.floor(PIECE_BYTES / (bytes / rows))));
  while (rows % height !== 0) height--;
  return rows / height;
}
