/** What `prepare` works on: a scene of an imaging spectrometer that can be read at once into memory that the caller keeps. */
import { allocate } from '../base/files.js';
import { checkWindow } from '../raster/geo.js';
import type { Window } from '../raster/types.js';
import type { BandCentres } from '../spectra/band_centres_csv.js';
import type { Pixels, Scene } from './types.js';

export interface LineScene extends Scene {
  /** 1 = carries data that can be used. */
  readonly goodBands: Uint8Array;
  readonly files: readonly string[];
  /** Bands of the file, those included that the scene leaves out. */
  readonly storedBands: number;
  /** Bytes that the scene itself may hold. */
  readonly workBytes: number;
  /** As `read`, into memory that the caller keeps; without `values` the validity alone is found, which costs less. */
  readInto(window: Window, values: Float32Array | undefined, valid: Uint8Array): void;
}

export interface LineOptions {
  /**
   * 'all' bands of the file (default), or those that are 'kept' for stage 1: without 1350-1470 nm, 1780-1980 nm and 2400 nm
   * and more. In order of wavelength either way.
   */
  readonly bands?: 'all' | 'kept';
  /** Instead of what the file says about its bands' wavelengths; one entry a stored band. */
  readonly bandCentres?: BandCentres;
  /** Of products that keep the sensor's own lines beside a table of where they lie: laid on the ground by that table. */
  readonly ortho?: boolean;
  /** Decoded blocks kept in memory. */
  readonly cacheBytes?: number;
}

/** A window in memory of its own. Errors: BandliftError where it leaves the scene, or for what the file cannot give. */
export function readWindow(scene: LineScene, window: Window): Pixels {
  checkWindow(window, scene.height, scene.width, scene.path);
  const pixels = window.height * window.width;
  const values = new Float32Array(allocate(pixels * scene.bands * 4, scene.path, 'a window of the scene'));
  const valid = new Uint8Array(pixels);
  scene.readInto(window, values, valid);
  return { values, valid };
}
