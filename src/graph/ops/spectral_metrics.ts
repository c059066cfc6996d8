/**
 * Sums for the metrics of docs/specification.md, section 8, in physical units: p = pred[c] scale[c] + offset[c]; the target
 * is physical already.
 * -> sums f64 [6 + 5 c]: sam_rad, sam pixels, zero-norm pixels, valid pixels, 0, 0, then five vectors of length c:
 * sum (p-t)^2, sum |p-t|, sum t, sum t^2, max t. Not differentiated.
 */
import type { GraphBuilder, OpDefinition, Value } from '../ir.js';
import { expectShape, f64, required, streamingCost } from './common.js';

/** Length of `sums` for c bands. */
export const metricSumsLength = (c: number): number => 6 + 5 * c;

export const spectralMetricsOp: OpDefinition = {
  name: 'spectral_metrics',
  inputs: ['pred', 'target', 'pixel_mask', 'scale', 'offset'],
  outputs: ['sums'],
  infer([predIn, target, pixelMask, scale, offset], _attributes, label) {
    const op = 'spectral_metrics';
    const pred = required(predIn, op, label, 'pred');
    const [n, h, w, c] = pred.shape;
    expectShape(required(target, op, label, 'target'), pred.shape, op, label, 'target');
    expectShape(pixelMask, [n, h, w, 1], op, label, 'pixel_mask');
    expectShape(required(scale, op, label, 'scale'), [1, 1, 1, c], op, label, 'scale');
    expectShape(required(offset, op, label, 'offset'), [1, 1, 1, c], op, label, 'offset');
    return [f64([1, 1, 1, metricSumsLength(c)])];
  },
  cost: streamingCost(16),
  plainInputs: [1, 2, 3, 4],
  readsPrediction: true,
  workspace: true,
};

export interface MetricOperands {
  readonly pred: Value;
  readonly target: Value;
  readonly pixelMask: Value | null;
  readonly scale: Value;
  readonly offset: Value;
}

export function spectralMetrics(builder: GraphBuilder, operands: MetricOperands, label: string): Value {
  const { pred, target, pixelMask, scale, offset } = operands;
  return builder.apply(spectralMetricsOp, [pred, target, pixelMask, scale, offset], {}, label)[0]!;
}
