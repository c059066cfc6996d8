import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { differentiateFrom } from '../../src/compiler/autodiff.js';
import { openDevice } from '../../src/engine/device.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { GraphBuilder, type Shape } from '../../src/graph/ir.js';
import { cellTable, clamp, neighbourhoodBounds } from '../../src/graph/ops/bounds.js';
import { evaluateGraph } from '../support/reference.js';

describe('the gradient through clamping', () => {
  const SHAPE: Shape = [2, 4, 6, 5];
  const graph = () => {
    const b = new GraphBuilder();
    const bounds = {
      low: b.input('low', [2, 2, 2, 5]),
      high: b.input('high', [2, 2, 2, 5]),
      rows: cellTable(b, [0, 0, 1, 1], 'rows'),
      columns: cellTable(b, [0, 0, 0, 1, 1, 1], 'columns'),
    };
    b.output('y', clamp(b, b.input('x', SHAPE), bounds, 'y'));
    return b.build();
  };
  const random = new Random(3);
  const numbers = (count: number, scale: number, offset: number) =>
    Float32Array.from({ length: count }, () => offset + scale * random.uniform());
  const feeds = new Map([
    ['x', numbers(240, 2, -1)],
    ['low', numbers(40, 0.5, -1)],
    ['high', numbers(40, 0.5, 0.25)],
    ['seed.y', numbers(240, 2, -1)],
  ]);

  it('equals finite differences, and is 0 where the value lies on a bound', () => {
    const forward = graph();
    const gradient = evaluateGraph(differentiateFrom(forward, 'y', ['x']), feeds).get('grad.x')!;
    const seed = feeds.get('seed.y')!;
    const scalar = (x: ArrayLike<number>) =>
      evaluateGraph(forward, new Map<string, ArrayLike<number>>([...feeds, ['x', x]]))
        .get('y')!
        .reduce((sum, v, i) => sum + v * seed[i]!, 0);
    const x = Float64Array.from(feeds.get('x')!);
    let held = 0;
    for (let i = 0; i < x.length; i++) {
      const at = (d: number) => scalar(x.map((v, k) => (k === i ? v + d : v)));
      // the function is piecewise linear: exact but for rounding, away from its corners
      expect((at(1e-6) - at(-1e-6)) / 2e-6, `element ${i}`).toBeCloseTo(gradient[i]!, 6);
      if (gradient[i] === 0) held++;
    }
    expect(held).toBeGreaterThan(20);
    expect(held).toBeLessThan(220);
  });

  it('is the same on the device', async () => {
    const backward = differentiateFrom(graph(), 'y', ['x']);
    const { device } = await openDevice({ kind: 'cpu' });
    const runner = new GraphRunner(device, backward);
    try {
      const actual = await runner.run(feeds);
      expect([...actual.get('grad.x')!]).toEqual([...evaluateGraph(backward, feeds).get('grad.x')!]);
    } finally {
      runner.dispose();
      device.dispose();
    }
  });
});

describe('bounds of a neighbourhood, by hand', () => {
  const bounds = (x: readonly number[], floor: number) => {
    const b = new GraphBuilder();
    const { low, high } = neighbourhoodBounds(b, b.input('x', [1, 1, x.length, 1]), Float32Array.of(floor), 1, 1, 'b');
    b.output('low', low);
    b.output('high', high);
    const out = evaluateGraph(b.build(), new Map([['x', x]]));
    return [[...out.get('low')!], [...out.get('high')!]];
  };

  it('reach one range beyond what lies around, but not below 0', () => {
    expect(bounds([1, 2, 10, 11, 11], 0)).toEqual([
      [0, 0, 0, 9, 11],
      [3, 19, 20, 12, 11],
    ]);
  });

  it('reach below 0 as far as the image does, where it does', () => {
    expect(bounds([-1, 4, 5, 6], 0)[0]).toEqual([-1, -1, 2, 4]);
  });

  it('let a value that is the floor but for rounding count as the floor', () => {
    const floor = -0.3;
    const below = floor - 1e-8;
    expect(bounds([below, 1], floor)[0]![0]).toBe(Math.fround(floor));
  });
});
