/** Compressed blocks of a TIFF -> bytes. Each decoder is given the size that is expected and never makes more. */
import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec';
import type { Compression } from './tiff_layout.js';
import { decodeLzw } from './tiff_lzw.js';

const inflateAsync = promisify(inflate) as (
  data: Uint8Array,
  options: { maxOutputLength: number; chunkSize: number; finishFlush: number },
) => Promise<Uint8Array>;

const zstd = new ZSTDDecoder();

/** Packed runs (TIFF 6.0, section 9): n >= 0: n + 1 bytes follow; n < 0: the next byte, 1 - n times. */
function decodePackbits(data: Uint8Array, out: Uint8Array): number | undefined {
  let written = 0;
  for (let at = 0; at < data.length && written < out.length; ) {
    const n = (data[at++]! << 24) >> 24;
    if (n === -128) continue;
    const count = Math.min(Math.abs(n) + 1, out.length - written);
    if (n >= 0) {
      if (at + count > data.length) return undefined;
      out.set(data.subarray(at, at + count), written);
      at += count;
    } else {
      if (at >= data.length) return undefined;
      out.fill(data[at++]!, written, written + count);
    }
    written += count;
  }
  return written;
}

const inflateOptions = (most: number) => ({
  maxOutputLength: most,
  chunkSize: Math.max(1024, Math.min(most + 1, 2 ** 20)),
  // a truncated stream gives what it has, which is then found to be too short
  finishFlush: constants.Z_SYNC_FLUSH,
});

/** Must have ended before blocks of ZSTD are decoded by `decompressNow`. */
export const prepareCodec = async (compression: Compression): Promise<void> => {
  if (compression === 'zstd') await zstd.init();
};

/**
 * Decodes a block off the main thread where that pays.
 *
 * @param least bytes that must come out, and `most` that may (a last strip is sometimes stored in full height)
 * @returns at least `least` bytes in a buffer of their own
 * @throws Error with the reason, in words, for data that are damaged
 */
export async function decompress(
  compression: Compression,
  data: Uint8Array,
  least: number,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  await prepareCodec(compression);
  return compression === 'deflate'
    ? checked(await inflateAsync(data, inflateOptions(most)), least)
    : decompressNow(compression, data, least, most);
}

/** The same at once. */
export function decompressNow(
  compression: Compression,
  data: Uint8Array,
  least: number,
  most: number,
): Uint8Array<ArrayBuffer> {
  let out: Uint8Array | undefined;
  switch (compression) {
    case 'none':
      out = data;
      break;
    case 'deflate':
      out = inflateSync(data, inflateOptions(most));
      break;
    case 'zstd':
      // a failure comes back as an empty result
      out = zstd.decode(data, most);
      break;
    default: {
      const buffer = new Uint8Array(most);
      const written = (compression === 'lzw' ? decodeLzw : decodePackbits)(data, buffer);
      out = written === undefined ? undefined : buffer.subarray(0, written);
    }
  }
  return checked(out, least);
}

function checked(out: Uint8Array | undefined, least: number): Uint8Array<ArrayBuffer> {
  if (out === undefined) throw new Error('the compressed data are damaged');
  if (out.length < least) throw new Error(`${out.length} bytes came out, expected ${least}`);
  // sample arrays want a buffer that begins at 0
  const own = out.buffer instanceof ArrayBuffer && out.byteOffset % 8 === 0;
  return own ? (out as Uint8Array<ArrayBuffer>) : Uint8Array.from(out);
}
