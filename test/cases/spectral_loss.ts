/** The one-pass loss, its gradient and masks. */
import type { Shape } from '../../src/graph/ir.js';
import { type LossOperands, spectralLossOp } from '../../src/graph/ops/spectral_loss.js';
import { type Fill, ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

interface LossOptions {
  weights?: { l1: number; l2: number; sam: number; gradient: number };
  pixelMask?: boolean;
  /** 'each': one for each image. */
  bandMask?: boolean | 'each';
  fill?: Record<string, Fill>;
  name?: string;
  bench?: boolean;
}

const ALL = { l1: 1, l2: 0.5, sam: 0.1, gradient: 0.1 };

function lossCase(shape: Shape, options: LossOptions = {}): OpCase {
  const { weights = ALL, pixelMask = false, bandMask = false } = options;
  const extras = `${pixelMask ? ' pixel mask' : ''}${bandMask ? ' band mask' : ''}${bandMask === 'each' ? ' of each image' : ''}`;
  return {
    name: options.name ?? `[${shape.join(',')}]${extras} ${JSON.stringify(weights).replaceAll('"', '')}`,
    build(b) {
      const [n, h, w, c] = shape;
      const o: LossOperands = {
        pred: b.input('pred', shape),
        target: b.input('target', shape),
        pixelMask: pixelMask ? b.input('pixel_mask', [n, h, w, 1]) : null,
        bandMask: bandMask ? b.input('band_mask', [bandMask === 'each' ? n : 1, 1, 1, c]) : null,
        validPixels: b.input('valid_pixels', [1, 1, 1, 1], 'f64'),
      };
      const operands = [o.pred, o.target, o.pixelMask, o.bandMask, o.validPixels];
      const [terms, dpred] = b.apply(spectralLossOp, operands, { ...weights, withGradient: true }, 'terms');
      b.output('terms', terms!);
      b.output('dpred', dpred!);
    },
    fill: {
      pred: 'uniform',
      target: 'uniform',
      pixel_mask: 'mask',
      band_mask: 'mask',
      valid_pixels: { value: shape[0] * shape[1] * shape[2] },
      ...options.fill,
    },
    bench: options.bench ?? false,
  };
}

export const spectralLossCases: OpCases = {
  op: 'spectral_loss',
  tolerance: { absolute: 1e-6, relative: 1e-4 },
  reason:
    'per-pixel float32 sums of up to 340 bands summed in double; the angle of float32 spectra is good to 1e-4 relative',
  cases: [
    ...ODD_SHAPES.filter((s) => s[3] > 1).map((shape) => lossCase(shape)),
    lossCase([1, 5, 7, 1], { weights: { l1: 1, l2: 1, sam: 0, gradient: 0 } }),
    ...ODD_SHAPES.filter((s) => s[3] > 5).map((shape) => lossCase(shape, { pixelMask: true, bandMask: true })),
    lossCase([3, 4, 5, 19], { weights: { l1: 1, l2: 0, sam: 0, gradient: 0 }, bandMask: true }),
    lossCase([3, 4, 5, 19], { weights: { l1: 0, l2: 1, sam: 0, gradient: 0 }, pixelMask: true }),
    lossCase([3, 4, 5, 19], { weights: { l1: 0, l2: 0, sam: 1, gradient: 0 }, pixelMask: true }),
    lossCase([3, 4, 5, 19], { weights: { l1: 0, l2: 0, sam: 0, gradient: 1 }, bandMask: true }),
    lossCase([3, 4, 5, 19], { bandMask: 'each', pixelMask: true }),
    lossCase([2, 9, 9, 67], { bandMask: 'each', pixelMask: true }),
    lossCase([2, 3, 5, 401], { bandMask: 'each' }),
    lossCase([3, 4, 5, 19], { weights: { l1: 0, l2: 0, sam: 0, gradient: 1 }, bandMask: 'each' }),
    lossCase([1, 3, 3, 11], {
      name: 'a batch part: more valid pixels elsewhere',
      fill: { valid_pixels: { value: 1000 } },
    }),
    lossCase(PATCH, { weights: { l1: 1, l2: 0, sam: 0.1, gradient: 0.1 }, bench: true }),
  ],
};
