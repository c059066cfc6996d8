/**
 * The obvious float64 implementation of every graph operator, and an interpreter of graphs over it. Slow on purpose:
 * loops as in the formulas of src/graph/ops, nothing shared with native/. Its gradients are checked by finite differences
 * in test/compiler/autodiff.test.ts, and the native kernels against it in test/ops.
 */
import { type Attributes, elements, type Graph, type Shape } from '../../src/graph/ir.js';
import { spectralLossReference, spectralMetricsReference } from './reference_loss.js';

/** Numbers of a value in the order of its shape. */
export interface Array4 {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export type Kernel = (x: (Array4 | null)[], a: Attributes, outputs: readonly Shape[]) => Float64Array[];

const zeros = (shape: Shape) => new Float64Array(elements(shape));
const at = (s: Shape, n: number, y: number, x: number, c: number) => ((n * s[1] + y) * s[2] + x) * s[3] + c;

/** Calls f for every element of a shape. */
function each(s: Shape, f: (n: number, y: number, x: number, c: number, i: number) => void): void {
  let i = 0;
  for (let n = 0; n < s[0]; n++)
    for (let y = 0; y < s[1]; y++) for (let x = 0; x < s[2]; x++) for (let c = 0; c < s[3]; c++) f(n, y, x, c, i++);
}

const activate: Record<string, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => (x > 30 ? x : Math.log1p(Math.exp(x))),
};

/** Derivative from the output. */
const slope: Record<string, (y: number) => number> = {
  none: () => 1,
  relu: (y) => (y > 0 ? 1 : 0),
  sigmoid: (y) => y * (1 - y),
  softplus: (y) => -Math.expm1(-y),
};

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

/** Each turn step by step, as numpy does it: flip the columns, then rotate by a quarter as often as asked. */
const gatherPatches: Kernel = ([source, places], { column }, [ys]) => {
  const [n, height, width, c] = ys!;
  const y: number[] = [];
  for (let i = 0; i < n; i++) {
    const place = places!.data[3 * i + (column as number)]!;
    const turn = places!.data[3 * i + 2]!;
    let patch = Array.from({ length: height }, (_, row) =>
      Array.from({ length: width }, (_, x) => {
        const start = at(source!.shape, place, row, x, 0);
        return source!.data.slice(start, start + c);
      }),
    );
    if (turn >= 4) patch = patch.map((row) => row.toReversed());
    // counter-clockwise: the last column becomes the first row
    for (let quarter = 0; quarter < turn % 4; quarter++)
      patch = patch[0]!.map((_, x) => patch.map((row) => row.at(-1 - x)!));
    for (const row of patch) for (const spectrum of row) y.push(...spectrum);
  }
  return [Float64Array.from(y)];
};

/** Every output pixel is the double sum over both tables. */
const resampleReference: Kernel = ([x, rows, columns, residual], _a, [ys]) => {
  const y = residual === null ? zeros(ys!) : Float64Array.from(residual!.data);
  const [tall, wide] = [rows!.shape[3], columns!.shape[3]];
  each(ys!, (n, i, j, c, k) => {
    for (let a = 1; a < tall; a++)
      for (let b = 1; b < wide; b++) {
        const u = rows!.data[i * tall]! + a - 1;
        const v = columns!.data[j * wide]! + b - 1;
        y[k]! += rows!.data[i * tall + a]! * columns!.data[j * wide + b]! * x!.data[at(x!.shape, n, u, v, c)]!;
      }
  });
  return [y];
};

const neighbourhoodBounds: Kernel = ([x, floor], { radius, margin }) => {
  const [, h, w] = x!.shape;
  const [low, high] = [zeros(x!.shape), zeros(x!.shape)];
  each(x!.shape, (n, i, j, c, k) => {
    const around: number[] = [];
    for (let u = 0; u < h; u++)
      for (let v = 0; v < w; v++)
        if (Math.max(Math.abs(u - i), Math.abs(v - j)) <= Number(radius))
          around.push(x!.data[at(x!.shape, n, u, v, c)]!);
    const [least, most, zero] = [Math.min(...around), Math.max(...around), floor!.data[c]!];
    const spread = Number(margin) * (most - least);
    low[k] = Math.max(least - spread, Math.min(zero, least + Math.abs(zero) / 2 ** 20));
    high[k] = most + spread;
  });
  return [low, high];
};

/** Value and bounds of every element of the fine image. */
function eachClamped(
  [fine, low, high, rows, columns]: Parameters<Kernel>[0],
  visit: (value: number, low: number, high: number, k: number, pixel: number) => void,
): void {
  each(fine!.shape, (n, i, j, c, k) => {
    const cell = at(low!.shape, n, rows!.data[2 * i]!, columns!.data[2 * j]!, c);
    visit(fine!.data[k]!, low!.data[cell]!, high!.data[cell]!, k, Math.floor(k / fine!.shape[3]));
  });
}

const clampReference: Kernel = (operands, _a, [ys]) => {
  const y = zeros(ys!);
  eachClamped(operands, (x, low, high, k) => {
    y[k] = Math.min(Math.max(x, low), high);
  });
  return [y];
};

