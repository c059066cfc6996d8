/** Numbers about many patches at once: quantiles, mean spectra, spectra drawn at random. Valid pixels only, physical units. */
import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { Normalizer } from './normalize.js';
import { locate } from './patches.js';
import { type CountPlan, QuantileSearch, type ValueCounts } from './quantile.js';
import type { Normalization, PatchSet } from './types.js';
import type { WorkerPool } from './worker_pool.js';

/** Spectra [count, bands]. */
export interface Spectra {
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly count: number;
}

/** Sampling spectra decodes at most this many patches. */
const MAX_SAMPLED_PATCHES = 256;
/** Counts of a request are 32-bit. */
const MAX_COUNTED = 2 ** 32 - 1;

function nothingValid(set: PatchSet): BandliftError {
  return new BandliftError('the patches hold no valid pixel', {
    file: set.files[0]!.path,
    hint: "check 'mask' and nodata",
  });
}

/** Of each side one list of quantiles, or one per band (NaN for a bad band). */
export interface SideQuantiles {
  readonly input: number[][];
  readonly target: number[][];
}

/**
 * Exact quantiles (as numpy.quantile, linear) of the valid values of good bands, physical units. Throws a BandliftError when
 * there is no valid pixel.
 */
export type Quantiles = (
  patches: readonly number[],
  fractions: readonly number[],
  perBand: boolean,
) => Promise<SideQuantiles>;

type OfSides<T> = Readonly<Record<'input' | 'target', T | undefined>>;

/** Goes over all patches once, counts what each side still wants, and gives the counts, whole or in parts, to `add`. */
export type CountPass = (plans: OfSides<CountPlan>, add: (counts: OfSides<ValueCounts>) => void) => Promise<void>;

/** The search on both sides, whoever counts; `workers` hold counts at the same time. */
export async function searchQuantiles(
  set: PatchSet,
  patches: readonly number[],
  fractions: readonly number[],
  perBand: boolean,
  pass: CountPass,
  workers = 1,
): Promise<SideQuantiles> {
  const { inBands, outBands, height, width } = set;
  const values = patches.length * height * width * outBands;
  const searches = [inBands, outBands].map((bands) => new QuantileSearch(perBand ? bands : 1, fractions, workers));
  const [input, target] = searches as [QuantileSearch, QuantileSearch];
  while (input.plan || target.plan) {
    await pass({ input: input.plan, target: target.plan }, (counts) => {
      if (counts.input) input.add(counts.input, values);
      if (counts.target) target.add(counts.target, values);
    });
    for (const search of searches) if (search.plan) search.advance();
    if (input.counts.every((count) => count === 0)) throw nothingValid(set);
  }
  return { input: input.result(), target: target.result() };
}

/** Quantiles counted by the workers, each its own patches. */
export function quantiles(
  pool: WorkerPool,
  patches: readonly number[],
  fractions: readonly number[],
  perBand: boolean,
): Promise<SideQuantiles> {
  const { inBands, outBands } = pool.set;
  const pixels = pool.set.height * pool.set.width;
  const slice = Math.max(1, Math.floor(MAX_COUNTED / (pixels * Math.max(inBands, outBands))));
  const pass: CountPass = async (plans, add) => {
    const shares = pool.share(pool.addresses(patches)).map(async ({ worker, patches: own }) => {
      for (let i = 0; i < own.length; i += slice)
        add(await worker.ask('count', { window: pool.window, patches: own.slice(i, i + slice), ...plans }));
    });
    await Promise.all(shares);
  };
  return searchQuantiles(pool.set, patches, fractions, perBand, pass, pool.size);
}

/** Mean spectra over the valid pixels of these patches, physical units. Throws a BandliftError when there are none. */
export async function meanSpectra(
  pool: WorkerPool,
  patches: readonly number[],
): Promise<{ input: Float64Array; target: Float64Array; pixels: number }> {
  const { inBands, outBands } = pool.set;
  const all = {
    input: new Float64Array(patches.length * inBands),
    target: new Float64Array(patches.length * outBands),
  };
  let [inputPixels, pixels] = [0, 0];
  const shares = pool.share(pool.addresses(patches)).map(async ({ worker, patches: own, at }) => {
    const sums = await worker.ask('sums', { window: pool.window, patches: own });
    at.forEach((patch, i) => {
      all.input.set(sums.input.subarray(i * inBands, (i + 1) * inBands), patch * inBands);
      all.target.set(sums.target.subarray(i * outBands, (i + 1) * outBands), patch * outBands);
      inputPixels += sums.inputPixels[i]!;
      pixels += sums.pixels[i]!;
    });
  });
  await Promise.all(shares);
  if (pixels === 0 || inputPixels === 0) throw nothingValid(pool.set);
  // added in the order of the patches, whoever read them
  const mean = (sums: Float64Array, bands: number, count: number) => {
    const total = new Float64Array(bands);
    for (let i = 0; i < sums.length; i++) total[i % bands]! += sums[i]!;
    return total.map((sum) => sum / count);
  };
  return { input: mean(all.input, inBands, inputPixels), target: mean(all.target, outBands, pixels), pixels };
}

/**
 * Spectra of `count` valid pixels drawn at random (with replacement) from these patches, physical or normalised (not
 * clipped). Fewer only where patches have no valid pixel at all.
 */
export async function sampleSpectra(
  pool: WorkerPool,
  patches: readonly number[],
  count: number,
  seed: number,
  normalization?: Normalization,
): Promise<Spectra> {
  const { inBands, outBands } = pool.set;
  const random = new Random(seed, 3);
  const chosen = random.shuffle([...patches]).slice(0, MAX_SAMPLED_PATCHES);
  const counts = chosen.map(() => 0);
  for (let i = 0; i < count; i++) counts[random.integer(chosen.length)]!++;
  const draws = chosen.map((p, i) => ({ ...locate(pool.set, p), count: counts[i]!, seed: random.uint32() }));
  const found: { input: Float32Array; target: Float32Array }[] = new Array(draws.length);
  const shares = pool.share(draws).map(async ({ worker, patches: own, at }) => {
    const reply = await worker.ask('spectra', { window: pool.window, patches: own });
    at.forEach((draw, i) => {
      found[draw] = reply.patches[i]!;
    });
  });
  await Promise.all(shares);
  const total = found.reduce((sum, f) => sum + f.input.length / inBands, 0);
  const spectra = {
    input: new Float32Array(total * inBands),
    target: new Float32Array(total * outBands),
    count: total,
  };
  let done = 0;
  for (const f of found) {
    spectra.input.set(f.input, done * inBands);
    spectra.target.set(f.target, done * outBands);
    done += f.input.length / inBands;
  }
  if (normalization) {
    new Normalizer(normalization.input, inBands).normalize(spectra.input);
    new Normalizer(normalization.target, outBands).normalize(spectra.target);
  }
  return spectra;
}
