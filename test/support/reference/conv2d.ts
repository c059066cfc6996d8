import type { Attributes, Shape } from '../../../src/graph/ir.js';
import { type Array4, each, type Kernel, type Kernels, at as place, zeros } from '../reference_arrays.js';
import { activate } from './activation.js';

/** Of this file's own: vitest looks an imported function up at each call, which doubles the time of a spatial network. */
const at = place;

/** Shape of the plain convolution below an array that is stored shuffled by r. */
const plainShape = ([n, h, w, c]: Shape, r: number): Shape => [n, h / r, w / r, c * r * r];

/** torch.nn.PixelShuffle: channel c r r + dy r + dx of pixel (y, x) -> channel c of pixel (r y + dy, r x + dx). */
function shuffle(data: Float64Array, stored: Shape, r: number): Float64Array {
  const plain = plainShape(stored, r);
  const out = zeros(stored);
  each(plain, (n, y, x, k, i) => {
    const [c, dy, dx] = [Math.floor(k / (r * r)), Math.floor(k / r) % r, k % r];
    out[at(stored, n, r * y + dy, r * x + dx, c)] = data[i]!;
  });
  return out;
}

function unshuffle({ data, shape }: Array4, r: number): Array4 {
  const plain = plainShape(shape, r);
  const out = zeros(plain);
  each(plain, (n, y, x, k, i) => {
    const [c, dy, dx] = [Math.floor(k / (r * r)), Math.floor(k / r) % r, k % r];
    out[i] = data[at(shape, n, r * y + dy, r * x + dx, c)]!;
  });
  return { shape: plain, data: out };
}

const ratio = (a: Attributes): number => (a.shuffle ?? 1) as number;

const shuffledForward: Kernel = (x, a, [ys]) => {
  const r = ratio(a);
  return r === 1 ? convForward(x, a, [ys!]) : [shuffle(convForward(x, a, [plainShape(ys!, r)])[0]!, ys!, r)];
};
const shuffledBackwardData: Kernel = ([dy, ...rest], a, s) =>
  convBackwardData([unshuffle(dy!, ratio(a)), ...rest], a, s);
const shuffledBackwardWeights: Kernel = ([x, dy, ...rest], a, s) =>
  convBackwardWeights([x!, unshuffle(dy!, ratio(a)), ...rest], a, s);

const convForward: Kernel = ([x, w, b, residual], { activation }, [ys]) => {
  const y = zeros(ys!);
  const [, , kh, kw] = w!.shape;
  each(ys!, (n, i, j, o, k) => {
    let sum = (b?.data[o] ?? 0) + (residual?.data[k] ?? 0);
    for (let dy = 0; dy < kh; dy++)
      for (let dx = 0; dx < kw; dx++) {
        const u = i + dy - (kh >> 1);
        const v = j + dx - (kw >> 1);
        if (u < 0 || v < 0 || u >= x!.shape[1] || v >= x!.shape[2]) continue;
        for (let c = 0; c < x!.shape[3]; c++)
          sum += w!.data[at(w!.shape, o, c, dy, dx)]! * x!.data[at(x!.shape, n, u, v, c)]!;
      }
    y[k] = activate[activation as string]!(sum);
  });
  return [y];
};

/** Scatter: every dy element gives w * dy to the inputs it came from. */
const convBackwardData: Kernel = ([dy, w, add, mask], _a, [xs]) => {
  const dx = add === null ? zeros(xs!) : Float64Array.from(add!.data);
  const [, ci, kh, kw] = w!.shape;
  each(dy!.shape, (n, i, j, o, k) => {
    for (let a = 0; a < kh; a++)
      for (let b = 0; b < kw; b++) {
        const u = i + a - (kh >> 1);
        const v = j + b - (kw >> 1);
        if (u < 0 || v < 0 || u >= xs![1] || v >= xs![2]) continue;
        for (let c = 0; c < ci; c++) dx[at(xs!, n, u, v, c)]! += w!.data[at(w!.shape, o, c, a, b)]! * dy!.data[k]!;
      }
  });
  return [mask === null ? dx : dx.map((v, i) => (mask!.data[i]! > 0 ? v : 0))];
};

const convBackwardWeights: Kernel = ([x, dy, dw0, db0]) => {
  const dw = Float64Array.from(dw0!.data);
  const db = db0 === null ? null : Float64Array.from(db0!.data);
  const [, ci, kh, kw] = dw0!.shape;
  each(dy!.shape, (n, i, j, o, k) => {
    if (db !== null) db[o]! += dy!.data[k]!;
    for (let a = 0; a < kh; a++)
      for (let b = 0; b < kw; b++) {
        const u = i + a - (kh >> 1);
        const v = j + b - (kw >> 1);
        if (u < 0 || v < 0 || u >= x!.shape[1] || v >= x!.shape[2]) continue;
        for (let c = 0; c < ci; c++)
          dw[at(dw0!.shape, o, c, a, b)]! += dy!.data[k]! * x!.data[at(x!.shape, n, u, v, c)]!;
      }
  });
  return db === null ? [dw] : [dw, db];
};

export const kernels: Kernels = {
  conv2d_forward: shuffledForward,
  conv2d_backward_data: shuffledBackwardData,
  conv2d_backward_weights: shuffledBackwardWeights,
};