const clampBackwardReference: Kernel = (operands, _a, [xs]) => {
  const dx = zeros(xs!);
  eachClamped(operands, (y, low, high, k) => {
    dx[k] = y > low && y < high ? operands[5]!.data[k]! : 0;
  });
  return [dx];
};

const countClampedReference: Kernel = (operands, _a, [counts]) => {
  const result = zeros(counts!);
  eachClamped(operands, (y, low, high, _k, pixel) => {
    if ((y <= low || y >= high) && low < high) result[pixel]! += 1;
  });
  return [result];
};

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

const gateForward: Kernel = ([x, g, residual]) => {
  const y = zeros(x!.shape);
  each(x!.shape, (n, _y, _x, c, i) => {
    y[i] = x!.data[i]! * g!.data[at(g!.shape, n, 0, 0, c)]! + (residual?.data[i] ?? 0);
  });
  return [y];
};

const gateBackwardGate: Kernel = ([dy, x], _a, [gs]) => {
  const dg = zeros(gs!);
  each(dy!.shape, (n, _y, _x, c, i) => {
    dg[at(gs!, n, 0, 0, c)]! += dy!.data[i]! * x!.data[i]!;
  });
  return [dg];
};

const gateBackwardInput: Kernel = ([dy, g, dmean, mask]) => {
  const dx = zeros(dy!.shape);
  const pixels = dy!.shape[1] * dy!.shape[2];
  each(dy!.shape, (n, _y, _x, c, i) => {
    const k = at(g!.shape, n, 0, 0, c);
    const value = dy!.data[i]! * g!.data[k]! + (dmean?.data[k] ?? 0) / pixels;
    dx[i] = mask === null || mask!.data[i]! > 0 ? value : 0;
  });
  return [dx];
};

const meanForward: Kernel = ([x], _a, [ys]) => {
  const y = zeros(ys!);
  each(x!.shape, (n, _y, _x, c, i) => {
    y[at(ys!, n, 0, 0, c)]! += x!.data[i]! / (x!.shape[1] * x!.shape[2]);
  });
  return [y];
};

const meanBackward: Kernel = ([dy], _a, [xs]) => {
  const dx = zeros(xs!);
  each(xs!, (n, _y, _x, c, i) => {
    dx[i] = dy!.data[at(dy!.shape, n, 0, 0, c)]! / (xs![1] * xs![2]);
  });
  return [dx];
};

const mixForward: Kernel = ([logits, e], _a, [as, ys]) => {
  const a = zeros(as!);
  const y = zeros(ys!);
  const [n, h, w, K] = as!;
  for (let p = 0; p < n * h * w; p++) {
    const row = logits!.data.subarray(p * K, (p + 1) * K);
    const top = Math.max(...row);
    const exps = Array.from(row, (v) => Math.exp(v - top));
    const sum = exps.reduce((s, v) => s + v, 0);
    for (let k = 0; k < K; k++) {
      a[p * K + k] = exps[k]! / sum;
      for (let c = 0; c < ys![3]; c++) y[p * ys![3] + c]! += a[p * K + k]! * e!.data[k * ys![3] + c]!;
    }
  }
  return [a, y];
};

const mixBackward: Kernel = ([dy, a, e, de0], _attributes, [ls]) => {
  const dl = zeros(ls!);
  const de = Float64Array.from(de0!.data);
  const K = ls![3];
  const C = dy!.shape[3];
  for (let p = 0; p < dl.length / K; p++) {
    const s = new Float64Array(K);
    for (let k = 0; k < K; k++)
      for (let c = 0; c < C; c++) {
        s[k]! += dy!.data[p * C + c]! * e!.data[k * C + c]!;
        de[k * C + c]! += a!.data[p * K + k]! * dy!.data[p * C + c]!;
      }
    const mean = s.reduce((sum, v, k) => sum + v * a!.data[p * K + k]!, 0);
    for (let k = 0; k < K; k++) dl[p * K + k] = a!.data[p * K + k]! * (s[k]! - mean);
  }
  return [dl, de];
};

const quadraticForward: Kernel = ([x], _a, [ys]) => {
  const y = zeros(ys!);
  const c = x!.shape[3];
  for (let p = 0; p < x!.data.length / c; p++) {
    const v = x!.data.subarray(p * c, (p + 1) * c);
    const row = [...v];
    for (let i = 0; i < c; i++) for (let j = i; j < c; j++) row.push(v[i]! * v[j]!);
    y.set(row, p * ys![3]);
  }
  return [y];
};

const quadraticBackward: Kernel = ([dy, x]) => {
  const dx = zeros(x!.shape);
  const c = x!.shape[3];
  const f = dy!.shape[3];
  for (let p = 0; p < dx.length / c; p++) {
    let k = c;
    for (let i = 0; i < c; i++) {
      dx[p * c + i]! += dy!.data[p * f + i]!;
      for (let j = i; j < c; j++) {
        const d = dy!.data[p * f + k++]!;
        dx[p * c + i]! += d * x!.data[p * c + j]!;
        dx[p * c + j]! += d * x!.data[p * c + i]!;
      }
    }
  }
  return [dx];
};

