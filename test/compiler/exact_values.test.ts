/** Which values stay f32 among images of 16 bits, where conversions stand, and that a prediction loses nothing by them. */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../bindings/load.js';
import { differentiate } from '../../src/compiler/autodiff.js';
import { exactNodes, exactSums } from '../../src/compiler/exact_values.js';
import { fuse } from '../../src/compiler/fuse.js';
import { lower } from '../../src/compiler/lower.js';
import { assignStorage } from '../../src/compiler/storage_types.js';
import { type Graph, GraphBuilder, prune, type ValueId } from '../../src/graph/ir.js';
import { activation } from '../../src/graph/ops/activation.js';
import { add } from '../../src/graph/ops/add.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { sceneGraph, targetsOf } from '../../src/predict/stage_plan.js';
import { segmentGraph } from '../../src/tiling/segments.js';
import { tileGraph } from '../../src/tiling/tile_graph.js';
import { stored } from '../gpu/support/rounding.js';
import { evaluateStored } from '../gpu/support/stored_reference.js';
import { lossGraph, networkFeeds, SMALL_NETWORKS } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

const BF16 = { image: 'bf16', rowBytes: 16 } as const;
const FP16 = { image: 'f16', rowBytes: 16 } as const;
const SIZE = [2, 4, 5] as const;

const namesOf = (graph: Graph, ids: Iterable<ValueId>) => [...ids].map((id) => graph.values[id]!.name).sort();
const step = (spec: ModelSpec) => fuse(differentiate(lossGraph(spec, SIZE), { loss: 'terms' }));
const converts = (graph: Graph) =>
  graph.nodes
    .filter(({ op }) => op.name === 'convert')
    .map(({ label, outputs }) => `${label} to ${graph.values[outputs[0]!]!.dtype}`);

/** What computes in f32 in a training step: the prediction's sums, and the loss that reads it. */
const EXACT: Readonly<Record<string, readonly string[]>> = {
  'spectral_sr raster': [],
  'spectral_sr row': ['regression', 'loss'],
  'spectral_sr spectral': ['regression', 'regression.features', 'loss'],
  'spectral_sr no blocks': [],
  'unmixing free': ['regression', 'regression.features', 'loss'],
  'unmixing softplus': [],
  spatial_sr: ['resize', 'bicubic', 'loss'],
  // y = y0 + U (d0 + d1), d0 = x - D y0, d1 = d0 - D U d0
  'spatial_sr back-projected': [
    ...['resize', 'bicubic', 'back_projection.0', 'back_projection.1', 'back_projection.1.sum', 'back_projection'],
    'loss',
  ],
  spatial_lightweight: ['resize', 'bicubic', 'back_projection.0', 'back_projection', 'loss'],
  cascade: ['regression', 'bicubic', 'resize', 'loss'],
};

const exactLabels = (graph: Graph) => [...exactNodes(graph)].map(({ label }) => label).sort();

describe('exact values of a training step', () => {
  it.each(Object.entries(EXACT))('%s', (name, expected) => {
    expect(exactLabels(step(SMALL_NETWORKS[name]!))).toEqual([...expected].sort());
  });

  it('reach back through a cascade to what stage 1 sums, and stop at its trained layer', () => {
    const spec: ModelSpec = {
      ...(SMALL_NETWORKS.cascade as Extract<ModelSpec, { kind: 'cascade' }>),
      stage1: { ...SMALL_NETWORKS['spectral_sr row']!, outBands: 4 } as never,
    };
    const graph = fuse(lossGraph(spec, SIZE));
    expect(exactLabels(graph)).toEqual(['bicubic', 'loss', 'regression', 'resize']);
    // stage 2's trained layers read stage 1's prediction in 16 bits
    expect(converts(assignStorage(graph, BF16))).toContain('convert regression to bf16');
  });
});

