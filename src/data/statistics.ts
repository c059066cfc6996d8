/** Numbers about many patches at once: quantiles, mean spectra, spectra drawn at random. Valid pixels only, physical units. */
import { BandliftError } from '../errors.js';
import { Random } from '../random.js';
import { normalizeValues } from './normalize.js';
import { locate } from './patches.js';
import { QuantileSearch } from './quantile.js';
import type { Normalization } from './types.js';
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

function nothingValid(pool: WorkerPool): BandliftError {
  return new BandliftError('the patches hold no valid pixel', {
    file: pool.set.files[0]!.path,
    hint: "check 'mask' and nodata",
  });
}

/**
 * Exact quantiles (as numpy.quantile, linear) of the valid values of good bands, physical units: per side one list, or one
 * per band (NaN for a bad band). Throws a BandliftError when there is no valid pixel.
 */
export async function quantiles(
  pool: WorkerPool,
  patches: readonly number[],
  fractions: readonly number[],
  perBand: boolean,
): Promise<{ input: number[][]; target: number[][] }> {
  const { inBands, outBands } = pool.set;
  const pixels = pool.set.height * pool.set.width;
  const values = patches.length * pixels * outBands;
  const searches = [inBands, outBands].map((bands) => new QuantileSearch(perBand ? bands : 1, fractions, pool.size));
  const [input, target] = searches as [QuantileSearch, QuantileSearch];
  const slice = Math.max(1, Math.floor(MAX_COUNTED / (pixels * Math.max(inBands, outBands))));
  while (input.plan || target.plan) {
    const plans = { input: input.plan, target: target.plan };
    const passes = pool.share(pool.addresses(patches)).map(async ({ worker, patches: own }) => {
      for (let i = 0; i < own.length; i += slice) {
        const counts = await worker.ask('count', {
          window: pool.window,
          patches: own.slice(i, i + slice),
          ...plans,
        });
        if (counts.input) input.add(counts.input, values);
        if (counts.target) target.add(counts.target, values);
      }
    });
    await Promise.all(passes);
    for (const search of searches) if (search.plan) search.advance();
    if (input.counts[0] === 0) throw nothingValid(pool);
  }
  return { input: input.result(), target: target.result() };
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
  if (pixels === 0 || inputPixels === 0) throw nothingValid(pool);
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
    normalizeValues(spectra.input, inBands, normalization.input);
    normalizeValues(spectra.target, outBands, normalization.target);
  }
  return spectra;
}
