/**
 * Decoded patches of a worker's files, kept while they fit: later epochs then need not inflate them again. What is in
 * stays in, so that a set larger than the limit is served in part in every epoch, whatever the order.
 */
import { belowInput, type DecodedPatch, inputGoodBands, oneGrid, sideValidity, validity } from './assemble.js';
import type { Hdf5PatchFile } from './hdf5_file.js';

/** Patches that share chunks are read together up to this many bytes, even when none of them can be kept for long. */
const NEIGHBOUR_BYTES = 256 * 2 ** 20;

const bytesOf = (p: DecodedPatch) =>
  p.input.byteLength + p.target.byteLength + (p.valid?.byteLength ?? 0) + (p.inputValid?.byteLength ?? 0);

export class PatchCache {
  readonly #files: readonly Hdf5PatchFile[];
  readonly #limit: number;
  readonly #kept = new Map<string, DecodedPatch>();
  #bytes = 0;
  /** The last group of patches that share chunks: reading in order then inflates each chunk once. */
  #neighbours = new Map<string, DecodedPatch>();

  constructor(files: readonly Hdf5PatchFile[], limit: number) {
    this.#files = files;
    this.#limit = limit;
  }

  /** A stored patch. Throws a BandliftError when it cannot be read. */
  load(file: number, patch: number): DecodedPatch {
    const key = `${file}:${patch}`;
    const found = this.#kept.get(key) ?? this.#neighbours.get(key);
    if (found) return found;
    const source = this.#files[file]!;
    const { info, chunkPatches } = source;
    const bytes =
      (info.height * info.width * (info.outBands + 1) + info.inputHeight * info.inputWidth * info.inBands) * 4;
    let first = patch - (patch % chunkPatches);
    let count = Math.min(chunkPatches, info.patches - first);
    const room = Math.max(NEIGHBOUR_BYTES, this.#limit - this.#bytes);
    if (count * bytes > room) [first, count] = [patch, 1];
    const group = decode(source, first, count);
    this.#neighbours = new Map();
    group.forEach((decoded, i) => {
      this.#keep(`${file}:${first + i}`, decoded, count > 1);
    });
    return group[patch - first]!;
  }

  #keep(key: string, decoded: DecodedPatch, neighbour: boolean): void {
    if (this.#kept.has(key)) return;
    if (this.#bytes + bytesOf(decoded) <= this.#limit) {
      this.#kept.set(key, decoded);
      this.#bytes += bytesOf(decoded);
    } else if (neighbour) {
      this.#neighbours.set(key, decoded);
    }
  }
}

function decode(source: Hdf5PatchFile, first: number, count: number): DecodedPatch[] {
  const { info } = source;
  const inputs = source.read('input', first, count);
  const targets = source.read('target', first, count);
  return inputs.map((input, i) => {
    const target = targets[i]!;
    const mask = source.mask('target', first + i);
    if (oneGrid(info)) {
      const valid = validity(info, input, target, mask);
      return valid ? { input, target, valid } : { input, target };
    }
    const own = source.mask('input', first + i);
    const inputValid = sideValidity(info, input, info.inBands, inputGoodBands(info), own);
    const seen = inputValid ? belowInput(info, inputValid, mask) : mask;
    const valid = sideValidity(info, target, info.outBands, info.goodBands, seen);
    return { input, target, ...(valid && { valid }), ...(inputValid && { inputValid }) };
  });
}
