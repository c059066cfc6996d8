/** The plain formulas of the one-pass loss (docs/specification.md, section 2), pixel by pixel. */
import type { Kernel, Kernels } from '../reference_arrays.js';

const EPSILON = 1e-8;

interface Term {
  value: number;
  gradient: Float64Array;
}

/** acos(<p,t> / (|p||t| + 1e-8)) and its derivative with respect to p; zero derivative where it does not exist. */
export function angle(p: Float64Array, t: Float64Array): Term {
  let [dot, pp, tt] = [0, 0, 0];
  for (let c = 0; c < p.length; c++) {
    dot += p[c]! * t[c]!;
    pp += p[c]! * p[c]!;
    tt += t[c]! * t[c]!;
  }
  const [np, nt] = [Math.sqrt(pp), Math.sqrt(tt)];
  const d = np * nt + EPSILON;
  const cosine = Math.min(1, Math.max(-1, dot / d));
  const sine = Math.sqrt(1 - cosine * cosine);
  const gradient = new Float64Array(p.length);
  if (np > 0 && nt > 0 && sine > 0) {
    for (let c = 0; c < p.length; c++) gradient[c] = -(t[c]! / d - (dot * nt * p[c]!) / (np * d * d)) / sine;
  }
  return { value: Math.acos(cosine), gradient };
}

const spectralLossReference: Kernel = ([pred, target, pixelMask, bandMask, valid], attributes) => {
  const weights = attributes as Record<string, number>;
  const C = pred!.shape[3];
  const imagePixels = pred!.shape[1] * pred!.shape[2];
  const masks = Array.from({ length: bandMask?.shape[0] ?? 1 }, (_, n) =>
    Array.from({ length: C }, (_, c) => (bandMask?.data[n * C + c] ?? 1) > 0),
  );
  const pixels = valid!.data[0]!;
  const scale = valid!.data[1] ?? 1;
  const terms = Float64Array.of(0, 0, 0, 0, 0, -1);
  const dpred = new Float64Array(pred!.data.length);
  for (let i = 0; i < pred!.data.length / C; i++) {
    if (pixelMask && pixelMask.data[i] === 0) continue;
    const good = masks[masks.length === 1 ? 0 : Math.floor(i / imagePixels)]!;
    const bands = good.filter((g) => g).length;
    const pairs = good.filter((g, c) => g && good[c + 1] === true).length;
    const p = pred!.data.subarray(i * C, (i + 1) * C).map((v, c) => (good[c] ? v : 0));
    const t = target!.data.subarray(i * C, (i + 1) * C).map((v, c) => (good[c] ? v : 0));
    const sam = angle(p, t);
    terms[3]! += sam.value / pixels;
    for (let c = 0; c < C; c++) {
      if (!good[c]) continue;
      const d = p[c]! - t[c]!;
      if (terms[5] === -1 && !Number.isFinite(p[c]!)) terms[5] = i * C + c;
      terms[1]! += Math.abs(d) / (pixels * bands);
      terms[2]! += (d * d) / (pixels * bands);
      dpred[i * C + c]! += (weights.l1! * Math.sign(d) + weights.l2! * 2 * d) / (pixels * bands);
      dpred[i * C + c]! += (weights.sam! * sam.gradient[c]!) / pixels;
      if (good[c + 1] !== true) continue;
      const e = p[c + 1]! - t[c + 1]! - d;
      terms[4]! += Math.abs(e) / (pixels * pairs);
      const g = (weights.gradient! * Math.sign(e)) / (pixels * pairs);
      dpred[i * C + c]! -= g;
      dpred[i * C + c + 1]! += g;
    }
  }
  terms[0] =
    weights.l1! * terms[1]! + weights.l2! * terms[2]! + weights.sam! * terms[3]! + weights.gradient! * terms[4]!;
  return attributes.withGradient === true ? [terms, dpred.map((d) => d * scale)] : [terms];
};

export const kernels: Kernels = { spectral_loss: spectralLossReference };