const normalEquations: Kernel = ([a, y, mask, gram0, cross0]) => {
  const gram = Float64Array.from(gram0!.data);
  const cross = Float64Array.from(cross0!.data);
  const f = a!.shape[3];
  const c = y!.shape[3];
  for (let p = 0; p < a!.data.length / f; p++) {
    if (mask !== null && mask!.data[p] === 0) continue;
    const row = [...a!.data.subarray(p * f, (p + 1) * f), 1];
    for (let i = 0; i <= f; i++) {
      for (let j = 0; j <= f; j++) gram[i * (f + 1) + j]! += row[i]! * row[j]!;
      for (let j = 0; j < c; j++) cross[i * c + j]! += row[i]! * y!.data[p * c + j]!;
    }
  }
  return [gram, cross];
};

/** A float32's place in the order of all of them: its bits, negative numbers turned round. */
function ordered(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  return word < 2 ** 31 ? word + 2 ** 31 : 2 ** 32 - 1 - word;
}

const countValues: Kernel = ([values, pixelMask, bandMask, prefixes, counts0], { settled, bits }) => {
  const counts = Float64Array.from(counts0!.data);
  const c = values!.shape[3];
  const [, , populations, slots] = prefixes!.shape;
  values!.data.forEach((value, i) => {
    const band = i % c;
    if (pixelMask?.data[Math.floor(i / c)] === 0 || bandMask?.data[band] === 0) return;
    const word = ordered(value);
    const wanted = prefixes!.data.slice(populations === 1 ? 0 : band * slots).subarray(0, slots);
    const slot = wanted.indexOf(Math.floor(word / 2 ** (32 - Number(settled))));
    if (slot < 0) return;
    const bin = Math.floor(word / 2 ** (32 - Number(settled) - Number(bits))) % 2 ** Number(bits);
    counts[((populations === 1 ? 0 : band) * slots + slot) * 2 ** Number(bits) + bin]! += 1;
  });
  return [counts];
};

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

export const KERNELS: Record<string, Kernel> = {
  conv2d_forward: shuffledForward,
  conv2d_backward_data: shuffledBackwardData,
  conv2d_backward_weights: shuffledBackwardWeights,
  resample: resampleReference,
  neighbourhood_bounds: neighbourhoodBounds,
  clamp_forward: clampReference,
  clamp_backward: clampBackwardReference,
  count_clamped: countClampedReference,
  activation_forward: ([x], { kind }) => [x!.data.map(activate[kind as string]!)],
  activation_backward: ([y, dy], { kind }) => [dy!.data.map((d, i) => d * slope[kind as string]!(y!.data[i]!))],
  add: ([a, b]) => [a!.data.map((v, i) => v + b!.data[i]!)],
  fill: (_x, { value }, [s]) => [zeros(s!).fill(value as number)],
  reshape: ([x]) => [x!.data],
  global_mean_forward: meanForward,
  global_mean_backward: meanBackward,
  gate_forward: gateForward,
  gate_backward_gate: gateBackwardGate,
  gate_backward_input: gateBackwardInput,
  softmax_mixing_forward: mixForward,
  softmax_mixing_backward: mixBackward,
  quadratic_features_forward: quadraticForward,
  quadratic_features_backward: quadraticBackward,
  spectral_loss: spectralLossReference,
  spectral_metrics: spectralMetricsReference,
  normal_equations: normalEquations,
  count_values: countValues,
  convert: ([x]) => [x!.data],
  gather_patches: gatherPatches,
  grad_norm: gradNorm,
  adam,
};

export type Feeds = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Runs a graph in float64. `feeds` gives inputs, parameters and states by name (a state that is not given is zero).
 * Returns every output by name.
 */
export function evaluateGraph(graph: Graph, feeds: Feeds): Map<string, Float64Array> {
  const values = new Map<number, Float64Array>();
  for (const v of graph.values) {
    if (v.role === 'node') continue;
    const given = v.data ?? feeds.get(v.name);
    if (given !== undefined && given.length !== elements(v.shape)) {
      throw new Error(`${v.name}: ${given.length} numbers for shape [${v.shape.join(', ')}]`);
    }
    if (given !== undefined) values.set(v.id, Float64Array.from(given));
    else if (v.role === 'state') values.set(v.id, zeros(v.shape));
  }
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => {
      if (id === null) return null;
      const data = values.get(id);
      if (data === undefined)
        throw new Error(`'${node.label}' reads '${graph.values[id]!.name}', which has no numbers`);
      return { shape: graph.values[id]!.shape, data };
    });
    const shapes = node.outputs.map((id) => graph.values[id]!.shape);
    const results = KERNELS[node.op.name]!(operands, node.attributes, shapes);
    node.outputs.forEach((id, i) => {
      values.set(id, results[i]!);
    });
  }
  return new Map([...graph.outputs].map(([name, id]) => [name, values.get(id)!]));
}
