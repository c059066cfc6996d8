/**
 * Spectra of one sensor on the bands of another. Where the source samples more finely than the target is wide (at least twice
 * across its full width at half maximum), a band is the mean of the source's bands under a Gaussian of the target's width; where
 * it is coarser, the value on the line between the two bands around the centre. Nothing is extrapolated, neither beyond the
 * ends nor across bands that are bad or missing: such bands of the target are left out.
 */
import { BandliftError } from '../base/errors.js';

/** nm; the target has a width for each band. */
export interface BandGrid {
  readonly wavelength: Float64Array;
  readonly fwhm: Float64Array;
}

export interface SourceBands {
  readonly wavelength: ArrayLike<number>;
  readonly fwhm?: ArrayLike<number>;
  /** 1 = carries data. */
  readonly good: ArrayLike<number>;
}

export const RESAMPLING = {
  none: 0,
  linear: 1,
  gaussian: 2,
} as const;

export const RESAMPLING_RULE =
  'Gaussian of the target fwhm where the source has at least two bands across it, else linear between the neighbouring bands; never extrapolated nor across gaps';

/** A Gaussian is followed to so many of its widths at half maximum: 0.2 % of its height. */
const REACH = 1.5;
/** Neighbours further apart than so many usual steps have a gap between them. */
const GAP = 2;
/** nm */
const TINY = 1e-6;

export interface BandResampling {
  readonly bands: number;
  /** RESAMPLING of each band. */
  readonly rule: Uint8Array;
  /** 1 = made of data. */
  readonly good: Uint8Array;
  /** Full width at half maximum of what the bands are, nm; NaN where unknown or not made. */
  readonly effectiveFwhm: Float64Array;
  /** [pixels, source bands] -> [pixels, bands], 0 in bands that are not made. */
  apply<T extends Float32Array | Float64Array>(values: T, to: T): T;
}

interface Tap {
  readonly from: number;
  readonly weight: number;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** How bands are made of others. Errors: BandliftError where no band can be. */
export function resampleBands(source: SourceBands, target: BandGrid, path: string): BandResampling {
  const { wavelength } = source;
  const good = Array.from({ length: wavelength.length }, (_, b) => b)
    .filter((b) => source.good[b] === 1)
    .sort((a, b) => wavelength[a]! - wavelength[b]!);
  const steps = Array.from(wavelength)
    .sort((a, b) => a - b)
    .flatMap((w, i, all) => (i > 0 && w - all[i - 1]! > TINY ? [w - all[i - 1]!] : []));
  const step = steps.length > 0 ? median(steps) : 0;
  const bands = target.wavelength.length;
  const rule = new Uint8Array(bands);
  const effectiveFwhm = new Float64Array(bands).fill(Number.NaN);
  const taps = Array.from({ length: bands }, (_, t): Tap[] => {
    const [centre, fwhm] = [target.wavelength[t]!, target.fwhm[t]!];
    const at = (i: number) => wavelength[good[i]!]!;
    const after = good.findIndex((b) => wavelength[b]! >= centre - TINY);
    if (after < 0) return [];
    const own = source.fwhm?.[good[after]!] ?? Number.NaN;
    const gap = (i: number) => at(i) - at(i - 1) > GAP * step + TINY;
    if (2 * step <= fwhm + TINY) {
      const reach = good.flatMap((b, i) => (Math.abs(wavelength[b]! - centre) <= REACH * fwhm ? [i] : []));
      // data on both sides of the half maximum, without a gap between
      const inside = reach.filter((i) => Math.abs(at(i) - centre) <= fwhm / 2 + step);
      const [first, last] = [inside[0], inside.at(-1)];
      const covered =
        first !== undefined &&
        at(first) <= centre - fwhm / 2 + TINY &&
        at(last!) >= centre + fwhm / 2 - TINY &&
        inside.every((i) => i === first || !gap(i));
      if (!covered) return [];
      rule[t] = RESAMPLING.gaussian;
      effectiveFwhm[t] = Math.hypot(fwhm, Number.isNaN(own) ? 0 : own);
      const weights = reach.map((i) => Math.exp(-4 * Math.LN2 * ((at(i) - centre) / fwhm) ** 2) * share(i));
      const sum = weights.reduce((a, b) => a + b, 0);
      return reach.map((i, k) => ({ from: good[i]!, weight: weights[k]! / sum }));
    }
    const exact = Math.abs(at(after) - centre) <= TINY;
    if (!exact && (after === 0 || gap(after))) return [];
    rule[t] = RESAMPLING.linear;
    effectiveFwhm[t] = own;
    if (exact) return [{ from: good[after]!, weight: 1 }];
    const part = (centre - at(after - 1)) / (at(after) - at(after - 1));
    return [
      { from: good[after - 1]!, weight: 1 - part },
      { from: good[after]!, weight: part },
    ];
    /** Of the axis, that a band stands for: half of the way to its neighbours. */
    function share(i: number): number {
      const low = i > 0 && !gap(i) ? at(i) - at(i - 1) : step;
      const high = i + 1 < good.length && !gap(i + 1) ? at(i + 1) - at(i) : step;
      return (low + high) / 2;
    }
  });
  const made = Uint8Array.from(rule, (r) => (r === RESAMPLING.none ? 0 : 1));
  if (!made.includes(1))
    throw new BandliftError('has no band that the bands asked for can be made of', {
      file: path,
      field: 'wavelength',
      found: `${wavelength[0]}-${wavelength[wavelength.length - 1]} nm`,
      expected: `${target.wavelength[0]}-${target.wavelength.at(-1)} nm`,
    });
  return {
    bands,
    rule,
    good: made,
    effectiveFwhm,
    apply: (values, to) => {
      const stored = wavelength.length;
      for (let p = 0; p * stored < values.length; p++)
        taps.forEach((of, t) => {
          let sum = 0;
          for (const { from, weight } of of) sum += weight * values[p * stored + from]!;
          to[p * bands + t] = sum;
        });
      return to;
    },
  };
}
