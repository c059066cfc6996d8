/** A patch file with all that quantiles must leave out, and its quantiles by sorting. */

import { Random } from '../../src/base/random.js';
import type { SideQuantiles } from '../../src/data/statistics.js';
import { writeHdf5 } from './patch_files.js';

const [PATCHES, HEIGHT, WIDTH] = [5, 6, 7];
const PIXELS = HEIGHT * WIDTH;
const NODATA = -9999;
export const BANDS = { input: 3, target: 6 };
/** Of the target; its numbers are NaN or far too large. */
export const BAD_BAND = 4;

/** Both signs, ties, a subnormal number and zeros of both signs. */
function makeSide(bands: number, seed: number): Float32Array {
  const random = new Random(seed);
  const values = Float32Array.from({ length: PATCHES * PIXELS * bands }, () => random.normal() ** 3);
  for (let i = 0; i < values.length; i += 5) values[i] = [0.25, -0.25, 1e-45, 0, -0][random.integer(5)]!;
  return values;
}

const isMasked = (pixel: number) => pixel % 11 === 4;
const isNodata = (pixel: number) => pixel % 13 === 6;
const isNaNBelow = (pixel: number) => pixel % 17 === 8;

function makeSides() {
  const [input, target] = [makeSide(BANDS.input, 21), makeSide(BANDS.target, 22)];
  for (let p = 0; p < PATCHES * PIXELS; p++) {
    if (isMasked(p)) input[p * BANDS.input] = 1e9;
    if (isNodata(p)) input[p * BANDS.input + 1] = NODATA;
    if (isNaNBelow(p)) target[p * BANDS.target + 2] = Number.NaN;
    target[p * BANDS.target + BAD_BAND] = p % 2 === 0 ? Number.NaN : 1e6;
  }
  return { input, target };
}

/** Five patches of 6 x 7 pixels, 3 -> 6 bands, one bad; masked, nodata and NaN pixels. */
export function writeQuantilePatches(path: string): Promise<string> {
  const { input, target } = makeSides();
  const shape = [PATCHES, HEIGHT, WIDTH];
  const mask = Uint8Array.from({ length: PATCHES * PIXELS }, (_, p) => (isMasked(p) ? 0 : 1));
  const good = Uint8Array.from({ length: BANDS.target }, (_, b) => (b === BAD_BAND ? 0 : 1));
  return writeHdf5(
    path,
    {
      landsat: { data: input, shape: [...shape, BANDS.input] },
      aviris: { data: target, shape: [...shape, BANDS.target] },
      mask: { data: mask, shape },
      good_bands: { data: good, shape: [BANDS.target] },
    },
    { nodata: NODATA },
  );
}

/** The definition: sort the valid values, then interpolate linearly at f (n - 1). */
function bySorting(values: readonly number[], fractions: readonly number[]): number[] {
  const sorted = Float32Array.from(values).sort();
  return fractions.map((f) => {
    const at = f * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
    return low + (high - low) * (at - Math.floor(at));
  });
}

/** Quantiles of these patches of the file. */
export function sortedQuantiles(
  patches: readonly number[],
  fractions: readonly number[],
  perBand: boolean,
): SideQuantiles {
  const sides = makeSides();
  const of = (side: 'input' | 'target') => {
    const bands = BANDS[side];
    const lists: number[][] = Array.from({ length: perBand ? bands : 1 }, () => []);
    for (const patch of patches)
      for (let p = patch * PIXELS; p < (patch + 1) * PIXELS; p++) {
        if (isMasked(p) || isNodata(p) || isNaNBelow(p)) continue;
        for (let b = 0; b < bands; b++)
          if (side === 'input' || b !== BAD_BAND) lists[perBand ? b : 0]!.push(sides[side][p * bands + b]!);
      }
    return lists.map((list) => bySorting(list, fractions));
  };
  return { input: of('input'), target: of('target') };
}
