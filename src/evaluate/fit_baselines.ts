/** The closed-form baselines of a training split, in physical units: from sums over its pixels, which checkpoints keep. */
import type { TrainingStatistics } from '../checkpoint/checkpoint.js';
import type { PatchReader } from '../data/loader.js';
import { type BandGroup, bandGroups, scatterGroups } from '../fit/band_groups.js';
import { CovarianceFit } from '../fit/covariance_fit.js';
import { DEFAULT_LAMBDA, RegressionFit } from '../fit/regression_fit.js';
import { type RegressionSolution, solveRidge } from '../fit/ridge_solve.js';
import { regressionFeatureCount } from '../models/regression.js';
import { scaledMeanWeights } from './baselines.js';
import { READING } from './measure.js';
import type { Machine } from './method.js';
import { type PrincipalDirections, principalDirections } from './pca.js';

/** Patches of a set that something is fitted on. */
export interface FittedPatches {
  readonly reader: PatchReader;
  /** Their numbers. */
  readonly patches: readonly number[];
  readonly masked: boolean;
}

type Weights = ReadonlyMap<string, Float32Array>;

export interface FittedBaselines {
  /** Parameters of `ridge` models. */
  readonly scaledMean: Weights;
  readonly ridge: Weights;
  /** Of a `quadratic_ridge` model. */
  readonly quadratic: Weights;
}

/**
 * Sums of the valid pixels of these patches.
 * @param lambda penalty of the regressions that will be made of them
 * @param progress told after each patch
 */
export async function fitStatistics(
  { reader, patches, masked }: FittedPatches,
  { device }: Machine,
  progress: () => void = () => {},
  lambda: number = DEFAULT_LAMBDA,
): Promise<TrainingStatistics> {
  const { inBands, outBands, height, width } = reader.set;
  const fit = await RegressionFit.create({
    kind: 'quadratic',
    inBands,
    outBands,
    height,
    width,
    pixelMask: masked,
    ...(device ? { device } : {}),
  });
  try {
    for await (const batch of reader.batches({ patches, ...READING, mask: masked })) {
      await fit.add(batch);
      batch.release();
      progress();
    }
    return { ...fit.sums(), lambda };
  } finally {
    fit.dispose();
  }
}

const parameters = ({ weight, bias }: { weight: Float32Array; bias: Float32Array }): Weights =>
  new Map([
    ['regression.weight', weight],
    ['regression.bias', bias],
  ]);

/** The baselines that follow from the sums. The linear regression's sums are those of the first features and of the 1. */
export function baselinesOf(
  statistics: TrainingStatistics,
  { inBands, outBands }: { readonly inBands: number; readonly outBands: number },
): FittedBaselines {
  const { lambda } = statistics;
  const ones = regressionFeatureCount('quadratic', inBands);
  const size = ones + 1;
  const linear = [...Array.from({ length: inBands }, (_, i) => i), ones];
  const groups = bandGroups(statistics, outBands);
  const each = (features: number, solve: (group: BandGroup) => RegressionSolution) =>
    parameters(scatterGroups(groups, outBands, features, solve));
  return {
    scaledMean: each(inBands, ({ bands, gram, cross }) => {
      const pixels = gram[ones * size + ones]!;
      const mean = (sums: Float64Array) => sums.map((sum) => sum / pixels);
      const weights = scaledMeanWeights(
        mean(gram.slice(ones * size, ones * size + inBands)),
        mean(cross.slice(ones * bands.length, size * bands.length)),
      );
      return { weight: weights.get('regression.weight')!, bias: weights.get('regression.bias')! };
    }),
    ridge: each(inBands, ({ bands, gram, cross }) => {
      const n = bands.length;
      const linearGram = Float64Array.from(linear.flatMap((i) => linear.map((j) => gram[i * size + j]!)));
      const linearCross = Float64Array.from(linear.flatMap((i) => [...cross.subarray(i * n, (i + 1) * n)]));
      return solveRidge(linearGram, linearCross, n, lambda);
    }),
    quadratic: each(ones, ({ bands, gram, cross }) => solveRidge(gram, cross, bands.length, lambda)),
  };
}

/**
 * Principal directions of the true spectra of these patches, for the oracle.
 * @param good [bands], 1 = good
 */
export async function fitDirections(
  { reader, patches, masked }: FittedPatches,
  good: Uint8Array,
  { device }: Machine,
  progress: () => void,
): Promise<PrincipalDirections> {
  const { outBands: bands, height, width } = reader.set;
  const fit = await CovarianceFit.create({ bands, height, width, pixelMask: masked, ...(device ? { device } : {}) });
  try {
    for await (const batch of reader.batches({ patches, ...READING, mask: masked })) {
      await fit.add(batch.target, batch.mask);
      batch.release();
      progress();
    }
    return principalDirections(fit.result(), good);
  } finally {
    fit.dispose();
  }
}
