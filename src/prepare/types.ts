/** What `prepare` is asked for one scene, and what it answers. */
import type { BandCentres } from '../spectra/band_centres_csv.js';
import type { BandGrid } from '../spectra/resample_bands.js';
import type { SensorResponse } from '../spectra/response.js';
import type { GridOptions } from './fine_grid.js';

export interface PrepareOptions extends GridOptions {
  /** ENVI header or data file, or a product of an imaging spectrometer (docs/reference/products.md). */
  readonly scene: string;
  /** Patch file to write, NAME.h5; replaced if it is there. */
  readonly out: string;
  /**
   * 'spatial' (default): the cube at 4 m and what Landsat sees of it at 30 m. 'spectral': both on the cube's own grid, or on
   * the one it is averaged to (`gsd`, then the size of the pairs' pixels), without any spatial degradation: stage 1 only.
   */
  readonly pairs?: 'spatial' | 'spectral';
  /** Side of a patch of spectral pairs in pixels; default 34. Those at the edges are filled up with pixels that are not valid. */
  readonly tile?: number;
  /** Side of a patch in Landsat pixels, even. Default 34, or the largest that fits a smaller scene. */
  readonly patch?: number;
  /** Landsat pixels from one patch to the next, even. Default: the patch's side. */
  readonly stride?: number;
  /**
   * Landsat's grid is laid over the scene phases x phases times, from fine pixels 0, 15 / phases, ... on: more patches of the
   * same ground, for small scenes. Divides 15; default 1.
   */
  readonly phases?: number;
  /** Wavelengths of the stored bands, instead of what the header says. */
  readonly bandCentres?: BandCentres;
  /** Lays a product that keeps the sensor's own lines (EMIT) on the ground by its lookup table. */
  readonly ortho?: boolean;
  /** Brings the spectra to these bands; those that the scene lacks are marked as such. */
  readonly bands?: BandGrid;
  /** Default: Landsat 8 OLI. */
  readonly sensor?: SensorResponse;
  /** Add OLI's noise. */
  readonly noise?: boolean;
  readonly seed?: number;
  /** Largest share of a patch's fine pixels that may be without data; default 0.05. */
  readonly maxNodata?: number;
  /** Bytes this scene may take; no limit without it. */
  readonly maxMemory?: number;
  /** Called after every candidate row and every patch: candidates settled so far, of how many, and patches kept. */
  readonly progress?: (done: number, total: number, kept: number) => void;
  /** Asked between patches; true ends the work with exit code 130 and leaves no file. */
  readonly interrupted?: () => boolean;
}

/** Documented size: 34 x 34 coarse pixels, 255 x 255 fine ones. */
export const DEFAULT_SIDE = 34;
export const PREPARE_DEFAULTS = { seed: 42, maxNodata: 0.05 } as const;

/** Why places of patches were dropped. */
export interface Dropped {
  /** No valid pixel at all. */
  readonly empty: number;
  /** More pixels without data than allowed. */
  readonly nodata: number;
  /** Sticks out beyond the scene's last row or column. */
  readonly outside: number;
}

/** What became of one scene. */
export interface SceneReport {
  readonly scene: string;
  readonly name: string;
  /** The patch file; absent when no patch was kept. */
  readonly file?: string;
  readonly lines: number;
  readonly samples: number;
  readonly bands: { readonly stored: number; readonly kept: number; readonly withoutData: number };
  readonly units?: string;
  /** Absent where the scene has no wavelengths: patches for stage 2 alone. */
  readonly sensor?: string;
  /** m, where known. */
  readonly gsd: { readonly source?: number; readonly fine?: number; readonly coarse?: number };
  readonly resampled?: string;
  /** Absent: a fine and a coarse grid. */
  readonly pairs?: 'spectral';
  /** Landsat pixels; pixels of the grid where there is only one. */
  readonly patch: number;
  readonly stride: number;
  readonly phases: number;
  readonly candidates: number;
  readonly kept: number;
  readonly dropped: Dropped;
  /** Of the pixels of the kept patches. */
  readonly validShare?: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}
