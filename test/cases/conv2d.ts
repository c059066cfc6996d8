/** Convolutions of all sizes the networks use and those that kernels trip over. */
import type { GraphBuilder, Shape } from '../../src/graph/ir.js';
import type { ActivationKind } from '../../src/graph/ops/activation.js';
import { conv2d, conv2dBackwardData } from '../../src/graph/ops/conv2d.js';
import type { OpCase, OpCases } from './case.js';

interface Conv {
  x: Shape;
  co: number;
  k: [number, number];
  activation?: ActivationKind;
  bias?: boolean;
  residual?: boolean;
  shuffle?: number;
}

function forward(
  { x, co, k, activation = 'none', bias = true, residual = false, shuffle = 1 }: Conv,
  bench = false,
): OpCase {
  const extras = `${activation === 'none' ? '' : ` ${activation}`}${bias ? '' : ' no bias'}${residual ? ' residual' : ''}${shuffle > 1 ? ` shuffle ${shuffle}` : ''}`;
  return {
    name: `[${x.join(',')}] ${k.join('x')} -> ${co}${extras}`,
    build(b: GraphBuilder) {
      const input = b.input('x', x);
      const w = b.parameter('w', [co, x[3], k[0], k[1]]);
      const biasValue = bias ? b.parameter('b', [1, 1, 1, co]) : null;
      const res = residual ? b.input('residual', [x[0], x[1], x[2], co]) : null;
      b.output('y', conv2d(b, input, w, { bias: biasValue, residual: res, activation, shuffle }, 'y'));
    },
    differentiate: 'y',
    bench,
  };
}

function backwardData({ x, co, k }: Conv, add: boolean, mask: boolean, bench = false): OpCase {
  return {
    name: `backward_data [${x.join(',')}] ${k.join('x')} <- ${co}${add ? ' add' : ''}${mask ? ' mask' : ''}`,
    build(b: GraphBuilder) {
      const dy = b.input('dy', [x[0], x[1], x[2], co]);
      const w = b.parameter('w', [co, x[3], k[0], k[1]]);
      const operands = [dy, w, add ? b.input('add', x) : null, mask ? b.input('mask', x) : null];
      b.output('dx', b.apply(conv2dBackwardData, operands, { kh: k[0], kw: k[1], activation: 'none' }, 'dx')[0]!);
    },
    bench,
  };
}

const KERNELS: readonly [number, number][] = [
  [1, 1],
  [1, 3],
  [3, 3],
  [5, 5],
  [1, 7],
];

export const conv2dCases: OpCases = {
  op: 'conv2d',
  // sums, whose errors go both ways; cuDNN stores the sum once more before bias and residual
  storedSpacings: 0.25,
  tolerance: { absolute: 4e-5, relative: 2e-4 },
  reason:
    'float32 sums of up to 9 * 340 terms of size 1 carry rounding of about 1e-7 * sqrt(3060); Winograd transforms enlarge it by up to 10',
  cases: [
    ...KERNELS.map((k) => forward({ x: [1, 1, 1, 1], co: 1, k })),
    ...KERNELS.map((k) => forward({ x: [3, 5, 7, 3], co: 5, k })),
    forward({ x: [1, 1, 1, 85], co: 340, k: [1, 1], activation: 'sigmoid' }),
    forward({ x: [3, 1, 1, 20], co: 5, k: [1, 1], activation: 'relu' }),
    forward({ x: [2, 9, 11, 7], co: 12, k: [3, 3], activation: 'relu' }),
    forward({ x: [2, 9, 11, 17], co: 20, k: [3, 3], activation: 'softplus' }),
    forward({ x: [1, 13, 31, 37], co: 41, k: [3, 3] }),
    forward({ x: [1, 1, 99, 20], co: 20, k: [1, 3], activation: 'relu', residual: true }),
    forward({ x: [2, 6, 17, 64], co: 64, k: [1, 3], activation: 'relu', residual: true }),
    forward({ x: [1, 8, 12, 96], co: 64, k: [3, 3] }),
    forward({ x: [3, 4, 4, 340], co: 340, k: [1, 3], residual: true }),
    forward({ x: [1, 3, 5, 340], co: 16, k: [3, 3], bias: false }),
    forward({ x: [1, 16, 29, 1], co: 8, k: [1, 7], activation: 'relu' }),
    forward({ x: [1, 16, 29, 8], co: 1, k: [1, 7], residual: true }),
    forward({ x: [1, 2, 3, 35], co: 11, k: [1, 1], residual: true }),
    forward({ x: [1, 1, 1, 1], co: 4, k: [3, 3], shuffle: 2 }),
    forward({ x: [2, 5, 7, 3], co: 12, k: [3, 3], shuffle: 2, activation: 'relu' }),
    forward({ x: [1, 4, 3, 5], co: 27, k: [1, 1], shuffle: 3, bias: false }),
    forward({ x: [2, 6, 13, 16], co: 64, k: [3, 3], shuffle: 2, activation: 'relu' }),
    forward({ x: [1, 7, 17, 20], co: 80, k: [3, 3], shuffle: 2 }),
    forward({ x: [1, 13, 14, 64], co: 256, k: [3, 3], shuffle: 2 }),
    backwardData({ x: [1, 1, 1, 1], co: 1, k: [3, 3] }, true, true),
    backwardData({ x: [3, 5, 7, 3], co: 5, k: [3, 3] }, false, true),
    backwardData({ x: [2, 1, 37, 20], co: 20, k: [1, 3] }, true, true),
    backwardData({ x: [1, 1, 64, 68], co: 64, k: [1, 3] }, true, false),
    backwardData({ x: [1, 8, 12, 64], co: 72, k: [3, 3] }, false, true),
    forward({ x: [1, 136, 136, 64], co: 256, k: [3, 3], shuffle: 2 }, true),
    forward({ x: [1, 272, 272, 64], co: 340, k: [3, 3] }, true),
    forward({ x: [1, 256, 256, 7], co: 128, k: [3, 3], activation: 'relu' }, true),
    forward({ x: [1, 256, 256, 128], co: 340, k: [3, 3] }, true),
    forward({ x: [1, 256, 256, 340], co: 340, k: [3, 3] }, true),
    forward({ x: [1, 1, 65536, 340], co: 340, k: [1, 3], activation: 'relu', residual: true }, true),
    backwardData({ x: [1, 1, 65536, 340], co: 340, k: [1, 3] }, true, true, true),
  ],
};
