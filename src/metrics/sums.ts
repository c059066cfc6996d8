/**
 * What the metrics of docs/specification.md, section 8 are made of: sums over patches, in double precision, merged in the
 * order of the patches.
 */

export interface EvaluationSums {
  readonly bands: number;
  readonly regions: number;
  validPixels: number;
  // ---- by region ----
  readonly samRad: Float64Array;
  readonly samPixels: Float64Array;
  readonly zeroNorm: Float64Array;
  // ---- by band, over the valid pixels of patches that have the band; e = p - t ----
  readonly bandPixels: Float64Array;
  readonly squaredError: Float64Array;
  readonly absoluteError: Float64Array;
  /** Sum of |e / t| over the values with t != 0, and their number. */
  readonly relativeError: Float64Array;
  readonly relativeCount: Float64Array;
  /** Predicted values below 0. */
  readonly negative: Float64Array;
  readonly targetMax: Float64Array;
  /** Means, and centred sums of squares and products. */
  readonly targetMean: Float64Array;
  readonly predictionMean: Float64Array;
  readonly targetSquares: Float64Array;
  readonly predictionSquares: Float64Array;
  readonly products: Float64Array;
  /** Sum over images of their mean SSIM, and the images that have one. */
  readonly ssim: Float64Array;
  readonly ssimImages: Float64Array;
}

export function emptyEvaluation(bands: number, regions: number): EvaluationSums {
  const byBand = () => new Float64Array(bands);
  const byRegion = () => new Float64Array(regions);
  return {
    bands,
    regions,
    validPixels: 0,
    samRad: byRegion(),
    samPixels: byRegion(),
    zeroNorm: byRegion(),
    bandPixels: byBand(),
    squaredError: byBand(),
    absoluteError: byBand(),
    relativeError: byBand(),
    relativeCount: byBand(),
    negative: byBand(),
    targetMax: byBand().fill(Number.NEGATIVE_INFINITY),
    targetMean: byBand(),
    predictionMean: byBand(),
    targetSquares: byBand(),
    predictionSquares: byBand(),
    products: byBand(),
    ssim: byBand(),
    ssimImages: byBand(),
  };
}

const ADDED = [
  'samRad',
  'samPixels',
  'zeroNorm',
  'squaredError',
  'absoluteError',
  'relativeError',
  'relativeCount',
  'negative',
  'ssim',
  'ssimImages',
] as const;

/** Adds the pixels of `part` to `sums`; means and centred sums by the update of Chan, Golub and LeVeque (1983). */
export function mergeEvaluation(sums: EvaluationSums, part: EvaluationSums): void {
  if (part.validPixels === 0) return;
  for (const name of ADDED) for (let i = 0; i < part[name].length; i++) sums[name][i] += part[name][i];
  for (let b = 0; b < sums.bands; b++) {
    const [n, m] = [sums.bandPixels[b], part.bandPixels[b]];
    if (m === 0) continue;
    sums.bandPixels[b] += m;
    sums.targetMax[b] = Math.max(sums.targetMax[b], part.targetMax[b]);
    const dt = part.targetMean[b] - sums.targetMean[b];
    const dp = part.predictionMean[b] - sums.predictionMean[b];
    const weight = (n * m) / (n + m);
    sums.targetSquares[b] += part.targetSquares[b] + dt * dt * weight;
    sums.predictionSquares[b] += part.predictionSquares[b] + dp * dp * weight;
    sums.products[b] += part.products[b] + dt * dp * weight;
    sums.targetMean[b] += (dt * m) / (n + m);
    sums.predictionMean[b] += (dp * m) / (n + m);
  }
  sums.validPixels += part.validPixels;
}
