// TIFF files made byte by byte: what no writer would write. Types: tiff_bytes.d.mts.
import { deflateSync } from 'node:zlib';

const SIZES = { 1: 1, 2: 1, 3: 2, 4: 4, 8: 2, 12: 8, 16: 8 };

/** LZW of 9-bit codes only: the table is cleared before codes would grow. */
function lzw(bytes) {
  const codes = [];
  for (let i = 0; i < bytes.length; i++) {
    if (i % 250 === 0) codes.push(256);
    codes.push(bytes[i]);
  }
  codes.push(257);
  const out = Buffer.alloc(Math.ceil((codes.length * 9) / 8));
  codes.forEach((code, i) => {
    for (let b = 0; b < 9; b++) if ((code >> (8 - b)) & 1) out[(i * 9 + b) >> 3] |= 0x80 >> ((i * 9 + b) & 7);
  });
  return out;
}

/** A frame of one raw block (RFC 8878): magic, single segment with a size of 4 bytes, block header. */
function zstd(bytes) {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0xfd2fb528, 0);
  head[4] = 0b10100000;
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE(1 | (bytes.length << 3), 9, 3);
  return Buffer.concat([head, bytes]);
}

/** Literal runs of up to 128 bytes. */
function packbits(bytes) {
  const out = [];
  for (let i = 0; i < bytes.length; i += 128) {
    const run = bytes.subarray(i, i + 128);
    out.push(run.length - 1, ...run);
  }
  return Buffer.from(out);
}

const COMPRESS = { 1: (b) => b, 5: lzw, 8: deflateSync, 32773: packbits, 50000: zstd };

function blockBytes(o, y0, x0, rows, columns, bands) {
  const size = o.bits / 8;
  const out = Buffer.alloc(rows * columns * bands.length * size);
  let at = 0;
  for (let y = y0; y < y0 + rows; y++)
    for (let x = x0; x < x0 + columns; x++)
      for (const b of bands) {
        const inside = y < o.height && x < o.width;
        const value = inside ? o.value(y, x, b) : 0;
        if (size === 8) out[o.little ? 'writeBigUInt64LE' : 'writeBigUInt64BE'](inside ? o.word(y, x, b) : 0n, at);
        else if (o.format === 3) out[o.little ? 'writeFloatLE' : 'writeFloatBE'](value, at);
        else if (size === 1) out.writeUInt8(value & 255, at);
        else out[o.little ? 'writeUIntLE' : 'writeUIntBE'](value, at, size);
        at += size;
      }
  return (COMPRESS[o.compression] ?? COMPRESS[1])(out);
}

