/** Storage types: conversions where they are needed and nowhere else, and the numbers stay what they were. */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/compiler/autodiff.js';
import { fuse } from '../../src/compiler/fuse.js';
import { assignStorage, imagePitch } from '../../src/compiler/storage_types.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { byteLength, elements, type Graph, GraphBuilder, type OpDefinition, valuePitch } from '../../src/graph/ir.js';
import { add } from '../../src/graph/ops/add.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import { resampleOp } from '../../src/graph/ops/resample.js';
import { reshape } from '../../src/graph/ops/reshape.js';
import { lossGraph, networkFeeds, SMALL_NETWORKS } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';
import { ReferenceDevice } from '../support/reference_device.js';

const BF16 = { image: 'bf16', rowBytes: 16 } as const;
const PADDED = { image: 'f32', rowBytes: 16 } as const;
const converts = (graph: Graph) => graph.nodes.filter((node) => node.op.name === 'convert').map((node) => node.label);

describe('pitch', () => {
  it('is a whole number of 16-byte rows, and 1 for one channel', () => {
    // 340 bands: 85 rows of 4 floats; 42.5 rows of 8 halves
    expect([1, 3, 7, 340].map((c) => imagePitch(c, PADDED))).toEqual([1, 4, 8, 340]);
    expect([1, 3, 7, 340].map((c) => imagePitch(c, BF16))).toEqual([1, 8, 8, 344]);
    expect(imagePitch(7, { image: 'f32', rowBytes: 1 })).toBe(7);
  });
});

describe('a graph on a device that pads', () => {
  function twoSums(c: number): Graph {
    const b = new GraphBuilder();
    const x = b.input('x', [2, 3, 5, c]);
    b.output('y', add(b, add(b, x, x, 'one'), x, 'two'));
    return b.build();
  }

  it('is left alone where nothing is padded', () => {
    const graph = twoSums(7);
    expect(assignStorage(graph, { image: 'f32', rowBytes: 1 })).toBe(graph);
  });

  it('converts an input once and an output once', () => {
    const stored = assignStorage(twoSums(7), BF16);
    expect(converts(stored)).toEqual(['convert x', 'convert two']);
    const sum = stored.values[stored.nodes[1]!.outputs[0]!]!;
    expect([sum.dtype, valuePitch(sum), byteLength(sum)]).toEqual(['bf16', 8, 2 * 3 * 5 * 8 * 2]);
    const output = stored.values[stored.outputs.get('y')!]!;
    expect([output.dtype, valuePitch(output)]).toEqual(['f32', 7]);
  });

  it('converts nothing where f32 rows fit as they are', () => {
    expect(converts(assignStorage(twoSums(340), PADDED))).toEqual([]);
  });

  it('keeps f32 what an operator declares as plain, beside an image of 16 bits', () => {
    // a norm over the bands: y and the statistic of each pixel that its backward reads
    const norm: OpDefinition = {
      name: 'norm_forward',
      inputs: ['x'],
      outputs: ['y', 'deviation'],
      infer: ([x]) => [x!, { shape: [x!.shape[0], x!.shape[1], x!.shape[2], 1], dtype: 'f32' }],
      cost: () => ({ flops: 0, bytes: 0 }),
      plainOutputs: [1],
    };
    const b = new GraphBuilder();
    const [y, deviation] = b.apply(norm, [b.input('x', [2, 3, 5, 7])], {}, 'norm');
    b.output('y', y!);
    b.output('deviation', deviation!);
    const stored = assignStorage(b.build(), BF16);
    const [node] = stored.nodes.filter(({ op }) => op === norm);
    expect(node!.outputs.map((id) => stored.values[id]!.dtype)).toEqual(['bf16', 'f32']);
    expect(stored.outputs.get('deviation')).toBe(node!.outputs[1]);
  });

  it('copies in a reshape that padding does not survive, and keeps the others as views', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [2, 3, 5, 7]);
    const raster = reshape(b, add(b, x, x, 'twice'), [2, 1, 15, 7], 'raster');
    b.output('y', reshape(b, raster, [2, 15, 7, 1], 'spectral'));
    expect(converts(assignStorage(b.build(), BF16))).toEqual(['convert x', 'spectral', 'convert spectral']);
  });

  it('leaves resampling tables that are inputs in f32', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 4, 4, 7]);
    const [rows, columns] = ['rows', 'columns'].map((name) => b.input(name, [1, 1, 8, 3]));
    b.output('y', b.apply(resampleOp, [x, rows!, columns!, null], {}, 'fine')[0]!);
    const stored = assignStorage(b.build(), BF16);
    expect(converts(stored)).toEqual(['convert x', 'convert fine']);
  });

  it('keeps a single pixel as an image where the other side of a shuffle has more', () => {
    const b = new GraphBuilder();
    const y = conv2d(b, b.input('x', [1, 1, 1, 3]), b.parameter('w', [4, 3, 3, 3]), { shuffle: 2 }, 'up');
    b.output('y', y);
    expect(converts(assignStorage(b.build(), BF16))).toEqual(['convert x', 'convert up']);
  });

  it('leaves targets, masks, parameters, their gradients and single pixels in f32', () => {
    for (const spec of Object.values(SMALL_NETWORKS)) {
      const graph = fuse(differentiate(lossGraph(spec, [2, 4, 5]), { loss: 'terms' }));
      const stored = assignStorage(graph, BF16);
      for (const value of stored.values) {
        const [, h, w] = value.shape;
        if (value.role !== 'node' || h * w === 1) expect([value.name, value.dtype]).not.toContain('bf16');
      }
      const sums = new Set(graph.values.filter((v) => v.role === 'state').map((v) => v.name));
      for (const node of stored.nodes)
        for (const [input, output] of node.op.accumulates ?? [])
          if (sums.has(stored.values[node.inputs[input] ?? -1]?.name ?? ''))
            expect(stored.values[node.outputs[output]!]!.dtype).toBe('f32');
    }
  });
});

describe('a training step on simulated memory of a device that pads', () => {
  it.each(Object.entries(SMALL_NETWORKS))('%s gives the same numbers', async (_name, spec) => {
    const forward = lossGraph(spec, [2, 4, 5]);
    const graph = fuse(differentiate(forward, { loss: 'terms' }));
    const feeds = networkFeeds(forward);
    const expected = evaluateGraph(graph, feeds);
    const device = new ReferenceDevice({ poison: true, scratch: 256, rowBytes: 16 });
    const runner = new GraphRunner(device, graph, 'bf16');
    for (const v of graph.values) {
      if (v.role === 'parameter') runner.set(v.name, feeds.get(v.name)!);
      if (v.role === 'state') runner.set(v.name, new Float32Array(elements(v.shape)));
    }
    const actual = await runner.run(feeds as Map<string, Float32Array>);
    // the simulated memory keeps float64 whatever the type is called: the only rounding is that of the output arrays
    for (const [name, numbers] of expected)
      numbers.forEach((v, i) => {
        expect(Math.abs(actual.get(name)![i]! - v)).toBeLessThanOrEqual(1e-7 + 1e-7 * Math.abs(v));
      });
  });
});
