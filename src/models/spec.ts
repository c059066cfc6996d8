/** What a network is, with every size an option. Stored as JSON in checkpoints; parameter names as in PyTorch checkpoints. */

/**
 * A path that adds a closed-form regression from the input bands to the network's output, so that training starts at
 * the regression and can only improve on it. Its weights (`regression.weight` [out, features], `regression.bias` [out])
 * are fitted before training and frozen. 'none' in imported models.
 */
export type RegressionPath = 'none' | 'linear' | 'quadratic';

export interface SpectralSrSpec {
  readonly kind: 'spectral_sr';
  readonly inBands: number;
  readonly outBands: number;
  readonly hidden: number;
  readonly blocks: number;
  /** Direction of the 1-D convolutions: along the flattened image (as the existing weights), along a row, along wavelength. */
  readonly axis: 'raster' | 'row' | 'spectral';
  readonly regression: RegressionPath;
}

export interface SpectralUnmixingSpec {
  readonly kind: 'spectral_unmixing';
  readonly inBands: number;
  readonly outBands: number;
  readonly endmembers: number;
  /** 'none' as in existing checkpoints, 'softplus' keeps endmember spectra non-negative. */
  readonly constraint: 'none' | 'softplus';
  readonly regression: RegressionPath;
}

/** The closed-form baselines, as models of their own: only the regression path. */
export interface RegressionSpec {
  readonly kind: 'ridge' | 'quadratic_ridge';
  readonly inBands: number;
  readonly outBands: number;
}

export type ModelSpec = SpectralSrSpec | SpectralUnmixingSpec | RegressionSpec;
export type ModelKind = ModelSpec['kind'];
