/** Decoded blocks of the files of a scene, the least recently used given up first; bounded in bytes. */
import type { SampleArray } from './tiff_layout.js';

export const DEFAULT_CACHE_BYTES = 64 * 2 ** 20;

export class BlockCache {
  readonly #limit: number;
  readonly #blocks = new Map<string, { readonly block: Promise<SampleArray>; readonly bytes: number }>();
  #bytes = 0;

  constructor(limit = DEFAULT_CACHE_BYTES) {
    this.#limit = limit;
  }

  /** Bytes of the blocks held, those being decoded included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The block `key` of `bytes` decoded bytes, made by `make` unless it is here or on its way. */
  get(key: string, bytes: number, make: () => Promise<SampleArray>): Promise<SampleArray> {
    const found = this.#blocks.get(key);
    if (found) {
      // to the end of the map's order: used last
      this.#blocks.delete(key);
      this.#blocks.set(key, found);
      return found.block;
    }
    const entry = { block: make(), bytes };
    entry.block.catch(() => this.#drop(key, entry));
    this.#blocks.set(key, entry);
    this.#bytes += bytes;
    for (const [oldest, held] of this.#blocks) {
      if (this.#bytes <= this.#limit) break;
      this.#drop(oldest, held);
    }
    return entry.block;
  }

  #drop(key: string, entry: { readonly bytes: number }): void {
    if (this.#blocks.get(key) !== entry) return;
    this.#blocks.delete(key);
    this.#bytes -= entry.bytes;
  }
}
