/**
 * 2-D convolution, stride 1, zero padding k/2, odd kernels:
 *
 *     y[n,y,x,o] = act( b[o] + sum_{i,dy,dx} w[o,i,dy,dx] x[n, y+dy-kh/2, x+dx-kw/2, i] + residual[n,y,x,o] )
 *
 * (cross-correlation, as torch.nn.Conv2d). x [n,h,w,ci], w [co,ci,kh,kw], b [1,1,1,co], y [n,h,w,co].
 * A Conv1d of PyTorch ([co,ci,k]) is kh = 1, kw = k; a Linear ([co,ci]) is kh = kw = 1 on one pixel.
 * Backward needs x and w, and with an activation y.
 *
 * With shuffle r > 1 the result is stored as torch.nn.PixelShuffle(r) would: channel c r r + dy r + dx of pixel (y, x) goes
 * to channel c of pixel (r y + dy, r x + dx), so y is [n, r h, r w, co / (r r)] (no residual then); dy comes in that layout.
 *
 * With the attribute `exact` f32 operands are not rounded where a device rounds others to tf32 (compiler/storage_types.ts).
 */
import {
  type Attributes,
  elements,
  formatShape,
  type GraphBuilder,
  type OpDefinition,
  type Shape,
  ShapeError,
  type Value,
  type ValueType,
} from '../ir.js';
import { type ActivationKind, activationBackward, activationParameter } from './activation.js';
import { expectShape, f32, flag, number, required, traffic } from './common.js';

function kernelOf(weight: ValueType, op: string, label: string): { kh: number; kw: number; ci: number; co: number } {
  const [co, ci, kh, kw] = weight.shape;
  if (kh % 2 === 0 || kw % 2 === 0) {
    throw new ShapeError(op, label, `kernel ${kh} x ${kw} of weight ${formatShape(weight.shape)} must be odd`);
  }
  return { kh, kw, ci, co };
}

const PARAMS = {
  kh: number(),
  kw: number(),
  activation: activationParameter,
  shuffle: number(1),
  exact: flag,
};

const shuffleOf = ({ shuffle }: Attributes): number => (shuffle ?? 1) as number;

/** The plain convolution's shape -> what is stored. */
function shuffled([n, h, w, c]: Shape, r: number, label: string): Shape {
  if (c % (r * r) !== 0)
    throw new ShapeError('conv2d', label, `${c} channels cannot be shuffled to ${r} x ${r} times the pixels`);
  return [n, h * r, w * r, c / (r * r)];
}

/** What is stored -> the plain convolution's shape. */
function unshuffled([n, h, w, c]: Shape, r: number, label: string): Shape {
  if (h % r !== 0 || w % r !== 0) throw new ShapeError('conv2d', label, `${h} x ${w} pixels are no shuffle by ${r}`);
  return [n, h / r, w / r, c * r * r];
}

/** 2 flops for each multiply-add; zero padding is counted as if it were data. */
function convCost(pixels: number, weight: ValueType, operands: readonly (ValueType | null)[], results: ValueType[]) {
  return { flops: 2 * pixels * elements(weight.shape), bytes: traffic(operands, results) };
}

const pixelsOf = (shape: Shape) => shape[0] * shape[1] * shape[2];

// ---- forward ----

export const conv2dForward: OpDefinition = {
  name: 'conv2d_forward',
  inputs: ['x', 'w', 'b', 'residual'],
  outputs: ['y'],
  infer([xIn, wIn, b, residual], attributes, label) {
    const x = required(xIn, 'conv2d', label, 'x');
    const w = required(wIn, 'conv2d', label, 'w');
    const { ci, co } = kernelOf(w, 'conv2d', label);
    if (x.shape[3] !== ci) {
      throw new ShapeError(
        'conv2d',
        label,
        `x ${formatShape(x.shape)} has ${x.shape[3]} channels, weight ${formatShape(w.shape)} expects ${ci}`,
      );
    }
    const r = shuffleOf(attributes);
    const y = shuffled([x.shape[0], x.shape[1], x.shape[2], co], r, label);
    expectShape(b, [1, 1, 1, co], 'conv2d', label, 'bias');
    if (r > 1 && residual) throw new ShapeError('conv2d', label, 'a shuffled convolution takes no residual');
    expectShape(residual, y, 'conv2d', label, 'residual');
    return [f32(y)];
  },
  cost: (operands, results) => convCost(pixelsOf(operands[0]!.shape), operands[1]!, operands, [...results]),
  gradient(g) {
    const { kh, kw, activation, shuffle } = g.node.attributes;
    const label = g.node.label;
    const dy =
      activation === 'none'
        ? g.outputGradient(0)
        : activationBackward(
            g.builder,
            activation as ActivationKind,
            g.output(0),
            g.outputGradient(0),
            `${label}.dact`,
          );
    const kernel = { kh: kh!, kw: kw!, shuffle: shuffle ?? 1 };
    if (g.node.inputs[3] !== null && g.needs(3)) g.contribute(3, dy);
    const hasBias = g.node.inputs[2] !== null && g.needs(2);
    if (g.needs(1) || hasBias) {
      const [dw, db] = g.builder.apply(
        conv2dBackwardWeights,
        [g.input(0), dy, g.accumulator(1), hasBias ? g.accumulator(2) : null],
        kernel,
        `${label}.dw`,
      );
      g.setAccumulated(1, dw!);
      if (hasBias) g.setAccumulated(2, db!);
    }
    if (g.needs(0)) {
      const [dx] = g.builder.apply(conv2dBackwardData, [dy, g.input(1), null, null], kernel, `${label}.dx`);
      g.contribute(0, dx!);
    }
  },
  footprint: {
    kind: 'window',
    reach: ({ kh, kw }) => [(kh as number) >> 1, (kw as number) >> 1],
    scale: shuffleOf,
    beside: [3],
  },
  inPlace: [[3, 0]],
  params: PARAMS,
  workspace: true,
  // with a shuffle x may have a single pixel
  alike: [0, 3],
  // with an activation it is no sum
  summands: ({ activation }, isFrozen) => (isFrozen(1) && isFrozen(2) && activation === 'none' ? [0, 3] : []),
  roundsOperands: true,
  takes: {
    addition: {
      operand: 3,
      isFree: ({ inputs, attributes }) =>
        inputs[3] === null && attributes.activation === 'none' && shuffleOf(attributes) === 1,
    },
    activation: true,
  },
};

