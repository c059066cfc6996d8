/**
 * Exact quantiles of any number of float32 values in bounded memory, by a radix search. Floats are mapped to 32-bit integers
 * of the same order; every pass over the data counts the next bits of the values that share the bits known so far of a
 * wanted one. One to 340 populations settle in two passes of 16 bits (each at most MEMORY of counts); more take more passes.
 * The error is zero whatever the distribution, and counts of parts of the data add up (several workers).
 */

/** Bytes of counts of one pass. */
const MEMORY = 256 * 2 ** 20;

/** Numbers whose bands are counted one after the other: 64 KiB stay in the cache near the core. */
const BLOCK = 2 ** 14;
const SIGN = 0x80000000 | 0;

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** From the unsigned integer whose order is that of the float back to the float. */
function toFloat(ordered: number): number {
  word[0] = (ordered & 0x80000000 ? ordered & 0x7fffffff : ~ordered) >>> 0;
  return float[0]!;
}

/** What to count in a pass. */
export interface CountPlan {
  /** 1 = all bands together, else one per band. */
  readonly populations: number;
  /** Bits known so far, and how many this pass counts. */
  readonly settled: number;
  readonly bits: number;
  /** Wanted prefixes of `settled` bits: [populations, slots]; absent ones repeat an earlier one. */
  readonly prefixes: Uint32Array;
  readonly slots: number;
}

/** Whole numbers, from a loop here or from a device. */
export type ValueCounts = Uint32Array | Float64Array;

/** Length of the counts: [populations, slots, 2^bits]. */
export const countLength = (plan: CountPlan) => plan.populations * plan.slots * 2 ** plan.bits;

/**
 * Counts the values of valid pixels of a patch [pixels, bands] into `counts`. `good` leaves out bands.
 */
export function countInto(
  plan: CountPlan,
  values: Float32Array,
  bands: number,
  valid: Uint8Array | undefined,
  good: Uint8Array | undefined,
  counts: Uint32Array,
): void {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  if (plan.populations === 1 && !valid && !good) bands = 1; // any order will do: in that of the memory
  const pixels = values.length / bands;
  const block = Math.ceil(BLOCK / bands);
  for (let from = 0; from < pixels; from += block) {
    const to = Math.min(pixels, from + block);
    for (let b = 0; b < bands; b++) {
      if (good && good[b] === 0) continue;
      const population = plan.populations === 1 ? 0 : b;
      if (plan.settled === 0) countLeading(plan, population, words, bands, b, from, to, valid, counts);
      else countFollowing(plan, population, words, bands, b, from, to, valid, counts);
    }
  }
}

/** The first pass: the leading bits of every value of one band. */
function countLeading(
  plan: CountPlan,
  population: number,
  words: Int32Array,
  bands: number,
  band: number,
  from: number,
  to: number,
  valid: Uint8Array | undefined,
  counts: Uint32Array,
): void {
  const shift = 32 - plan.bits;
  const base = population << plan.bits;
  for (let p = from, i = from * bands + band; p < to; p++, i += bands) {
    if (valid && valid[p] === 0) continue;
    const w = words[i]!;
    counts[base + ((w ^ ((w >> 31) | SIGN)) >>> shift)]!++;
  }
}

/** Later passes: the next bits of those values whose bits so far are wanted. */
function countFollowing(
  plan: CountPlan,
  population: number,
  words: Int32Array,
  bands: number,
  band: number,
  from: number,
  to: number,
  valid: Uint8Array | undefined,
  counts: Uint32Array,
): void {
  const { prefixes, bits, settled, slots } = plan;
  const known = 32 - settled;
  const shift = known - bits;
  const mask = (1 << bits) - 1;
  const first = population * slots;
  // one wanted prefix after the other: the values lie in the cache, and a loop with one comparison runs fastest
  for (let s = first; s < first + slots; s++) {
    const wanted = prefixes[s]!;
    if (s > first && wanted === prefixes[first]) continue; // fills the place of an absent one
    const base = s << bits;
    for (let p = from, i = from * bands + band; p < to; p++, i += bands) {
      const w = words[i]!;
      const ordered = w ^ ((w >> 31) | SIGN);
      if (ordered >>> known !== wanted || (valid && valid[p] === 0)) continue;
      counts[base + ((ordered >>> shift) & mask)]!++;
    }
  }
}

