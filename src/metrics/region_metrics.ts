/** The metrics of docs/specification.md, section 8 from sums, by band and by region. */
import type { BandRegion } from './band_regions.js';
import type { EvaluationSums } from './sums.js';
import type { Bands, MethodResult, RegionMetrics } from './types.js';

const DEGREES = 180 / Math.PI;

/** Mean of the numbers that are defined (an infinite PSNR is); NaN when none is. */
function meanDefined(values: readonly number[]): number {
  const defined = values.filter((v) => !Number.isNaN(v));
  return defined.reduce((sum, v) => sum + v, 0) / defined.length;
}

/** By band; NaN for bands that do not count. */
export type BandMetrics = MethodResult['byBand'];

export function bandMetrics(sums: EvaluationSums, counted: ArrayLike<number>): BandMetrics {
  const n = sums.bandPixels;
  const each = (value: (b: number) => number) =>
    Array.from({ length: sums.bands }, (_, b) => (counted[b] && n[b] > 0 ? value(b) : Number.NaN));
  const rmse = each((b) => Math.sqrt(sums.squaredError[b] / n[b]));
  return {
    rmse,
    mae: each((b) => sums.absoluteError[b] / n[b]),
    // without a positive value a band has no peak
    psnr: each((b) => (sums.targetMax[b] > 0 ? 20 * Math.log10(sums.targetMax[b] / rmse[b]!) : Number.NaN)),
    ssim: each((b) => sums.ssim[b] / sums.ssimImages[b]),
    cc: each((b) => {
      const spread = sums.targetSquares[b] * sums.predictionSquares[b];
      // without variation there is no correlation; rounding can leave a little less than nothing
      return spread > 0 ? sums.products[b] / Math.sqrt(spread) : Number.NaN;
    }),
  };
}

/**
 * @param index of the region in the sums
 * @param ratio fine pixels per coarse pixel, of ERGAS: 7.5 for stage 2, 1 where both sides have one grid
 */
function regionMetrics(
  sums: EvaluationSums,
  region: BandRegion,
  index: number,
  byBand: BandMetrics,
  ratio: number,
): RegionMetrics {
  const bands = Array.from({ length: sums.bands }, (_, b) => b).filter((b) => region.mask[b] === 1);
  const total = (values: ArrayLike<number>) => bands.reduce((sum, b) => sum + values[b]!, 0);
  const mean = (values: readonly number[]) => meanDefined(bands.map((b) => values[b]!));
  const values = total(sums.bandPixels);
  const relativeSquares = bands.map((b) => sums.squaredError[b] / sums.bandPixels[b] / sums.targetMean[b] ** 2);
  return {
    bands: region.bands,
    samDeg: (sums.samRad[index] / sums.samPixels[index]) * DEGREES,
    rmse: Math.sqrt(total(sums.squaredError) / values),
    mae: total(sums.absoluteError) / values,
    mrae: total(sums.relativeError) / total(sums.relativeCount),
    psnr: mean(byBand.psnr),
    ssim: mean(byBand.ssim),
    ergas: (100 / ratio) * Math.sqrt(meanDefined(relativeSquares.map((v) => (Number.isFinite(v) ? v : Number.NaN)))),
    cc: mean(byBand.cc),
    negativeShare: total(sums.negative) / values,
  };
}

/** All regions and bands of one method. `regions` in the order of the sums, 'all' first. */
export function methodMetrics(
  sums: EvaluationSums,
  regions: readonly BandRegion[],
  ratio: number,
): Pick<MethodResult, 'regions' | 'byBand' | 'validPixels' | 'zeroNormPixels'> {
  const byBand = bandMetrics(sums, regions[0]!.mask);
  const entries = regions.map((region, i): [Bands, RegionMetrics] => [
    region.name,
    regionMetrics(sums, region, i, byBand, ratio),
  ]);
  return {
    regions: Object.fromEntries(entries),
    byBand,
    validPixels: sums.validPixels,
    zeroNormPixels: sums.zeroNorm[0],
  };
}
