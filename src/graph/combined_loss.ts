/**
 * The combined loss as one node: weighted L1, L2, spectral angle and spectral gradient in a single pass over each pixel
 * (formulas: src/graph/ops/spectral_loss.ts, docs/specification.md, section 2).
 */
import { BandliftError, EXIT } from '../base/errors.js';
import type { GraphBuilder, Value } from './ir.js';
import { type SpectralLossWeights, spectralLoss } from './ops/spectral_loss.js';

export interface LossMasks {
  /** 1 = good band; length = bands. */
  readonly bandMask?: Float32Array;
  /** Whether there is an input `band_mask` [n,1,1,c], one for each patch, instead. */
  readonly patchBands?: boolean;
  /** Whether there is an input `mask` [n,h,w,1]. */
  readonly pixelMask: boolean;
  /** Whether `valid_pixels` has a second number, which the gradient is multiplied by. */
  readonly lossScaled?: boolean;
}

/** Throws when a weight is negative or not finite, or when all are 0. */
export function checkLossWeights(weights: SpectralLossWeights): void {
  for (const name of ['l1', 'l2', 'sam', 'gradient'] as const) {
    if (!Number.isFinite(weights[name]) || weights[name] < 0) {
      throw new BandliftError(
        'must be a number of at least 0',
        { field: `loss weight ${name}`, found: weights[name] },
        EXIT.usage,
      );
    }
  }
  if (weights.l1 + weights.l2 + weights.sam + weights.gradient === 0) {
    throw new BandliftError('all loss weights are 0, so there is nothing to train', { field: 'loss' }, EXIT.usage);
  }
}

/**
 * Adds inputs `target` [n,h,w,c], `valid_pixels` (f64 [1,1,1,1] or [1,1,1,2], of the whole batch) and, when wanted, `mask` and
 * `band_mask` to the graph; returns the f64 terms.
 */
export function combinedLoss(
  builder: GraphBuilder,
  pred: Value,
  weights: SpectralLossWeights,
  masks: LossMasks,
): Value {
  const [n, h, w, c] = pred.shape;
  return spectralLoss(
    builder,
    {
      pred,
      target: builder.input('target', pred.shape),
      pixelMask: masks.pixelMask ? builder.input('mask', [n, h, w, 1]) : null,
      bandMask:
        masks.patchBands === true
          ? builder.input('band_mask', [n, 1, 1, c])
          : masks.bandMask === undefined
            ? null
            : builder.constant('band_mask', [1, 1, 1, c], masks.bandMask),
      validPixels: builder.input('valid_pixels', [1, 1, 1, masks.lossScaled === true ? 2 : 1], 'f64'),
    },
    weights,
    'loss',
  );
}