describe('conversions', () => {
  it('stand where the prediction takes what was learnt, and where its gradient is taken', () => {
    expect(converts(assignStorage(step(SMALL_NETWORKS['spectral_sr row']!), BF16))).toEqual([
      'convert input to bf16', // the network's
      'convert input to f32', // the regression's: the numbers that came in, padded
      'convert final_conv to f32',
      'convert loss:1 to bf16', // once, for the weights' and the data's gradient
      'convert regression to f32', // the output, without padding
    ]);
    expect(converts(assignStorage(step(SMALL_NETWORKS.spatial_sr!), FP16))).toEqual([
      ...['convert input to f16', 'convert input to f32', 'convert reconstruction to f32'],
      ...['convert loss:1 to f16', 'convert resize to f32'], // dpred before it is resampled: half the bytes
    ]);
  });

  it('are none but those of input and output where a trained layer makes the prediction', () => {
    const expected = ['convert input to bf16', 'convert final_conv to f32'];
    expect(converts(assignStorage(step(SMALL_NETWORKS['spectral_sr raster']!), BF16))).toEqual(expected);
  });

  it('are only padding where nothing is trained, or images are f32', () => {
    const ridge: ModelSpec = { kind: 'quadratic_ridge', inBands: 3, outBands: 5 };
    const expected = ['convert input to f32', 'convert regression to f32'];
    const graph = fuse(lossGraph(ridge, SIZE));
    for (const rules of [BF16, FP16, { image: 'f32', rowBytes: 16 } as const])
      expect(converts(assignStorage(graph, rules))).toEqual(expected);
  });
});

/** Operands by instruction, and which of them are images. */
const OPERANDS = new Map(loadAddon().instructions.map(({ name, operands }) => [name, operands] as const));

/** Holds a program against native/program/validate.cpp: images of one instruction alike, everything else f32 or f64. */
function expectTypes(graph: Graph): void {
  const names = {
    inputs: [...new Set(graph.nodes.flatMap((n) => n.inputs))].flatMap((id) =>
      id !== null && graph.values[id]!.role === 'input' ? [graph.values[id]!.name] : [],
    ),
    outputs: [...graph.outputs.keys()],
  };
  const nowhere = { place: () => ({ buffer: 0, offset: 0 }), workspace: () => null };
  const { instructions, outputs } = lower(graph, nowhere, names);
  for (const { tensor } of outputs) expect(['f32', 'f64']).toContain(tensor.dtype);
  for (const { op, label, tensors } of instructions) {
    if (op === 'convert') continue;
    const operands = OPERANDS.get(op)!;
    expect(operands, op).toHaveLength(tensors.length);
    const types = (image: boolean) =>
      new Set(tensors.filter((t, k) => t !== null && operands[k]!.isImage === image).map((t) => t!.dtype));
    expect(types(true).size, `images of ${op} ${label}`).toBeLessThanOrEqual(1);
    if (op !== 'fill') for (const type of types(false)) expect(['f32', 'f64'], `${op} ${label}`).toContain(type);
  }
}

describe('convolutions in tf32', () => {
  it.each(['f32', 'bf16'] as const)('are not rounded where they make the start, images in %s', (image) => {
    const exact = (spec: ModelSpec) =>
      assignStorage(step(spec), { image, rowBytes: 16 })
        .nodes.filter(({ op, attributes }) => op.name.startsWith('conv2d') && attributes.exact === true)
        .map(({ label }) => label);
    expect(exact(SMALL_NETWORKS['spectral_sr spectral']!)).toEqual(['regression']);
    expect(exact(SMALL_NETWORKS.cascade!)).toEqual(['regression']);
    expect(exact(SMALL_NETWORKS['spectral_sr raster']!)).toEqual([]);
    expect(exact({ kind: 'ridge', inBands: 3, outBands: 5 })).toEqual(['regression']);
  });
});

describe('types of every instruction', () => {
  it.each(Object.entries(SMALL_NETWORKS))('%s', (_name, spec) => {
    const forward = lossGraph(spec, SIZE);
    const withInput = differentiate(forward, { loss: 'terms', inputs: ['input'] });
    for (const graph of [forward, fuse(forward), step(spec), withInput, fuse(withInput)])
      for (const rules of [BF16, FP16]) expectTypes(assignStorage(graph, rules));
  });
});

/** The network after its start: what it learnt is 0 (all that is trained is 0). */
function untrained(graph: Graph, feeds: ReturnType<typeof networkFeeds>): typeof feeds {
  const zero = graph.values.filter(({ role, trainable }) => role === 'parameter' && trainable === true);
  return new Map([...feeds, ...zero.map(({ name }) => [name, feeds.get(name)!.map(() => 0)] as const)]);
}

const STARTED = Object.entries(SMALL_NETWORKS).filter(([name]) => EXACT[name]!.length > 0);

