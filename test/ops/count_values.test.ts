import { expect, it } from 'vitest';
import { GraphBuilder, type Shape } from '../../src/graph/ir.js';
import { countValues } from '../../src/graph/ops/count_values.js';

it('count_values takes 1 to 16 of 32 bits, and prefixes of one population or of every band', () => {
  const build = (settled: number, bits: number, prefixes: Shape, counts: Shape) => () => {
    const b = new GraphBuilder();
    const operands = {
      values: b.input('values', [1, 4, 4, 3]),
      pixelMask: null,
      bandMask: null,
      prefixes: b.state('prefixes', prefixes, 'f64'),
      counts: b.state('counts', counts, 'f64'),
    };
    countValues(b, operands, { settled, bits }, 'first pass');
  };
  expect(build(28, 4, [1, 1, 3, 2], [1, 3, 2, 16])).not.toThrow();
  for (const [settled, bits] of [
    [0, 17],
    [0, 0],
    [29, 4],
    [-1, 4],
    [0.5, 4],
  ] as const)
    expect(build(settled, bits, [1, 1, 1, 1], [1, 1, 1, 2 ** Math.ceil(bits)])).toThrow(
      `count_values 'first pass': settled ${settled} and bits ${bits}, expected 1 to 16 bits of 32`,
    );
  expect(build(0, 4, [1, 1, 2, 1], [1, 2, 1, 16])).toThrow('2 populations of 3 bands, expected 1 or 3');
  expect(build(0, 4, [1, 1, 3, 1], [1, 1, 3, 16])).toThrow('counts has shape [1, 1, 3, 16], expected [1, 3, 1, 16]');
});
