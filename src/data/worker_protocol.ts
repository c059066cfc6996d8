/** What the main thread asks of a data worker, and what comes back. */
import type { CountPlan } from './quantile.js';
import type { AffineNormalization, CachedInput, PatchFile, Sides } from './types.js';

/** A patch of the set: a window of a stored patch of a file (the whole of it unless the set is cut into tiles). */
export interface PatchAddress {
  readonly file: number;
  readonly patch: number;
  readonly y: number;
  readonly x: number;
}

export interface WindowSize {
  readonly height: number;
  readonly width: number;
}

/** Arrays of a batch in shared memory: several workers fill their places of it, nothing is copied between threads. */
export interface Buffers {
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly mask: Float32Array;
  readonly nonNegative: Uint8Array;
}

export interface Requests {
  open: {
    readonly paths: readonly string[];
    readonly cacheBytes: number;
    readonly sides: Sides | 'auto';
    /** For each path, where the input is stage 1's. */
    readonly cached?: readonly CachedInput[];
  };
  batch: {
    readonly window: WindowSize;
    /** `place`: position in the batch; `turn`: 0..7, see assemble.ts. */
    readonly patches: readonly (PatchAddress & { readonly place: number; readonly turn: number })[];
    readonly input: AffineNormalization | undefined;
    readonly target: AffineNormalization | undefined;
    /** Fill the mask; otherwise an invalid pixel is an error. */
    readonly masked: boolean;
    /** Fill `nonNegative`. */
    readonly nonNegative: boolean;
    readonly buffers: Buffers;
    /** Shared; other than 0: nobody wants the batch any more. */
    readonly cancelled: Int32Array;
  };
  count: {
    readonly window: WindowSize;
    readonly patches: readonly PatchAddress[];
    readonly input: CountPlan | undefined;
    readonly target: CountPlan | undefined;
  };
  sums: { readonly window: WindowSize; readonly patches: readonly PatchAddress[] };
  spectra: {
    readonly window: WindowSize;
    readonly patches: readonly (PatchAddress & { readonly count: number; readonly seed: number })[];
  };
}

export interface Replies {
  open: {
    readonly files: readonly PatchFile[];
    readonly chunkPatches: readonly number[];
    /** What the user should know of how Landsat's grid was made. */
    readonly coarse: readonly string[];
  };
  batch: { readonly validPixels: number };
  count: { readonly input: Uint32Array | undefined; readonly target: Uint32Array | undefined };
  /** Per patch: sums over valid pixels [patches, bands], and their number; those of the input on its own grid. */
  sums: {
    readonly input: Float64Array;
    readonly target: Float64Array;
    readonly inputPixels: Float64Array;
    readonly pixels: Float64Array;
  };
  /** Per patch [found, bands]; fewer than asked for only where a patch has no valid pixel. */
  spectra: { readonly patches: readonly { readonly input: Float32Array; readonly target: Float32Array }[] };
}
