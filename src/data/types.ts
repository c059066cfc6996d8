/** Patches on disk, how they are normalised and split, and the batches made of them. */
import type { SpatialRatio } from '../resample/ratio.js';

/**
 * Where the two sides of a patch come from. Fine grid: `landsat` (upsampled) and `aviris`; Landsat's own grid: `landsat_lr`
 * and `aviris_lr` (the true cube degraded to it); `stage1`: stage 1's prediction on Landsat's grid, from its cache.
 * Where a file lacks a *_lr dataset it is made of the fine one (area average of landsat, point spread of aviris).
 */
export interface Sides {
  readonly input: 'landsat' | 'landsat_lr' | 'aviris_lr' | 'stage1';
  readonly target: 'aviris' | 'aviris_lr';
}

/** Stage 1's prediction for the patches of a file: raw float32 [patches, height, width, bands]. */
export interface CachedInput {
  readonly path: string;
  readonly height: number;
  readonly width: number;
  readonly bands: number;
}

/** One HDF5 file of patches; everything checked against the file before anything is read. */
export interface PatchFile {
  readonly path: string;
  readonly patches: number;
  /** Size of the target side, pixels. */
  readonly height: number;
  readonly width: number;
  /** Size of the input side; the same where both sides are on one grid. */
  readonly inputHeight: number;
  readonly inputWidth: number;
  readonly sides: Sides;
  /** Of `aviris` to Landsat's grid, whichever grids the sides lie on. */
  readonly ratio: SpatialRatio;
  readonly inBands: number;
  readonly outBands: number;
  /** Band centres and widths in nm; absent in the plain layout (a warning says so). */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** 1 = good band; of any of its patches, where these differ. */
  readonly goodBands?: Uint8Array;
  /** [stored patches, outBands], 1 = good band of this patch; absent where the file has no such list. */
  readonly bandMask?: Uint8Array;
  readonly units?: string;
  readonly sensor?: string;
  readonly responseHash?: string;
  /** Name of the source scene; the file name without extension where the file does not say. */
  readonly scene: string;
  /** Row and column of each patch's first pixel in the source scene, if known: [patches, 2]. */
  readonly origins?: Int32Array;
  readonly nodata?: number;
  /** Stored value = physical value * scale; batches hold physical values. 1 where the file does not say. */
  readonly scale?: number;
  /** Where patches are cut from larger stored ones: the stored size and the tiles of each, row by row. */
  readonly tiles?: {
    readonly storedHeight: number;
    readonly storedWidth: number;
    readonly rows: number;
    readonly columns: number;
  };
  /** Whether pixels can be invalid (a `mask` dataset or a nodata value): batches then carry a pixel mask. */
  readonly masked: boolean;
}

/** Patches of all files of a data set, numbered file by file. */
export interface PatchSet {
  readonly files: readonly PatchFile[];
  readonly count: number;
  /** Size of the target side, and of the input side. */
  readonly height: number;
  readonly width: number;
  readonly inputHeight: number;
  readonly inputWidth: number;
  readonly sides: Sides;
  readonly inBands: number;
  readonly outBands: number;
  /** For each file, where the input is stage 1's prediction. */
  readonly cached?: readonly CachedInput[];
  /** True where patches differ in their good bands: batches then carry a mask of bands, and targets are 0 where it is. */
  readonly bandMasks?: boolean;
  /** Bands that count at all; all without it. */
  readonly counted?: Uint8Array;
  /** Things the user should know (plain layout without wavelengths, ...). */
  readonly warnings: readonly string[];
}

export interface Split {
  /** 'scene' with two or more scenes, 'block' with a guard band else, 'patch' where origins are unknown (said aloud). */
  readonly method: 'scene' | 'block' | 'patch';
  readonly seed: number;
  readonly train: readonly number[];
  readonly validation: readonly number[];
  readonly test: readonly number[];
  /** Patches left out so that no pixel is in two parts. */
  readonly guard: readonly number[];
  /** One sentence on how the split was made. */
  readonly description: string;
}

/** Per side (`input` = landsat, `target` = aviris): value' = (value - offset) / scale, optionally clipped to [0, 1]. */
export interface AffineNormalization {
  /** One entry, or one per band. */
  readonly offset: readonly number[];
  readonly scale: readonly number[];
  readonly clip: boolean;
}

export interface Normalization {
  readonly method: 'percentile' | 'per_band' | 'none';
  readonly input: AffineNormalization;
  readonly target: AffineNormalization;
  readonly units: string;
}

export interface LoaderOptions {
  readonly patches: readonly number[];
  readonly batchSize: number;
  /** Absent: physical values. For evaluation give `input` only. */
  readonly normalize?: { readonly input?: AffineNormalization; readonly target?: AffineNormalization };
  /** Order, flips and turns come from (seed, epoch) alone, so that a resumed epoch is the same epoch. */
  readonly shuffle?: { readonly seed: number; readonly epoch: number };
  readonly augment?: boolean;
  /**
   * Tiles that are read from anywhere in their stored patch instead of from their own place: random crops, from (seed, epoch)
   * alone. All tiles of these stored patches must be in one part of the split.
   */
  readonly movable?: ReadonlySet<number>;
  /** First batch to deliver (resume within an epoch). */
  readonly startBatch?: number;
  /** Only this share of every batch: `size` patches from place `index * size` on, fewer or none at the end of a batch. */
  readonly part?: { readonly index: number; readonly size: number };
  /** Batches prepared ahead. */
  readonly prefetch?: number;
  /**
   * Pixels that are NaN, infinite or the file's nodata value in any good band, or 0 in its `mask`, are masked and their
   * values 0; without a mask they are an error.
   */
  readonly mask?: boolean;
  /** Tells of each input pixel whether it is valid and holds no negative value. */
  readonly nonNegative?: boolean;
}

export interface LoadedBatch {
  readonly size: number;
  /** Numbers of the patches in the PatchSet, in order. */
  readonly patches: readonly number[];
  /** Those of the whole batch, where this is a part of it. */
  readonly whole?: readonly number[];
  /** [size, inputHeight, inputWidth, inBands] */
  readonly input: Float32Array;
  /** [size, height, width, outBands] */
  readonly target: Float32Array;
  /** [size, height, width], 1 = valid; only with `mask`. */
  readonly mask?: Float32Array;
  /** [size, outBands], 1 = a good band of this patch; only where the set's patches differ. */
  readonly bandMask?: Float32Array;
  /** [size, inputHeight, inputWidth], 1 = valid and no band below 0; only with `nonNegative`. */
  readonly nonNegative?: Uint8Array;
  readonly validPixels: number;
  /** Give the memory back for the next batch; the arrays must not be used afterwards. */
  release(): void;
}
