/**
 * All loss terms in one pass over each pixel (docs/specification.md, section 2). p prediction, t target, means over the
 * valid pixels of the whole batch and the good bands:
 *
 *     L1 = mean |p - t|      L2 = mean (p - t)^2      SAM = mean over pixels of acos( <p,t> / (|p||t| + 1e-8) )
 *     gradient = mean over neighbouring band pairs of | (p[c+1] - p[c]) - (t[c+1] - t[c]) |
 *     total = sum of weight * term
 *
 * pred, target [n,h,w,c]; pixel_mask [n,h,w,1] and band_mask [1,1,1,c] hold 0 or 1 and may be absent; a band_mask [n,1,1,c] is
 * that of each image, and the means are then over pixels of the means over each pixel's own bands; valid_pixels f64
 * [1,1,1,1] counts the valid pixels of the whole batch, so that the terms and gradients of micro-batches add up; as
 * [1,1,1,2] its second number multiplies dpred (loss scaling: gradients of f16 images must not vanish).
 * -> terms f64 [1,1,1,6]: total, l1, l2, sam, gradient, index of the first value that is not finite (-1: none);
 * with the attribute withGradient also dpred [n,h,w,c] = d total / d pred.
 * The derivative of acos is taken through |u - v| and |u + v| of the unit vectors and is finite everywhere; a pixel
 * whose spectrum is zero gives SAM no gradient.
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { expectShape, f32, f64, number, required, streamingCost } from './common.js';

/** Length of `terms`: LossTerm in native/ops/spectral_loss/spectral_loss.h. */
export const LOSS_TERMS = 6;

export const spectralLossOp: OpDefinition = {
  name: 'spectral_loss',
  inputs: ['pred', 'target', 'pixel_mask', 'band_mask', 'valid_pixels'],
  outputs: ['terms', 'dpred'],
  infer([predIn, target, pixelMask, bandMask, validPixels], { withGradient }, label) {
    const pred = required(predIn, 'spectral_loss', label, 'pred');
    const [n, h, w, c] = pred.shape;
    expectShape(required(target, 'spectral_loss', label, 'target'), pred.shape, 'spectral_loss', label, 'target');
    expectShape(pixelMask, [n, h, w, 1], 'spectral_loss', label, 'pixel_mask');
    // of all images, or of each
    expectShape(bandMask, [bandMask?.shape[0] === 1 ? 1 : n, 1, 1, c], 'spectral_loss', label, 'band_mask');
    const valid = required(validPixels, 'spectral_loss', label, 'valid_pixels');
    expectShape(valid, [1, 1, 1, valid.shape[3] === 2 ? 2 : 1], 'spectral_loss', label, 'valid_pixels');
    const terms = f64([1, 1, 1, LOSS_TERMS]);
    return withGradient === true ? [terms, f32(pred.shape)] : [terms];
  },
  cost: streamingCost(16),
  plainInputs: [1, 2, 3, 4],
  readsPrediction: true,
  lossGradient: { withGradient: true },
  inPlace: [[0, 1]],
  params: { l1: number(), l2: number(), sam: number(), gradient: number() },
  workspace: true,
};

export interface LossOperands {
  readonly pred: Value;
  readonly target: Value;
  readonly pixelMask: Value | null;
  readonly bandMask: Value | null;
  readonly validPixels: Value;
}

export interface SpectralLossWeights {
  readonly l1: number;
  readonly l2: number;
  readonly sam: number;
  readonly gradient: number;
}

/** The f64 terms of the weighted combination. */
export function spectralLoss(
  builder: GraphBuilder,
  operands: LossOperands,
  weights: SpectralLossWeights,
  label: string,
): Value {
  const { pred, target, pixelMask, bandMask, validPixels } = operands;
  const { l1, l2, sam, gradient } = weights;
  return builder.apply(
    spectralLossOp,
    [pred, target, pixelMask, bandMask, validPixels],
    { l1, l2, sam, gradient, withGradient: false },
    label,
  )[0]!;
}
