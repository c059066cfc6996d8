/** A raster on the ground, read by windows in physical units: what prepare and predict take in, whatever the file format. */
import type { GeoReference, Window } from '../raster/types.js';

export interface Pixels {
  /** [height, width, bands], physical units; 0 where not valid. */
  readonly values: Float32Array;
  /** [height, width], 1 = valid. */
  readonly valid: Uint8Array;
}

export interface Scene {
  /** What it is, for people: 'EMIT L2A'. */
  readonly kind?: string;
  /** File the user gave, and a short name for output files and reports. */
  readonly path: string;
  readonly name: string;
  /** Every file that is read, where it is not `path` alone. */
  readonly files?: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly georeference?: GeoReference;
  /** 'reflectance', 'uW cm-2 sr-1 nm-1', ...; undefined where the file does not say. */
  readonly units?: string;
  /** nm. */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** 1 = good band. */
  readonly goodBands?: Uint8Array;
  readonly bandNames?: readonly string[];
  /** For instance 'Landsat 8 OLI'. */
  readonly sensor?: string;
  /** What the user should know. */
  readonly warnings: readonly string[];
  /** Reads one window that lies inside the scene. Throws a BandliftError naming the file. Memory: a small multiple of the window. */
  read(window: Window): Promise<Pixels>;
  close(): Promise<void>;
}
