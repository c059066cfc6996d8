/** The declared footprint of every network against what really moves an output pixel, and where networks are cut. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { elements, type ValueId } from '../../src/graph/ir.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { sceneGraph, targetsOf } from '../../src/predict/stage_plan.js';
import { neededRegions, type Region } from '../../src/tiling/footprint.js';
import { type SegmentedGraph, segmentGraph } from '../../src/tiling/segments.js';
import { tileGraph } from '../../src/tiling/tile_graph.js';
import { SMALL_NETWORKS } from '../support/networks.js';
import { evaluateGraph } from '../support/reference.js';

const LARGE_SR = {
  kind: 'spatial_sr',
  inBands: 340,
  outBands: 340,
  features: 64,
  groups: 4,
  blocks: 4,
  reduction: 16,
  up: 15,
  down: 2,
  backProjections: 0,
} as const satisfies ModelSpec;

const labels = (scene: SegmentedGraph, ids: readonly ValueId[]) => ids.map((id) => scene.graph.values[id]!.name);

describe('where networks are cut', () => {
  it('spatial_sr: after each of its 16 channel means; four 64-channel maps are kept at most', () => {
    const scene = segmentGraph(sceneGraph(LARGE_SR, 30, 41));
    expect(scene.segments.map(({ means }) => means.length)).toEqual([...Array(16).fill(1), 0]);
    for (const { maps } of scene.segments) {
      expect(maps.length).toBeLessThanOrEqual(4);
      for (const id of maps) expect(scene.graph.values[id]!.shape).toEqual([1, 30, 41, 64]);
    }
    // the bicubic of the input and the up-sampling wait for the last pass
    expect(labels(scene, scene.segments.at(-1)!.reads)).toContain('input');
    for (const { reads } of scene.segments.slice(1, -1)) expect(labels(scene, reads)).not.toContain('input');
  });

  it('spectral_sr: once; 340-band maps are not kept but computed again', () => {
    const spec = { ...SMALL_NETWORKS['spectral_sr row']!, inBands: 7, outBands: 340, hidden: 128 } as ModelSpec;
    const scene = segmentGraph(sceneGraph(spec, 50, 60));
    expect(scene.segments.map(({ means, maps }) => [means.length, maps.length])).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });

  it('networks without means or down-sampling are not cut', () => {
    for (const name of ['unmixing free', 'cascade'])
      expect(segmentGraph(sceneGraph(SMALL_NETWORKS[name]!, 9, 8)).segments).toHaveLength(1);
  });

  it('back-projection: once, after the comparison with the coarse image, whatever their number', () => {
    const spec = { ...LARGE_SR, kind: 'bicubic', backProjections: 3 } as unknown as ModelSpec;
    const scene = segmentGraph(sceneGraph(spec, 30, 41));
    expect(scene.segments).toHaveLength(2);
    for (const { maps } of scene.segments.slice(0, -1))
      expect(maps.map((id) => scene.graph.values[id]!.shape)).toEqual([[1, 30, 41, 340]]);
  });
});

/** What a segment makes of whole inputs. */
function evaluate(scene: SegmentedGraph, index: number, reads: ReadonlyMap<ValueId, Float64Array>) {
  const segment = scene.segments[index]!;
  const whole = new Map(
    targetsOf(segment).map((id): [ValueId, Region] => {
      const { kind, h, w } = scene.layouts.get(id)!;
      return [id, kind === 'line' ? { y0: 0, y1: 1, x0: 0, x1: h * w } : { y0: 0, y1: h, x0: 0, x1: w }];
    }),
  );
  const tile = tileGraph(scene, segment, whole);
  const feeds = new Map<string, ArrayLike<number>>(tile.tables.map(({ name, data }) => [name, data]));
  for (const { name, value } of tile.reads) feeds.set(name, reads.get(value)!);
  const random = new Random(9);
  // positive weights and no inactive ReLU: every connection shows
  for (const v of scene.graph.values)
    if (v.role === 'parameter')
      feeds.set(
        v.name,
        Float32Array.from({ length: elements(v.shape) }, () => 0.05 + 0.1 * random.uniform()),
      );
  const results = evaluateGraph(tile.graph, feeds);
  return new Map(tile.writes.map(({ name, value }) => [value, results.get(name)!]));
}

describe('an output pixel depends on its declared footprint and on nothing else', () => {
  for (const [name, spec] of Object.entries(SMALL_NETWORKS))
    it(name, () => {
      const [h, w] = [19, 21];
      const scene = segmentGraph(sceneGraph(spec, h, w));
      scene.segments.forEach((segment, index) => {
        const random = new Random(4);
        const reads = new Map(
          segment.reads.map((id) => [
            id,
            Float64Array.from({ length: elements(scene.graph.values[id]!.shape) }, () => 0.2 + 0.6 * random.uniform()),
          ]),
        );
        const before = evaluate(scene, index, reads);
        for (const target of targetsOf(segment)) {
          const layout = scene.layouts.get(target)!;
          if (layout.kind === 'pixels') continue;
          const shape = scene.graph.values[target]!.shape;
          // not the centre of a coarse pixel, where a bicubic has a single weight
          const [y, x] = [(shape[1] >> 1) + 1, (shape[2] >> 1) + 1];
          const wanted = new Map([[target, { y0: y, y1: y + 1, x0: x, x1: x + 1 }]]);
          const needed = neededRegions(scene.graph, scene.layouts, segment.nodes, wanted);
          const pixel = (all: ReadonlyMap<ValueId, Float64Array>) =>
            all.get(target)!.subarray((y * shape[2] + x) * shape[3], (y * shape[2] + x + 1) * shape[3]);
          for (const id of segment.reads) {
            const read = scene.graph.values[id]!.shape;
            if (read[1] * read[2] === 1) continue; // means
            const region = needed.get(id);
            /** Whether the pixel moves when this place of what is read does. */
            const moves = (yy: number, xx: number): boolean => {
              if (yy < 0 || xx < 0 || yy >= read[1] || xx >= read[2]) return false;
              const changed = reads.get(id)!.slice();
              for (let k = 0; k < read[3]; k++) changed[(yy * read[2] + xx) * read[3] + k]! += 0.5;
              const after = evaluate(scene, index, new Map(reads).set(id, changed));
              return pixel(after).some((v, k) => v !== pixel(before)[k]);
            };
            if (region === undefined) {
              expect(moves(0, 0)).toBe(false);
              continue;
            }
            const { y0, y1, x0, x1 } = region;
            const [cy, cx] = [(y0 + y1) >> 1, (x0 + x1) >> 1];
            const outside: [number, number][] = [
              [y0 - 1, cx],
              [y1, cx],
              [cy, x0 - 1],
              [cy, x1],
            ];
            for (const [yy, xx] of outside) expect(moves(yy, xx), `outside ${yy} ${xx}`).toBe(false);
            // the outermost weights of a resampling table may be 0: one pixel further in must count in any case
            const edge = [...scene.graph.nodes].some((node) => node.op.name === 'resample') ? 1 : 0;
            const inside: [number, number][] = [
              [y0 + edge, cx],
              [y1 - 1 - edge, cx],
              [cy, x0 + edge],
              [cy, x1 - 1 - edge],
            ];
            const raster = [...scene.layouts.values()].some(({ kind }) => kind === 'line');
            // in raster order whole rows are read, of which the far ends need not count
            for (const [yy, xx] of raster ? [] : inside) expect(moves(yy, xx), `inside ${yy} ${xx}`).toBe(true);
          }
        }
      });
    });
});
