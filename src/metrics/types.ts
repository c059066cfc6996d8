/** What is measured of a method: its numbers over sets of bands. */
import type { SpectralRegion } from '../spectra/bands.js';

/** 'all' and the regions of docs/specification.md, section 8. */
export type Bands = 'all' | SpectralRegion;

/** Metrics of docs/specification.md, section 8 over a set of bands. NaN where undefined (stored as null). */
export interface RegionMetrics {
  /** Bands in the set. */
  readonly bands: number;
  readonly samDeg: number;
  readonly rmse: number;
  readonly mae: number;
  /** Mean relative absolute error; pixels with a true value of 0 left out. */
  readonly mrae: number;
  /** dB, mean over bands of 20 log10(max_b / rmse_b). */
  readonly psnr: number;
  readonly ssim: number;
  readonly ergas: number;
  /** Mean over bands of Pearson's correlation. */
  readonly cc: number;
  /** Predicted values below 0, as a share of all. */
  readonly negativeShare: number;
}

/** Units of RMSE and MAE are those of the data. */
export interface MethodResult {
  readonly label: string;
  readonly role: 'model' | 'baseline' | 'oracle';
  /** One sentence: how it predicts, fitted on what. */
  readonly about: string;
  readonly regions: Partial<Readonly<Record<Bands, RegionMetrics>>>;
  /** Each of length bands. */
  readonly byBand: {
    readonly rmse: readonly number[];
    readonly mae: readonly number[];
    readonly psnr: readonly number[];
    readonly ssim: readonly number[];
    readonly cc: readonly number[];
  };
  readonly validPixels: number;
  readonly zeroNormPixels: number;
}
