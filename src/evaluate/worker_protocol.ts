/** What the main thread asks of an evaluation worker, and what comes back. Large arrays are shared or handed over. */

import type { AffineNormalization } from '../data/types.js';
import type { EvaluationSums } from '../metrics/sums.js';
import type { NearestLibrary } from './nearest_library.js';

/** The truth of a patch, and which of its pixels count. */
export interface TruePatch {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** [height, width, bands], physical. */
  readonly target: Float32Array;
  /** [height, width], 0 = left out; all count without it. */
  readonly valid?: Float32Array;
}

export interface PredictedPatch extends TruePatch {
  /** [height, width, bands]; handed over to the worker. */
  readonly prediction: Float32Array;
  /** Of the prediction; absent where it is physical. */
  readonly normalization?: AffineNormalization;
  /** [height, width], 1 = the prediction is held at 0 here; nowhere without it. */
  readonly nonNegative?: Uint8Array;
}

/** Colours of an image of interleaved bands: three bands, each with its black and white point. */
export interface ColourChoice {
  readonly bands: readonly number[];
  readonly ranges: readonly (readonly [black: number, white: number])[];
}

export interface Requests {
  /** Least and largest value of each band. */
  range: { readonly patch: TruePatch };
  metrics: {
    readonly patch: PredictedPatch;
    /** [regions][bands] */
    readonly masks: readonly Uint8Array[];
    /** [bands]: L of SSIM; without it SSIM is left out. */
    readonly range?: Float64Array;
    /** Asks for the angles of every so many pixels. */
    readonly angleStride?: number;
    /** Pixels whose spectra are sent back, those that count. */
    readonly sample: readonly number[];
  };
  /** The nearest library spectrum of each pixel of [pixels, coarse bands]. */
  nearest: { readonly input: Float32Array; readonly library: NearestLibrary };
  /** Black and white points of three bands. */
  stretch: { readonly patch: TruePatch; readonly bands: readonly number[] };
  /** The colours of any image of interleaved bands on the patch's grid or a coarser one. */
  colours: {
    readonly values: Float32Array;
    readonly bands: number;
    readonly height: number;
    readonly width: number;
    readonly outHeight: number;
    readonly outWidth: number;
    readonly choice: ColourChoice;
  };
  /** A prediction as pictures and spectra. */
  example: {
    readonly patch: PredictedPatch;
    readonly mask: Uint8Array;
    readonly choice: ColourChoice;
    /** Whether maps of the error are wanted. */
    readonly maps: boolean;
    /** Pixels whose spectra are sent back. */
    readonly pixels: readonly number[];
  };
}

export interface Replies {
  range: { readonly low: Float64Array; readonly high: Float64Array };
  metrics: {
    readonly sums: EvaluationSums;
    /** Predicted values that were held at 0. */
    readonly held: number;
    readonly angles?: {
      /** Of every angleStride-th pixel: radians over all counted bands, NaN where there is none. */
      readonly angles: Float32Array;
      /** Pixel with the largest angle of all, -1 without one. */
      readonly worst: number;
      readonly worstAngle: number;
    };
    /** [found, bands] each. */
    readonly truth: Float32Array;
    readonly predicted: Float32Array;
  };
  nearest: { readonly prediction: Float32Array };
  stretch: { readonly ranges: readonly (readonly [number, number])[] };
  colours: { readonly rgb: Uint8Array };
  example: {
    readonly rgb: Uint8Array;
    /** [height, width]: degrees, and RMSE over the bands of the mask; NaN where not valid. */
    readonly maps?: { readonly angles: Float32Array; readonly rmse: Float32Array };
    /** [pixels, bands] */
    readonly spectra: Float32Array;
  };
}
