/** Everything that is fitted on the training split before anything is compared, in one pass and in physical units. */
import type { PatchReader } from '../data/loader.js';
import { CovarianceFit } from '../engine/covariance_fit.js';
import { RegressionFit } from '../engine/regression_fit.js';
import { scaledMeanWeights } from './baselines.js';
import { READING } from './measure.js';
import type { Machine } from './method.js';
import { type PrincipalDirections, principalDirections } from './pca.js';

/** What the training split holds. */
export interface TrainingPatches {
  readonly reader: PatchReader;
  /** Numbers of its patches. */
  readonly train: readonly number[];
  readonly masked: boolean;
  /** [bands], 1 = good. */
  readonly good: Uint8Array;
}

type Weights = ReadonlyMap<string, Float32Array>;

export interface FittedBaselines {
  /** Parameters of `ridge` models. */
  readonly scaledMean: Weights;
  readonly ridge: Weights;
  /** Of a `quadratic_ridge` model. */
  readonly quadratic: Weights;
  /** Of the true spectra. */
  readonly directions: PrincipalDirections;
}

/** @param progress told after each patch */
export async function fitBaselines(
  { reader, train, masked, good }: TrainingPatches,
  { device }: Machine,
  progress: () => void,
): Promise<FittedBaselines> {
  const { inBands, outBands, height, width } = reader.set;
  const shared = { height, width, pixelMask: masked, ...(device ? { device } : {}) };
  const fits: { dispose(): void }[] = [];
  const opened = <T extends { dispose(): void }>(fit: T): T => {
    fits.push(fit);
    return fit;
  };
  try {
    const linear = opened(await RegressionFit.create({ kind: 'linear', inBands, outBands, ...shared }));
    const quadratic = opened(await RegressionFit.create({ kind: 'quadratic', inBands, outBands, ...shared }));
    const spectra = opened(await CovarianceFit.create({ bands: outBands, ...shared }));
    for await (const batch of reader.batches({ patches: train, ...READING, mask: masked })) {
      await linear.add(batch);
      await quadratic.add(batch);
      await spectra.add(batch.target, batch.mask);
      batch.release();
      progress();
    }
    const weights = ({ weight, bias }: { weight: Float32Array; bias: Float32Array }): Weights =>
      new Map([
        ['regression.weight', weight],
        ['regression.bias', bias],
      ]);
    const means = await reader.meanSpectra(train);
    return {
      scaledMean: scaledMeanWeights(means.input, means.target),
      ridge: weights(linear.solve()),
      quadratic: weights(quadratic.solve()),
      directions: principalDirections(spectra.result(), good),
    };
  } finally {
    for (const fit of fits) fit.dispose();
  }
}
