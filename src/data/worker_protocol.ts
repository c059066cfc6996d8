/** What the main thread asks of the data worker, and what comes back. Arrays are transferred, not copied. */
import type { AffineNormalization, PatchFile } from './types.js';

export interface PatchAddress {
  readonly file: number;
  readonly patch: number;
}

export interface Buffers {
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly mask?: Float32Array;
}

export type Request =
  | { kind: 'open'; paths: readonly string[]; cacheBytes: number }
  | {
      kind: 'batch';
      patches: readonly PatchAddress[];
      /** 0..7 per patch, see assemble.ts. */
      turns: readonly number[];
      input?: AffineNormalization;
      target?: AffineNormalization;
      mask: boolean;
      /** Given back by an earlier batch, for reuse. */
      buffers?: Buffers;
    }
  | { kind: 'quantiles'; patches: readonly PatchAddress[]; fractions: readonly number[]; perBand: boolean }
  | { kind: 'mean'; patches: readonly PatchAddress[] }
  | { kind: 'spectra'; pixels: readonly (PatchAddress & { pixel: number })[] };

export interface Reply {
  open: { files: PatchFile[] };
  batch: Buffers & { validPixels: number };
  /** Per side: one list of quantiles, or one per band. */
  quantiles: { input: number[][]; target: number[][]; values: number };
  /** Mean spectra over valid pixels, stored units. */
  mean: { input: Float64Array; target: Float64Array; pixels: number };
  /** [count, bands] each; invalid pixels are left out. */
  spectra: { input: Float32Array; target: Float32Array; count: number };
}

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export interface Answer {
  readonly id: number;
  readonly reply?: Reply[keyof Reply];
  readonly error?: { message: string; exitCode?: number };
}
