/** Arrays of numbers by a key, the least recently used given up first; bounded in bytes. What is being made is made once. */
export class TileCache {
  readonly #limit: number;
  readonly #entries = new Map<string, { readonly made: Promise<Float32Array>; bytes: number }>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, make: () => Promise<Float32Array>): Promise<Float32Array> {
    const found = this.#entries.get(key);
    if (found) {
      // to the end of the map's order: used last
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found.made;
    }
    const entry = { made: make(), bytes: 0 };
    this.#entries.set(key, entry);
    entry.made.then(
      (values) => this.#account(key, entry, values.byteLength),
      () => this.#entries.delete(key),
    );
    return entry.made;
  }

  #account(key: string, entry: { readonly made: Promise<Float32Array>; bytes: number }, bytes: number): void {
    if (this.#entries.get(key) !== entry) return;
    entry.bytes = bytes;
    this.#bytes += bytes;
    for (const [oldest, held] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      if (held.bytes === 0) continue; // being made
      this.#entries.delete(oldest);
      this.#bytes -= held.bytes;
    }
  }
}
