/** Tiles computed through segments, in float64 on the reference, against the network on the whole scene. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { elements, type Graph, GraphBuilder, type OpDefinition, prune, type ValueType } from '../../src/graph/ir.js';
import { buildModel } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import type { Region } from '../../src/tiling/footprint.js';
import { type SegmentedGraph, segmentGraph } from '../../src/tiling/segments.js';
import { tileGraph } from '../../src/tiling/tile_graph.js';
import { SMALL_NETWORKS } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

function forwardGraph(spec: ModelSpec, h: number, w: number): Graph {
  const builder = new GraphBuilder();
  const { output } = buildModel(builder, spec, builder.input('input', [1, h, w, spec.inBands]));
  builder.output('prediction', output);
  return prune(builder.build());
}

function feedsOf(graph: Graph): Map<string, Float32Array> {
  const random = new Random(5);
  const feeds = new Map<string, Float32Array>();
  for (const v of graph.values) {
    if (v.role !== 'input' && v.role !== 'parameter') continue;
    const spread = v.role === 'input' ? 1 : 1 / Math.sqrt(v.shape[1] * v.shape[2] * v.shape[3]);
    feeds.set(
      v.name,
      Float32Array.from({ length: elements(v.shape) }, () => random.normal() * spread),
    );
  }
  return feeds;
}

/** A part of an array of shape [.., h, w, c], and back: regions are those of images and lines. */
function copyRegion(
  whole: Float64Array,
  width: number,
  c: number,
  r: Region,
  part: Float64Array,
  stored: Region,
  back: boolean,
) {
  for (let y = r.y0; y < r.y1; y++)
    for (let x = r.x0; x < r.x1; x++)
      for (let k = 0; k < c; k++) {
        const a = (y * width + x) * c + k;
        const b = ((y - stored.y0) * (stored.x1 - stored.x0) + x - stored.x0) * c + k;
        if (back) whole[a] = part[b]!;
        else part[b] = whole[a]!;
      }
}

/** Part of a grid of h x w pixels that belongs to the tile [y, y + tile) x [x, x + tile) of the scene. */
function share(
  scene: { h: number; w: number },
  h: number,
  w: number,
  y: number,
  x: number,
  th: number,
  tw: number,
): Region {
  const at = (v: number, size: number, all: number) => Math.floor((Math.min(v, all) * size) / all);
  return { y0: at(y, h, scene.h), y1: at(y + th, h, scene.h), x0: at(x, w, scene.w), x1: at(x + tw, w, scene.w) };
}

function predictTiled(segmented: SegmentedGraph, feeds: Map<string, Float32Array>, th: number, tw: number) {
  const { graph, layouts, segments } = segmented;
  const input = graph.values.find((v) => v.role === 'input')!;
  const scene = { h: input.shape[1], w: input.shape[2] };
  const known = new Map<number, Float64Array>([[input.id, Float64Array.from(feeds.get('input')!)]]);
  const programs = new Set<string>();
  for (const segment of segments) {
    const wantedIds = new Set([...segment.maps, ...segment.means.map((m) => m.source), ...segment.results]);
    const fresh = new Map(
      [...wantedIds].map((id) => [id, new Float64Array(elements(graph.values[id]!.shape)).fill(Number.NaN)]),
    );
    for (let y = 0; y < scene.h; y += th)
      for (let x = 0; x < scene.w; x += tw) {
        const wanted = new Map<number, Region>();
        for (const id of wantedIds) {
          const { kind, h, w } = layouts.get(id)!;
          const r = share(scene, h, w, y, x, th, tw);
          if (r.y1 <= r.y0 || r.x1 <= r.x0) continue;
          wanted.set(id, kind === 'line' ? { y0: 0, y1: 1, x0: r.y0 * w, x1: r.y1 * w } : r);
        }
        if (wanted.size === 0) continue;
        const tile = tileGraph(segmented, segment, wanted);
        programs.add(tile.key);
        const inputs = new Map<string, ArrayLike<number>>(feeds);
        inputs.delete('input');
        for (const { name, data } of tile.tables) inputs.set(name, data);
        for (const { name, value, region, shape } of tile.reads) {
          const part = new Float64Array(elements(shape));
          const whole = graph.values[value]!.shape;
          copyRegion(known.get(value)!, whole[2], whole[3], region, part, region, false);
          inputs.set(name, part);
        }
        const results = evaluateGraph(tile.graph, inputs);
        for (const { name, value, region } of tile.writes) {
          const whole = graph.values[value]!.shape;
          copyRegion(fresh.get(value)!, whole[2], whole[3], wanted.get(value)!, results.get(name)!, region, true);
        }
      }
    for (const id of [...segment.maps, ...segment.results]) known.set(id, fresh.get(id)!);
    for (const { source, mean } of segment.means) {
      const c = graph.values[source]!.shape[3];
      const sums = new Float64Array(c);
      fresh.get(source)!.forEach((v, i) => {
        sums[i % c]! += v;
      });
      known.set(
        mean,
        sums.map((v) => (v * c) / fresh.get(source)!.length),
      );
    }
  }
  return { output: known.get([...graph.outputs.values()][0]!)!, programs };
}

