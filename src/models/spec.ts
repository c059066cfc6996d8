/** What a network is, with every size an option. Stored as JSON in checkpoints; parameter names as in PyTorch checkpoints. */
import type { SpatialRatio } from '../resample/ratio.js';

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

/**
 * Back-projections that keep the fine image within what the coarse image around it allows (src/models/bounded_projection.ts):
 * the least and greatest value of the pixels up to `reach` away, widened by `margin` times their range, and not below `floor`
 * where the coarse image is not. Without it (checkpoints before it) they are plain.
 */
export interface BoundedProjection {
  readonly reach: number;
  readonly margin: number;
  /** What is physically 0, in the numbers the network works with: one for all bands or one for each. */
  readonly floor: readonly number[];
}

/** What the two spatial networks share: the same bands in and out, on a grid `up / down` times as fine (15 / 2 = 7.5). */
interface SpatialSpec extends SpatialRatio {
  readonly inBands: number;
  readonly outBands: number;
  readonly features: number;
  /** Back-projections at the end of the network (docs/specification.md, section 1.5); 0 in existing checkpoints. */
  readonly backProjections: number;
  readonly projection?: BoundedProjection;
}

export interface SpatialSrSpec extends SpatialSpec {
  readonly kind: 'spatial_sr';
  readonly groups: number;
  /** Residual channel-attention blocks in each group. */
  readonly blocks: number;
  /** Features / reduction = width of the channel attention. */
  readonly reduction: number;
}

export interface SpatialLightweightSpec extends SpatialSpec {
  readonly kind: 'spatial_lightweight';
  readonly blocks: number;
}

/** The closed-form baselines of stage 2, as models of their own: bicubic, and bicubic with back-projections. No parameters. */
export interface BicubicSpec extends SpatialRatio {
  readonly kind: 'bicubic';
  readonly inBands: number;
  readonly outBands: number;
  readonly backProjections: number;
  readonly projection?: BoundedProjection;
}

export type SpectralSpec = SpectralSrSpec | SpectralUnmixingSpec | RegressionSpec;
export type SpatialModelSpec = SpatialSrSpec | SpatialLightweightSpec | BicubicSpec;

/** Both stages one after the other, trained together (`--finetune-stage1`); parameters `stage1.*` and `stage2.*`. */
export interface CascadeSpec {
  readonly kind: 'cascade';
  readonly inBands: number;
  readonly outBands: number;
  readonly stage1: SpectralSpec;
  readonly stage2: SpatialModelSpec;
}

/** Whether a model is stage 1: from the bands of a pixel and its neighbours to spectra, on one grid. */
export const isSpectral = (spec: ModelSpec): spec is SpectralSpec => !('up' in spec) && spec.kind !== 'cascade';

export type ModelSpec = SpectralSpec | SpatialModelSpec | CascadeSpec;
export type ModelKind = ModelSpec['kind'];

/** Bounded back-projections of a new network: on the sample and on real cubes what is left of x - D y is then below 1e-3 of x's range. */
export const BOUNDED_ROUNDS = 8;
