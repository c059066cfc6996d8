/**
 * Exact order statistics of any number of float32 values in bounded memory: a radix search. Floats are mapped to 32-bit
 * integers of the same order; three passes over the data settle 11, 11 and 10 bits of each wanted value, each pass with
 * one small histogram per wanted value. The result is exact, whatever the distribution.
 */
const BITS = [11, 11, 10] as const;

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The unsigned integer whose order is that of the float. */
export function orderedBits(bits: number): number {
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}

function toFloat(ordered: number): number {
  word[0] = (ordered & 0x80000000 ? ordered & 0x7fffffff : ~ordered) >>> 0;
  return float[0]!;
}

/** Order statistics of one population (a band, or all bands). Call pass() for every value in each of 3 passes. */
export class OrderStatistics {
  count = 0;
  /** Per wanted value: the bits settled so far, the rank within them, and this pass's histogram. */
  #wanted: { prefix: number; rank: number; histogram: Uint32Array }[] = [];
  #settled = 0;
  #pass = 0;
  readonly #fractions: readonly number[];
  #first = new Uint32Array(2 ** BITS[0]);

  /** `fractions` in [0, 1], as in numpy.quantile with linear interpolation. */
  constructor(fractions: readonly number[]) {
    this.#fractions = fractions;
  }

  /** Adds a value (given as the bits of its float32) to the histograms of this pass. */
  add(bits: number): void {
    const value = orderedBits(bits);
    if (this.#pass === 0) {
      this.count++;
      this.#first[value >>> 21]!++;
      return;
    }
    const shift = 32 - this.#settled - BITS[this.#pass]!;
    const mask = 2 ** BITS[this.#pass]! - 1;
    const prefix = value >>> (32 - this.#settled);
    for (const w of this.#wanted) if (w.prefix === prefix) w.histogram[(value >>> shift) & mask]!++;
  }

  /** Ends a pass; the next one must see the same values. */
  endPass(): void {
    if (this.#pass === 0) {
      this.#wanted = this.#ranks().map((rank) => ({ prefix: 0, rank, histogram: this.#first }));
    }
    const bits = BITS[this.#pass]!;
    const done = this.#settled + bits;
    this.#wanted = this.#wanted.map((w) => {
      let rank = w.rank;
      let bin = 0;
      while (rank >= w.histogram[bin]!) rank -= w.histogram[bin++]!;
      const next = BITS[this.#pass + 1];
      return { prefix: w.prefix * 2 ** bits + bin, rank, histogram: new Uint32Array(next === undefined ? 0 : 2 ** next) };
    });
    this.#settled = done;
    this.#pass++;
  }

  /** After three passes: the quantiles, linearly interpolated. */
  quantiles(): number[] {
    const byRank = new Map(this.#ranks().map((rank, i) => [rank, toFloat(this.#wanted[i]!.prefix)]));
    return this.#fractions.map((f) => {
      const position = f * (this.count - 1);
      const low = byRank.get(Math.floor(position))!;
      const high = byRank.get(Math.ceil(position))!;
      return low + (high - low) * (position - Math.floor(position));
    });
  }

  /** The order statistics that the fractions lie between. */
  #ranks(): number[] {
    const positions = this.#fractions.map((f) => f * (this.count - 1));
    return [...new Set(positions.flatMap((p) => [Math.floor(p), Math.ceil(p)]))];
  }
}
