/** Fused graphs compute what unfused ones do, and a training step holds the instructions it should and no others. */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/compiler/autodiff.js';
import { fuse } from '../../src/compiler/fuse.js';
import { type Graph, GraphBuilder } from '../../src/graph/ir.js';
import { activation } from '../../src/graph/ops/activation.js';
import { add } from '../../src/graph/ops/add.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import type { SpectralSrSpec } from '../../src/models/spec.js';
import { expectClose } from '../support/allclose.js';
import { lossGraph, networkFeeds, SMALL_NETWORKS } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

function countOps(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const node of graph.nodes)
    if (node.op.name !== 'reshape') counts[node.op.name] = (counts[node.op.name] ?? 0) + 1;
  return counts;
}

/** Sums in another order: float64 rounding of values around 1. */
const ROUNDING = { absolute: 1e-13, relative: 1e-11 };

describe('fused equals unfused', () => {
  it.each(Object.entries(SMALL_NETWORKS))('%s', (_name, spec) => {
    const forward = lossGraph(spec, [2, 4, 5]);
    const plain = differentiate(forward, { loss: 'terms', inputs: ['input'] });
    const fused = fuse(plain);
    const feeds = networkFeeds(forward);
    const expected = evaluateGraph(plain, feeds);
    const actual = evaluateGraph(fused, feeds);
    expect([...actual.keys()]).toEqual([...expected.keys()]);
    for (const [name, numbers] of expected) expectClose(actual.get(name)!, numbers, ROUNDING, name);
    expect(fused.nodes.length).toBeLessThan(plain.nodes.length);
  });
});

describe('instructions of a training step of spectral_sr', () => {
  const step = (blocks: number, axis: SpectralSrSpec['axis'] = 'raster') => {
    const spec: SpectralSrSpec = {
      kind: 'spectral_sr',
      inBands: 3,
      outBands: 8,
      hidden: 4,
      blocks,
      axis,
      regression: 'none',
    };
    return countOps(fuse(differentiate(lossGraph(spec, [1, 4, 4]), { loss: 'terms' })));
  };

  it.each(['raster', 'row', 'spectral'] as const)(
    'a residual block adds 2 convolutions forward and 2 + 2 backward, axis %s',
    (axis) => {
      const [three, four] = [step(3, axis), step(4, axis)];
      const added = Object.fromEntries(
        Object.entries(four)
          .map(([op, n]) => [op, n - (three[op] ?? 0)])
          .filter(([, n]) => n !== 0),
      );
      expect(added).toEqual({ conv2d_forward: 2, conv2d_backward_data: 2, conv2d_backward_weights: 2 });
    },
  );

  it('has no pass over an image for ReLU, and one addition where the expansion is used for the second time', () => {
    // convolutions: 2 expand + 2 per block + 2 attention + 1 final; no gradient for the network's input
    expect(step(4)).toEqual({
      conv2d_forward: 13,
      conv2d_backward_data: 12,
      conv2d_backward_weights: 13,
      activation_backward: 1, // the gate's sigmoid, one number per band
      add: 1,
      global_mean_forward: 1,
      gate_forward: 1,
      gate_backward_gate: 1,
      gate_backward_input: 1,
      spectral_loss: 1,
    });
  });
});

describe('what is not fused', () => {
  it('keeps a result that something else reads', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 3, 3, 2]);
    const y = conv2d(b, x, b.parameter('w', [2, 2, 3, 3]), {}, 'conv');
    const z = activation(b, 'relu', y, 'relu');
    b.output('y', y);
    b.output('z', z);
    expect(fuse(b.build()).nodes.map((node) => node.op.name)).toEqual(['conv2d_forward', 'activation_forward']);
  });

  it('does not add after the activation', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 3, 3, 2]);
    const y = conv2d(b, x, b.parameter('w', [2, 2, 3, 3]), { activation: 'relu' }, 'conv');
    b.output('z', add(b, y, x, 'sum'));
    expect(fuse(b.build()).nodes.map((node) => node.op.name)).toEqual(['conv2d_forward', 'add']);
  });

  it('adds two convolutions into the later one', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 3, 3, 2]);
    const one = conv2d(b, x, b.parameter('v', [2, 2, 1, 1]), {}, 'one');
    const two = conv2d(b, x, b.parameter('w', [2, 2, 3, 3]), {}, 'two');
    b.output('z', activation(b, 'relu', add(b, two, one, 'sum'), 'relu'));
    const graph = fuse(b.build());
    expect(graph.nodes.map((node) => node.label)).toEqual(['one', 'two']);
    expect(graph.nodes[1]!.inputs[3]).toBe(graph.nodes[0]!.outputs[0]);
    expect(graph.nodes[1]!.attributes.activation).toBe('relu');
  });
});
