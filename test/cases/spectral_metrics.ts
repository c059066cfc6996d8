/** Sums of the metrics in physical units. */
import type { Shape } from '../../src/graph/ir.js';
import { spectralMetrics } from '../../src/graph/ops/spectral_metrics.js';
import { ODD_SHAPES, type OpCase, type OpCases, PATCH } from './case.js';

function metricsCase(shape: Shape, pixelMask: boolean, bench = false): OpCase {
  return {
    name: `[${shape.join(',')}]${pixelMask ? ' pixel mask' : ''}`,
    build(b) {
      const [n, h, w, c] = shape;
      const sums = spectralMetrics(
        b,
        {
          pred: b.input('pred', shape),
          target: b.input('target', shape),
          pixelMask: pixelMask ? b.input('pixel_mask', [n, h, w, 1]) : null,
          scale: b.input('scale', [1, 1, 1, c]),
          offset: b.input('offset', [1, 1, 1, c]),
        },
        'sums',
      );
      b.output('sums', sums);
    },
    fill: { pred: 'uniform', target: 'uniform', scale: 'uniform', offset: 'uniform', pixel_mask: 'mask' },
    bench,
  };
}

export const spectralMetricsCases: OpCases = {
  op: 'spectral_metrics',
  tolerance: { absolute: 1e-5, relative: 1e-5 },
  reason: 'predictions are rounded to float32 when scaled; sums are double',
  cases: [
    // the angle between single numbers is 0 or pi, where float32 says nothing about acos
    ...ODD_SHAPES.filter((s) => s[3] > 1).map((shape) => metricsCase(shape, false)),
    ...ODD_SHAPES.filter((s) => s[3] > 1 && s[1] > 1).map((shape) => metricsCase(shape, true)),
    metricsCase(PATCH, true, true),
  ],
};
