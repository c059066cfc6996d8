/** Decoded bytes of a TIFF block -> samples: byte order and predictors undone. */
import { SAMPLE_ARRAYS, type SampleArray, type TiffLayout } from './tiff_layout.js';

/** Reverses the bytes of every `size`-byte number, in place. */
function swap(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}

/** Predictor 2: every sample is stored as its difference from the one of the same band to the left, modulo 2^bits. */
function undoDifferences(samples: SampleArray, rows: number, rowLength: number, step: number): void {
  for (let row = 0; row < rows; row++)
    for (let i = row * rowLength + step; i < (row + 1) * rowLength; i++) samples[i]! += samples[i - step]!;
}

/** Predictor 2 of 64-bit numbers, as pairs of 32-bit words, the lower one first: modulo 2^64. */
function undoWideDifferences(words: Uint32Array, rows: number, rowLength: number, step: number): void {
  for (let row = 0; row < rows; row++)
    for (let i = row * rowLength + step; i < (row + 1) * rowLength; i++) {
      const [low, before] = [words[2 * i]!, words[2 * (i - step)]!];
      words[2 * i] = low + before;
      words[2 * i + 1]! += words[2 * (i - step) + 1]! + (low + before > 0xffffffff ? 1 : 0);
    }
}

/**
 * Predictor 3 (Adobe's technical note 3): of a row's numbers first all most significant bytes are stored, then the next ...,
 * and of this string of bytes the differences, `step` bytes apart.
 */
function undoFloatDifferences(bytes: Uint8Array, rows: number, rowLength: number, step: number, size: number): void {
  const rowBytes = rowLength * size;
  const copy = new Uint8Array(rowBytes);
  for (let row = 0; row < rows; row++) {
    const line = bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
    for (let i = step; i < rowBytes; i++) line[i]! += line[i - step]!;
    copy.set(line);
    // little endian: the least significant byte first
    for (let i = 0; i < rowLength; i++)
      for (let b = 0; b < size; b++) line[i * size + b] = copy[(size - 1 - b) * rowLength + i]!;
  }
}

/** Samples of a block of `rows` rows, from the first of its bytes on; changes `bytes`. */
export function toSamples(layout: TiffLayout, bytes: Uint8Array<ArrayBuffer>, rows: number): SampleArray {
  const step = layout.chunky ? layout.bands : 1;
  const rowLength = layout.blockWidth * step;
  const used = bytes.subarray(0, rows * rowLength * layout.size);
  if (layout.predictor === 3) undoFloatDifferences(used, rows, rowLength, step, layout.size);
  else if (!layout.littleEndian) swap(used, layout.size);
  if (layout.predictor === 2 && layout.type === 'float64') {
    undoWideDifferences(new Uint32Array(used.buffer, used.byteOffset, 2 * rows * rowLength), rows, rowLength, step);
    return new Float64Array(used.buffer, used.byteOffset, rows * rowLength);
  }
  // a float32 is differenced as the integer of its bits
  const type = layout.predictor === 2 && layout.type === 'float32' ? 'uint32' : layout.type;
  const samples = new SAMPLE_ARRAYS[type](used.buffer, used.byteOffset, rows * rowLength);
  if (layout.predictor === 2) undoDifferences(samples, rows, rowLength, step);
  return type === layout.type ? samples : new Float32Array(used.buffer, used.byteOffset, rows * rowLength);
}
