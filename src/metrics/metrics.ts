/**
 * Metrics of docs/specification.md, section 8 from accumulated sums, in physical units, and the table that ends every run.
 */

import type { MetricSums } from '../engine/types.js';
import { REGIONS, type Region, regionMask } from '../spectra/bands.js';
import type { MetricRow } from './types.js';

export function emptySums(bands: number): MetricSums {
  return {
    samRad: 0,
    samPixels: 0,
    zeroNormPixels: 0,
    validPixels: 0,
    squaredError: new Float64Array(bands),
    absoluteError: new Float64Array(bands),
    targetSum: new Float64Array(bands),
    targetSquares: new Float64Array(bands),
    targetMax: new Float64Array(bands).fill(Number.NEGATIVE_INFINITY),
  };
}

/**
 * Angle between two spectra in radians, with t taken as the reference: 2 atan2(|u - v|, |u + v|) of the unit vectors, exact
 * where acos loses half its digits. Undefined when either has no length.
 */
function angle(
  p: ArrayLike<number>,
  t: ArrayLike<number>,
  at: number,
  bands: number,
  use?: ArrayLike<number>,
): number | undefined {
  let pp = 0;
  let tt = 0;
  for (let b = 0; b < bands; b++) {
    if (use && !use[b]) continue;
    pp += p[at + b]! ** 2;
    tt += t[at + b]! ** 2;
  }
  if (pp === 0 || tt === 0) return undefined;
  const [np, nt] = [Math.sqrt(pp), Math.sqrt(tt)];
  let minus = 0;
  let plus = 0;
  for (let b = 0; b < bands; b++) {
    if (use && !use[b]) continue;
    const [u, v] = [p[at + b]! / np, t[at + b]! / nt];
    minus += (u - v) ** 2;
    plus += (u + v) ** 2;
  }
  return 2 * Math.atan2(Math.sqrt(minus), Math.sqrt(plus));
}

export interface PixelChoice {
  /** [pixels], 1 = valid; all valid without it. */
  readonly mask?: ArrayLike<number>;
  /** [bands], 1 = takes part in the angle (e.g. regionMask 'clear'); the sums by band are over all bands. */
  readonly bands?: ArrayLike<number>;
}

/**
 * Adds pixels to `sums`: for tests, pictures and small jobs; a trainer's session does the same natively.
 * @param prediction [pixels, bands], physical units
 * @param target the same
 */
export function addPixels(
  sums: MetricSums,
  prediction: ArrayLike<number>,
  target: ArrayLike<number>,
  choice: PixelChoice = {},
): void {
  const bands = sums.squaredError.length;
  if (prediction.length !== target.length || target.length % bands !== 0)
    throw new Error(`metrics: ${prediction.length} predicted and ${target.length} true values of ${bands} bands`);
  for (let p = 0; p * bands < target.length; p++) {
    if (choice.mask && !choice.mask[p]) continue;
    sums.validPixels++;
    const at = p * bands;
    const radians = angle(prediction, target, at, bands, choice.bands);
    if (radians === undefined) sums.zeroNormPixels++;
    else {
      sums.samRad += radians;
      sums.samPixels++;
    }
    for (let b = 0; b < bands; b++) {
      const t = target[at + b]!;
      const error = prediction[at + b]! - t;
      sums.squaredError[b]! += error * error;
      sums.absoluteError[b]! += Math.abs(error);
      sums.targetSum[b]! += t;
      sums.targetSquares[b]! += t * t;
      sums.targetMax[b] = Math.max(sums.targetMax[b]!, t);
    }
  }
}

function peakRatio({ targetMax }: MetricSums, meanSquare: readonly number[]): number {
  const ratios = meanSquare.flatMap((m, b) =>
    targetMax[b]! > 0 ? [20 * Math.log10(targetMax[b]! / Math.sqrt(m))] : [],
  );
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

const degrees = (sums: MetricSums) => ((sums.samRad / sums.samPixels) * 180) / Math.PI;

/**
 * A row from accumulated sums.
 * @param wavelength nm, for the regions
 * @param clear sums of the same pixels whose angles are over the clear bands only
 */
export function summarize(
  label: string,
  sums: MetricSums,
  wavelength?: ArrayLike<number>,
  clear?: MetricSums,
): MetricRow {
  const meanSquare = Array.from(sums.squaredError, (square) => square / sums.validPixels);
  const root = (use: (band: number) => boolean): number | undefined => {
    const chosen = meanSquare.filter((_, b) => use(b));
    return chosen.length === 0 ? undefined : Math.sqrt(chosen.reduce((a, b) => a + b, 0) / chosen.length);
  };
  const rmseByRegion: Partial<Record<Region, number>> = {};
  if (wavelength)
    for (const region of Object.keys(REGIONS) as Region[]) {
      const mask = regionMask(wavelength, region);
      const value = root((b) => mask[b] === 1);
      if (value !== undefined) rmseByRegion[region] = value;
    }
  return {
    label,
    samDeg: degrees(sums),
    rmse: root(() => true) ?? Number.NaN,
    mae: sums.absoluteError.reduce((a, b) => a + b, 0) / (sums.validPixels * meanSquare.length),
    psnr: peakRatio(sums, meanSquare),
    rmseByBand: meanSquare.map(Math.sqrt),
    rmseByRegion,
    ...(clear ? { samClearDeg: degrees(clear) } : {}),
    validPixels: sums.validPixels,
    zeroNormPixels: sums.zeroNormPixels,
  };
}
export { formatMetricsTable } from './table.js';