export function makeTiff(options = {}) {
  const o = {
    little: true,
    big: false,
    width: 20,
    height: 15,
    bands: 7,
    bits: 32,
    format: 3,
    compression: 1,
    rows: 4,
    planar: false,
    value: (y, x, b) => (y * 64 + x * 8 + b) / 1024,
    tags: {},
    ...options,
  };
  const [blockRows, blockColumns] = o.tile ? [o.tile, o.tile] : [o.rows, o.width];
  const groups = o.planar
    ? Array.from({ length: o.bands }, (_, b) => [b])
    : [Array.from({ length: o.bands }, (_, b) => b)];
  const blocks = [];
  // at most a few: absurd sizes are for the tags
  if (o.width * o.height <= 2 ** 20)
    for (const bands of groups)
      for (let y = 0; y < o.height; y += blockRows)
        for (let x = 0; x < o.width; x += blockColumns)
          blocks.push(blockBytes(o, y, x, o.tile ?? Math.min(blockRows, o.height - y), blockColumns, bands));
  const header = o.big ? 16 : 8;
  const offsets = [];
  let at = header;
  for (const block of blocks) {
    offsets.push(at);
    at += block.length;
  }
  const word = o.big ? 16 : 4;
  const tags = {
    256: [4, [o.width]],
    257: [4, [o.height]],
    258: [3, Array(o.bands).fill(o.bits)],
    259: [3, [o.compression]],
    262: [3, [1]],
    277: [3, [o.bands]],
    284: [3, [o.planar ? 2 : 1]],
    339: [3, Array(o.bands).fill(o.format)],
    ...(o.tile
      ? { 322: [4, [o.tile]], 323: [4, [o.tile]], 324: [word, offsets], 325: [4, blocks.map((b) => b.length)] }
      : { 273: [word, offsets], 278: [4, [o.rows]], 279: [4, blocks.map((b) => b.length)] }),
    33550: [12, [30, 30, 0]],
    33922: [12, [0, 0, 0, 300000, 4000000, 0]],
    34735: [3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32611]],
    ...o.tags,
  };
  const entries = Object.entries(tags).filter(([, entry]) => entry !== undefined);
  const put = (view, type, value, position) => {
    if (SIZES[type] === 1) view.setUint8(position, value);
    else if (SIZES[type] === 2) view.setUint16(position, value, o.little);
    else if (type === 12) view.setFloat64(position, value, o.little);
    else if (type === 16) view.setBigUint64(position, BigInt(value), o.little);
    else view.setUint32(position, value, o.little);
  };
  const [entryBytes, inline] = o.big ? [20, 8] : [12, 4];
  const table = Buffer.alloc((o.big ? 8 : 2) + entries.length * entryBytes + inline);
  const tableView = new DataView(table.buffer, table.byteOffset, table.length);
  put(tableView, o.big ? 16 : 3, entries.length, 0);
  const extra = [];
  let extraAt = at + table.length;
  entries.forEach(([tag, [type, given, count]], i) => {
    const values = typeof given === 'string' ? [...Buffer.from(`${given}\0`)] : given;
    const bytes = Buffer.alloc(Math.max(inline, values.length * SIZES[type]));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    values.forEach((value, k) => {
      put(view, type, value, k * SIZES[type]);
    });
    const position = (o.big ? 8 : 2) + i * entryBytes;
    put(tableView, 3, Number(tag), position);
    put(tableView, 3, type, position + 2);
    put(tableView, o.big ? 16 : 4, count ?? values.length, position + 4);
    if (values.length * SIZES[type] <= inline) bytes.copy(table, position + entryBytes - inline, 0, inline);
    else {
      put(tableView, o.big ? 16 : 4, extraAt, position + entryBytes - inline);
      extra.push(bytes);
      extraAt += bytes.length;
    }
  });
  const head = Buffer.alloc(header);
  head.write(o.little ? 'II' : 'MM', 'latin1');
  const headView = new DataView(head.buffer, head.byteOffset, head.length);
  headView.setUint16(2, o.big ? 43 : 42, o.little);
  if (o.big) {
    headView.setUint16(4, 8, o.little);
    headView.setBigUint64(8, BigInt(at), o.little);
  } else headView.setUint32(4, at, o.little);
  return Buffer.concat([head, ...blocks, table, ...extra]);
}

/** A little-endian TIFF with a second directory: a mask of one bit a pixel, 1 where `set`. */
export function withMask(tiff, width, height, set) {
  const rowBytes = Math.ceil(width / 8);
  const bits = Buffer.alloc(rowBytes * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (set(y, x)) bits[y * rowBytes + (x >> 3)] |= 0x80 >> (x & 7);
  const at = tiff.length;
  const tags = [
    [254, 4, 4], // NewSubfileType: a mask
    [256, 4, width],
    [257, 4, height],
    [258, 3, 1],
    [259, 3, 1],
    [262, 3, 4],
    [273, 4, at],
    [277, 3, 1],
    [278, 4, height],
    [279, 4, bits.length],
  ];
  const directory = Buffer.alloc(2 + 12 * tags.length + 4);
  directory.writeUInt16LE(tags.length, 0);
  tags.forEach(([tag, type, value], i) => {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(1, 6 + 12 * i);
    if (type === 3) directory.writeUInt16LE(value, 10 + 12 * i);
    else directory.writeUInt32LE(value, 10 + 12 * i);
  });
  const first = tiff.readUInt32LE(4);
  const head = Buffer.from(tiff);
  head.writeUInt32LE(at + bits.length, first + 2 + 12 * tiff.readUInt16LE(first));
  return Buffer.concat([head, bits, directory]);
}