describe('numbers, where every stored value is rounded to its type', () => {
  // roundings of bf16 and of f16 at half their spacing
  const PRECISIONS = [
    [BF16, 2 ** -8],
    [FP16, 2 ** -11],
  ] as const;

  it.each(STARTED)('%s: before training the prediction is the start, to the bit of f32', (_name, spec) => {
    const graph = fuse(lossGraph(spec, SIZE));
    const feeds = untrained(graph, networkFeeds(graph));
    for (const [rules] of PRECISIONS) {
      const { prediction } = Object.fromEntries(evaluateStored(assignStorage(graph, rules), feeds));
      // the reference keeps f32 values in float64: nothing at all may be rounded
      expect(prediction).toEqual(evaluateGraph(graph, feeds).get('prediction'));
    }
  });

  it.each(STARTED)('%s: after training only what was learnt is rounded', (_name, spec) => {
    const graph = fuse(lossGraph(spec, SIZE));
    const feeds = networkFeeds(graph);
    const whole = evaluateGraph(graph, feeds).get('prediction')!;
    const start = evaluateGraph(graph, untrained(graph, feeds)).get('prediction')!;
    const length = (x: Float64Array) => Math.hypot(...x);
    const learnt = length(whole.map((v, i) => v - start[i]!));
    for (const [rules, u] of PRECISIONS) {
      const prediction = evaluateStored(assignStorage(graph, rules), feeds).get('prediction')!;
      const error = length(prediction.map((v, i) => v - whole[i]!));
      // up to a dozen layers round what they read and write, errors independent: about 3 u of what comes out
      expect(error).toBeLessThan(4 * u * learnt);
      expect(error).toBeGreaterThan(0);
    }
  });

  it('a trained last layer without a start gives 16 bits', () => {
    const graph = fuse(lossGraph(SMALL_NETWORKS['spectral_sr raster']!, SIZE));
    const prediction = evaluateStored(assignStorage(graph, BF16), networkFeeds(graph)).get('prediction')!;
    expect(prediction).toEqual(prediction.map((v) => stored(v, 'bf16')));
  });
});

describe('fusing', () => {
  /** trained(x) + frozen(x), added by a node of its own. */
  function summed(predicted: boolean): Graph {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 3, 3, 4]);
    const start = conv2d(b, x, b.parameter('w', [4, 4, 1, 1], false), {}, 'start');
    const learnt = conv2d(b, x, b.parameter('v', [4, 4, 3, 3]), {}, 'learnt');
    const y = add(b, start, learnt, 'sum');
    if (predicted) b.keepExact(y);
    b.output('y', y);
    return fuse(b.build());
  }

  it('keeps what was learnt out of the sum that is a prediction, and folds the start into it', () => {
    const graph = summed(true);
    expect(graph.nodes.map(({ label, inputs }) => [label, inputs[3] != null])).toEqual([
      ['learnt', false],
      ['start', true],
    ]);
    expect(converts(assignStorage(graph, BF16))).toEqual(['convert x to bf16', 'convert learnt to f32']);
  });

  it('folds into the later of two convolutions otherwise', () => {
    expect(summed(false).nodes.map(({ label }) => label)).toEqual(['start', 'learnt']);
  });
});

describe('what is not a sum', () => {
  it('an activation of a frozen convolution is an image like others', () => {
    const b = new GraphBuilder();
    const x = b.input('x', [1, 3, 3, 4]);
    const frozen = conv2d(b, x, b.parameter('w', [4, 4, 1, 1], false), {}, 'frozen');
    const y = activation(b, 'relu', frozen, 'relu');
    b.keepExact(y);
    b.output('y', y);
    for (const graph of [b.build(), fuse(b.build())]) expect(exactNodes(graph).size).toBe(0);
  });
});

describe('tiles of a scene', () => {
  it.each(Object.entries(SMALL_NETWORKS))('%s: every segment keeps exact what the whole keeps exact', (_name, spec) => {
    const scene = segmentGraph(sceneGraph(spec, 12, 10));
    const whole = new Set(namesOf(scene.graph, exactSums(prune(scene.graph))));
    const found = new Set<string>();
    for (const segment of scene.segments) {
      const all = (id: ValueId) => {
        const [, y1, x1] = scene.graph.values[id]!.shape;
        return { y0: 0, y1, x0: 0, x1 };
      };
      const { graph } = tileGraph(scene, segment, new Map(targetsOf(segment).map((id) => [id, all(id)])));
      const exact = exactSums(graph);
      for (const { outputs } of graph.nodes) {
        const { name } = graph.values[outputs[0]!]!;
        if (!name.endsWith('.crop')) expect([name, exact.has(outputs[0]!)]).toEqual([name, whole.has(name)]);
        if (exact.has(outputs[0]!)) found.add(name);
      }
      expectTypes(assignStorage(fuse(graph), BF16));
    }
    expect([...found].filter((name) => !name.endsWith('.crop')).sort()).toEqual([...whole].sort());
  });
});
