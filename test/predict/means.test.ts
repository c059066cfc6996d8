/** Pixels without data: means leave them out, whatever the tiles; the result says nodata there. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isSpectral, type ModelSpec } from '../../src/models/spec.js';
import { sceneGraph, targetsOf } from '../../src/predict/stage_plan.js';
import { wholeRegion } from '../../src/tiling/footprint.js';
import { segmentGraph } from '../../src/tiling/segments.js';
import { tileGraph } from '../../src/tiling/tile_graph.js';
import { evaluateGraph } from '../support/reference.js';
import { temporaryFolder } from '../support/temporary.js';
import { checkpointOf, memoryScene, predicted, randomValues } from './support.js';

const SPECTRAL: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 7,
  outBands: 12,
  hidden: 8,
  blocks: 1,
  axis: 'row',
  regression: 'none',
};
const SPATIAL: ModelSpec = {
  kind: 'spatial_sr',
  inBands: 5,
  outBands: 5,
  features: 8,
  groups: 1,
  blocks: 2,
  reduction: 4,
  up: 15,
  down: 2,
  backProjections: 1,
};

const hole = (y: number, x: number) => (y - 6) ** 2 + (x - 9) ** 2 < 16 || x < 2;

/** Segment after segment on the whole scene in float64; means over the valid pixels by hand. */
function truth(spec: ModelSpec, scene: ReturnType<typeof memoryScene>): Float64Array {
  const segmented = segmentGraph(sceneGraph(spec, scene.height, scene.width));
  const { graph, layouts, segments } = segmented;
  const input = graph.values.find((v) => v.role === 'input')!.id;
  const normalised = scene.values.map((v, i) =>
    scene.valid[Math.floor(i / scene.bands)] ? Math.min(1, Math.max(0, (v - 0.05) / 0.9)) : 0,
  );
  const known = new Map<number, ArrayLike<number>>([[input, normalised]]);
  for (const segment of segments) {
    const tile = tileGraph(
      segmented,
      segment,
      new Map(targetsOf(segment).map((id) => [id, wholeRegion(layouts.get(id)!)])),
    );
    const feeds = new Map<string, ArrayLike<number>>(randomValues(spec));
    for (const { name, data } of tile.tables) feeds.set(name, data);
    for (const { name, value } of tile.reads) feeds.set(name, known.get(value)!);
    const results = evaluateGraph(tile.graph, feeds);
    for (const { name, value } of tile.writes) known.set(value, results.get(name)!);
    for (const { mean, source } of segment.means) {
      const c = graph.values[source]!.shape[3];
      const values = known.get(source)!;
      const sums = new Float64Array(c);
      let count = 0;
      scene.valid.forEach((ok, p) => {
        if (!ok) return;
        count++;
        for (let k = 0; k < c; k++) sums[k]! += values[p * c + k]!;
      });
      known.set(
        mean,
        sums.map((sum) => sum / count),
      );
    }
  }
  return Float64Array.from(known.get(graph.outputs.get('prediction')!)!, (v) =>
    isSpectral(spec) ? Math.max(0, v * 0.7 + 0.02) : v * 0.7 + 0.02,
  );
}

describe('pixels without data', () => {
  const folder = temporaryFolder();
  for (const [name, spec, tiles] of [
    ['spectral', SPECTRAL, [4, 7, 64]],
    ['spatial', SPATIAL, [3, 4, 64]],
  ] as const)
    it(`${name}: means over the valid pixels only, for every tile`, async () => {
      const scene = memoryScene(15, 20, spec.inBands, hole);
      const path = await checkpointOf(folder, name, spec);
      const expected = truth(spec, scene);
      for (const tile of tiles) {
        const options = {
          [name === 'spatial' ? 'stage2' : 'stage1']: path,
          tile,
          out: join(folder, `${name}-${tile}`),
        };
        const { values, valid, cube } = await predicted(scene, options);
        let worst = 0;
        for (let y = 0; y < cube.height; y++)
          for (let x = 0; x < cube.width; x++) {
            const p = y * cube.width + x;
            // a fine pixel is valid where its centre lies in a valid one: exactly 15 to 2
            const factor = name === 'spatial' ? 7.5 : 1;
            const parent = hole(Math.floor((y + 0.5) / factor), Math.floor((x + 0.5) / factor));
            expect(valid[p]).toBe(parent ? 0 : 1);
            if (!parent)
              for (let b = 0; b < spec.outBands; b++) {
                const i = p * spec.outBands + b;
                worst = Math.max(worst, Math.abs(values[i]! - expected[i]!));
              }
          }
        // float32 against float64, values of about 1
        expect(worst).toBeLessThan(1e-5);
      }
    });

  it('a scene without a valid pixel gives nodata everywhere, and no NaN', async () => {
    const path = await checkpointOf(folder, 'empty', SPATIAL);
    const { valid, result } = await predicted(
      memoryScene(4, 6, 5, () => true),
      { stage2: path, out: join(folder, 'empty') },
    );
    expect(valid.includes(1)).toBe(false);
    expect(result.output.counts).toMatchObject({ nodata: 30 * 45, notFinite: 0 });
  });
});