const NETWORKS: Record<string, ModelSpec> = {
  ...SMALL_NETWORKS,
  quadratic_ridge: { kind: 'quadratic_ridge', inBands: 3, outBands: 4 },
  'wide enough to be cropped': {
    kind: 'spatial_lightweight',
    inBands: 3,
    outBands: 3,
    features: 12,
    blocks: 1,
    up: 15,
    down: 2,
    backProjections: 1,
  },
  'bounded back-projections': {
    kind: 'bicubic',
    inBands: 2,
    outBands: 2,
    up: 15,
    down: 2,
    backProjections: 3,
    projection: { reach: 1, margin: 0.25, floor: [-1, 0] },
  },
  'channel attention and bounded back-projections': {
    kind: 'spatial_sr',
    inBands: 2,
    outBands: 2,
    features: 3,
    groups: 1,
    blocks: 1,
    reduction: 1,
    up: 5,
    down: 2,
    backProjections: 2,
    projection: { reach: 2, margin: 1, floor: [0] },
  },
  'cascade with attention': {
    kind: 'cascade',
    inBands: 2,
    outBands: 4,
    stage1: { kind: 'spectral_sr', inBands: 2, outBands: 4, hidden: 3, blocks: 1, axis: 'raster', regression: 'none' },
    stage2: {
      kind: 'spatial_sr',
      inBands: 4,
      outBands: 4,
      features: 4,
      groups: 1,
      blocks: 1,
      reduction: 2,
      up: 15,
      down: 2,
      backProjections: 1,
    },
  },
};

const wraps = (spec: ModelSpec): boolean =>
  spec.kind === 'cascade' ? wraps(spec.stage1) : spec.kind === 'spectral_sr' && spec.axis === 'raster';

describe('tiles', () => {
  for (const [name, spec] of Object.entries(NETWORKS)) {
    // odd sizes, sizes that are no multiple, tiles of one pixel or row, tiles larger than the scene
    for (const [h, w, th, tw] of [
      [7, 9, 3, 4],
      [8, 5, 1, 2],
      [5, 6, 8, 8],
    ] as const)
      it(`${name}: ${h} x ${w} in tiles of ${th} x ${tw}`, () => {
        const graph = forwardGraph(spec, h, w);
        const feeds = feedsOf(graph);
        const expected = evaluateGraph(graph, feeds).get('prediction')!;
        const { output } = predictTiled(segmentGraph(graph), feeds, th, wraps(spec) ? w : tw);
        const range = Math.max(...expected.map(Math.abs));
        const worst = output.reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i]!)), 0);
        // float64 throughout: only the order of additions differs
        expect(worst / range).toBeLessThan(1e-12);
      });
  }
});

describe('footprints that do not fit', () => {
  const tile = (traits: Pick<OpDefinition, 'footprint'>) => {
    const op = {
      name: 'made_up',
      inputs: ['x', 'z'],
      outputs: ['y'],
      infer: ([x]: readonly (ValueType | null)[]) => [x!],
      cost: () => ({ flops: 0, bytes: 0 }),
      ...traits,
    } as OpDefinition;
    const b = new GraphBuilder();
    b.output('y', b.apply(op, [b.input('x', [1, 6, 5, 2]), b.input('z', [1, 6, 5, 2])], {}, 'sum')[0]!);
    const scene = segmentGraph(b.build());
    const wanted = new Map([[scene.graph.outputs.get('y')!, { y0: 2, y1: 4, x0: 0, x1: 5 }]]);
    return tileGraph(scene, scene.segments[0]!, wanted);
  };
  const reach = (): readonly [number, number] => [1, 0];

  it('an operator without one, and an image that one does not name, are refused', () => {
    expect(() => tile({})).toThrow("tiles 'sum': operator made_up has no footprint");
    expect(() => tile({ footprint: { kind: 'window', reach } })).toThrow(
      "tiles 'sum': z is an image that the footprint does not name",
    );
  });

  it('one that names it reads a row more on either side, of both images: a tile computes as much as it reads', () => {
    const { reads } = tile({ footprint: { kind: 'window', reach, beside: [1] } });
    expect(reads.map(({ region }) => [region.y0, region.y1])).toEqual([
      [1, 5],
      [1, 5],
    ]);
  });
});
