import type { Kernel, Kernels } from '../reference_arrays.js';

const gradNorm: Kernel = ([g, lossTerms, scalars0]) => {
  const scalars = Float64Array.from(scalars0!.data);
  const lossScale = scalars[6] || 1;
  const norm = Math.sqrt(g!.data.reduce((s, v) => s + v * v, 0)) / lossScale;
  const maxNorm = scalars[4]!;
  const clip = maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
  const usable = Number.isFinite(norm) && Number.isFinite(lossTerms?.data[0] ?? 0);
  scalars[5] = usable ? clip / lossScale : 0;
  return [Float64Array.of(norm), scalars];
};

const adam: Kernel = ([g, scalars, ...state], { beta1, beta2, epsilon }) => {
  const [p, m, v, ema] = state.map((s) => (s === null ? null : Float64Array.from(s.data)));
  const [lr, c1, c2, decay, , scale] = scalars!.data;
  const [b1, b2, eps] = [beta1 as number, beta2 as number, epsilon as number];
  for (let i = 0; scale !== 0 && i < p!.length; i++) {
    const gi = g!.data[i]! * scale!;
    m![i] = b1 * m![i]! + (1 - b1) * gi;
    v![i] = b2 * v![i]! + (1 - b2) * gi * gi;
    p![i]! -= (lr! * (m![i]! / c1!)) / (Math.sqrt(v![i]! / c2!) + eps);
    if (ema) ema[i] = decay! * ema[i]! + (1 - decay!) * p![i]!;
  }
  return [p!, m!, v!, ...(ema ? [ema] : [])];
};

export const kernels: Kernels = {
  grad_norm: gradNorm,
  adam,
};