/** An order statistic on its way: known leading bits, and its rank among the values that share them. */
interface Wanted {
  readonly rank: number;
  prefix: number;
  within: number;
}

export class QuantileSearch {
  readonly #fractions: readonly number[];
  readonly #populations: number;
  readonly #memory: number;
  readonly #counts: number[];
  #wanted: Wanted[][] = [];
  #plan: CountPlan;
  #sum: ValueCounts | undefined;

  /** `fractions` in [0, 1], quantiles as numpy.quantile (linear interpolation). `workers` share the memory. */
  constructor(populations: number, fractions: readonly number[], workers = 1) {
    this.#fractions = fractions;
    this.#populations = populations;
    this.#memory = MEMORY / workers;
    this.#counts = new Array(populations).fill(0);
    this.#plan = this.#makePlan(0, new Uint32Array(populations), 1);
  }

  /** What to count in the next pass over all values; undefined when done. */
  get plan(): CountPlan | undefined {
    return this.#plan.settled === 32 ? undefined : this.#plan;
  }

  /** Values of each population (after the first pass). */
  get counts(): readonly number[] {
    return this.#counts;
  }

  /** Adds the counts of a part of the data; takes the array over. `values` is the number of values counted in all parts. */
  add(counts: ValueCounts, values: number): void {
    if (!this.#sum) {
      // a count cannot exceed the number of values
      this.#sum = values < 2 ** 32 || counts instanceof Float64Array ? counts : Float64Array.from(counts);
      return;
    }
    for (let i = 0; i < counts.length; i++) this.#sum[i]! += counts[i]!;
  }

  /** Ends a pass. */
  advance(): void {
    const { populations, settled, bits, slots, prefixes } = this.#plan;
    const counts = this.#sum!;
    this.#sum = undefined;
    const size = 2 ** bits;
    if (settled === 0) {
      for (let p = 0; p < populations; p++) {
        let n = 0;
        for (let i = p * size; i < (p + 1) * size; i++) n += counts[i]!;
        this.#counts[p] = n;
        this.#wanted.push(ranks(this.#fractions, n).map((rank) => ({ rank, prefix: 0, within: rank })));
      }
    }
    for (let p = 0; p < populations; p++) {
      for (const wanted of this.#wanted[p]!) {
        let slot = p * slots;
        while (prefixes[slot] !== wanted.prefix) slot++;
        let bin = 0;
        while (wanted.within >= counts[slot * size + bin]!) wanted.within -= counts[slot * size + bin++]!;
        wanted.prefix = wanted.prefix * size + bin;
      }
    }
    const distinct = this.#wanted.map((list) => [...new Set(list.map((w) => w.prefix))]);
    const most = Math.max(1, ...distinct.map((list) => list.length));
    const next = new Uint32Array(populations * most);
    distinct.forEach((list, p) => {
      for (let s = 0; s < most; s++) next[p * most + s] = list[s] ?? list[0] ?? 0;
    });
    this.#plan = this.#makePlan(settled + bits, next, most);
  }

  /** Per population the quantiles; NaN where it has no values. */
  result(): number[][] {
    return this.#wanted.map((list, p) => {
      const value = new Map(list.map((w) => [w.rank, toFloat(w.prefix)]));
      return this.#fractions.map((f) => {
        const position = f * (this.#counts[p]! - 1);
        const low = value.get(Math.floor(position)) ?? Number.NaN;
        const high = value.get(Math.ceil(position)) ?? Number.NaN;
        return low + (high - low) * (position - Math.floor(position));
      });
    });
  }

  #makePlan(settled: number, prefixes: Uint32Array, slots: number): CountPlan {
    const room = Math.floor(Math.log2(this.#memory / 4 / (this.#populations * slots)));
    return {
      populations: this.#populations,
      settled,
      bits: Math.max(1, Math.min(16, 32 - settled, room)),
      prefixes,
      slots,
    };
  }
}

/** The order statistics that the fractions lie between. */
function ranks(fractions: readonly number[], count: number): number[] {
  if (count === 0) return [];
  const positions = fractions.map((f) => f * (count - 1));
  return [...new Set(positions.flatMap((p) => [Math.floor(p), Math.ceil(p)]))].sort((a, b) => a - b);
}
