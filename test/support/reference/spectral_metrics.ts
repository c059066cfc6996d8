/** Sums for the metrics (docs/specification.md, section 8), pixel by pixel. */
import type { Kernel, Kernels } from '../reference_arrays.js';
import { angle } from './spectral_loss.js';

const spectralMetricsReference: Kernel = ([pred, target, pixelMask, scale, offset]) => {
  const C = pred!.shape[3];
  const sums = new Float64Array(6 + 5 * C);
  sums.fill(Number.NEGATIVE_INFINITY, 6 + 4 * C);
  for (let i = 0; i < pred!.data.length / C; i++) {
    if (pixelMask && pixelMask.data[i] === 0) continue;
    const p = pred!.data.subarray(i * C, (i + 1) * C).map((v, c) => v * scale!.data[c]! + offset!.data[c]!);
    const t = target!.data.subarray(i * C, (i + 1) * C);
    sums[3]! += 1;
    if (p.every((v) => v === 0) || t.every((v) => v === 0)) sums[2]! += 1;
    else {
      sums[0]! += angle(p, t).value;
      sums[1]! += 1;
    }
    for (let c = 0; c < C; c++) {
      const d = p[c]! - t[c]!;
      sums[6 + c]! += d * d;
      sums[6 + C + c]! += Math.abs(d);
      sums[6 + 2 * C + c]! += t[c]!;
      sums[6 + 3 * C + c]! += t[c]! * t[c]!;
      sums[6 + 4 * C + c] = Math.max(sums[6 + 4 * C + c]!, t[c]!);
    }
  }
  return [sums];
};

export const kernels: Kernels = { spectral_metrics: spectralMetricsReference };
