/** Compressed blocks of a TIFF -> bytes. Each decoder is given the size that is expected and never makes more. */
import { promisify } from 'node:util';
import { constants, inflate } from 'node:zlib';
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

/**
 * Decodes a block.
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
  let out: Uint8Array | undefined;
  switch (compression) {
    case 'none':
      out = data;
      break;
    case 'deflate':
      // off the main thread; a truncated stream gives what it has, which is then found to be too short
      out = await inflateAsync(data, {
        maxOutputLength: most,
        chunkSize: Math.max(1024, Math.min(most + 1, 2 ** 20)),
        finishFlush: constants.Z_SYNC_FLUSH,
      });
      break;
    case 'zstd':
      await zstd.init();
      // a failure comes back as an empty result
      out = zstd.decode(data, most);
      break;
    default: {
      const buffer = new Uint8Array(most);
      const written = (compression === 'lzw' ? decodeLzw : decodePackbits)(data, buffer);
      out = written === undefined ? undefined : buffer.subarray(0, written);
    }
  }
  if (out === undefined) throw new Error('the compressed data are damaged');
  if (out.length < least) throw new Error(`${out.length} bytes came out, expected ${least}`);
  // sample arrays want a buffer that begins at 0
  const own = out.buffer instanceof ArrayBuffer && out.byteOffset % 8 === 0;
  return own ? (out as Uint8Array<ArrayBuffer>) : Uint8Array.from(out);
}
