/** A way to predict: the model, a baseline or the oracle. */
import type { AffineNormalization } from '../data/types.js';
import { createSession } from '../engine/session.js';
import { COMBINED_LOSS, type SessionOptions } from '../engine/types.js';
import type { MethodResult } from '../metrics/types.js';
import type { ModelSpec } from '../models/spec.js';

/** One patch as the reader gives it. */
export interface PatchInput {
  /** Its number, alone in a list. */
  readonly patches: readonly number[];
  /** [h, w, inBands], normalised as the method asks for. */
  readonly input: Float32Array;
  /** [H, W, bands], physical: what an oracle may look at. */
  readonly target: Float32Array;
  /** [h, w], 1 = valid and no band below 0. */
  readonly nonNegative?: Uint8Array;
}

export interface Predictor {
  /** [H, W, bands] in memory of its own. */
  predict(patch: PatchInput): Promise<Float32Array>;
  close(): void;
}

export interface Method extends Pick<MethodResult, 'label' | 'role' | 'about'> {
  /** How its input is normalised; physical without it. */
  readonly normalizeInput?: AffineNormalization;
  /** Of the numbers it predicts; absent where these are physical. */
  readonly normalizeOutput?: AffineNormalization;
  /** Its spectra are held at 0 where no input band is negative, as `predict` holds those of stage 1. */
  readonly heldAtZero?: boolean;
  /** Drawn in pictures and spectra beside the truth. */
  readonly shown: boolean;
  /** Takes its memory; nothing of it stays after the predictor's `close`. */
  open(): Promise<Predictor>;
}

/** What every session of an evaluation shares. */
export interface Machine {
  readonly device?: NonNullable<SessionOptions['device']>;
  /** Bytes for the engine. */
  readonly maxMemory?: number;
}

/** A network on patches of one size, for prediction only; `from` says which array it is given. */
export async function openNetwork(
  model: ModelSpec,
  parameters: ReadonlyMap<string, Float32Array>,
  size: { readonly height: number; readonly width: number },
  machine: Machine,
  from: 'input' | 'target' = 'input',
): Promise<Predictor> {
  const session = await createSession({ model, loss: COMBINED_LOSS, ...size, batchSize: 1, mode: 'infer', ...machine });
  try {
    session.write('parameters', parameters);
  } catch (error) {
    session.dispose();
    throw error;
  }
  return { predict: (patch) => session.predict(patch[from], 1), close: () => session.dispose() };
}