// ---- backward ----

/** dx = (conv_transposed(dy, w) + add) * (mask > 0); `add` and `mask` are put in by src/compiler/fuse.ts. */
export const conv2dBackwardData: OpDefinition = {
  name: 'conv2d_backward_data',
  inputs: ['dy', 'w', 'add', 'mask'],
  outputs: ['dx'],
  infer([dyIn, wIn, add, mask], attributes, label) {
    const dy = required(dyIn, 'conv2d_backward_data', label, 'dy');
    const w = required(wIn, 'conv2d_backward_data', label, 'w');
    const { ci, co } = kernelOf(w, 'conv2d_backward_data', label);
    const [n, h, wide, channels] = unshuffled(dy.shape, shuffleOf(attributes), label);
    if (channels !== co)
      throw new ShapeError('conv2d_backward_data', label, `dy has ${channels} channels, the weight ${co}`);
    const dx: Shape = [n, h, wide, ci];
    expectShape(add, dx, 'conv2d_backward_data', label, 'add');
    expectShape(mask, dx, 'conv2d_backward_data', label, 'mask');
    return [f32(dx)];
  },
  cost: (operands, results) => convCost(pixelsOf(results[0]!.shape), operands[1]!, operands, [...results]),
  inPlace: [[2, 0]],
  params: PARAMS,
  workspace: true,
  alike: [0, 2, 3],
  takes: { addition: { operand: 2, isFree: ({ inputs }) => inputs[2] === null && inputs[3] === null }, mask: 3 },
};

/** dw[o,i,dy,dx] += sum over pixels of dy[o] x[shifted, i]; db[o] += sum over pixels of dy[o] (db may be absent). */
export const conv2dBackwardWeights: OpDefinition = {
  name: 'conv2d_backward_weights',
  inputs: ['x', 'dy', 'dw', 'db'],
  outputs: ['dw', 'db'],
  infer([xIn, dyIn, dwIn, db], attributes, label) {
    const { kh, kw } = attributes;
    const op = 'conv2d_backward_weights';
    const x = required(xIn, op, label, 'x');
    const dy = required(dyIn, op, label, 'dy');
    const dw = required(dwIn, op, label, 'dw');
    const plain = unshuffled(dy.shape, shuffleOf(attributes), label);
    const co = plain[3];
    if (plain[1] !== x.shape[1] || plain[2] !== x.shape[2] || plain[0] !== x.shape[0])
      throw new ShapeError(op, label, `dy ${formatShape(dy.shape)} does not belong to x ${formatShape(x.shape)}`);
    expectShape(dw, [co, x.shape[3], kh as number, kw as number], op, label, 'dw');
    expectShape(db, [1, 1, 1, co], op, label, 'db');
    return db === null || db === undefined ? [dw] : [dw, db];
  },
  cost: (operands, results) => convCost(pixelsOf(operands[0]!.shape), results[0]!, operands, [...results]),
  accumulates: [
    [2, 0],
    [3, 1],
  ],
  params: PARAMS,
  workspace: true,
};

// ---- what models call ----

export interface ConvOptions {
  readonly bias?: Value | null;
  readonly residual?: Value | null;
  readonly activation?: ActivationKind;
  /** r > 1: stored as PixelShuffle(r) would. */
  readonly shuffle?: number;
}

/** act(conv(x, w) + bias + residual); x [n,h,w,ci], w [co,ci,kh,kw] -> [n,h,w,co], or [n, r h, r w, co / (r r)]. */
export function conv2d(builder: GraphBuilder, x: Value, w: Value, options: ConvOptions, label: string): Value {
  const { activation = 'none', shuffle = 1 } = options;
  const attributes = { kh: w.shape[2], kw: w.shape[3], activation, shuffle };
  return builder.apply(conv2dForward, [x, w, options.bias ?? null, options.residual ?? null], attributes, label)[0]!;
}
