/** Places of the viewer's page: latitude and longitude as GDAL gives them, scenes laid over each other, and gaps of curves. */
import { expect, it } from 'vitest';
import type { SceneFacts } from '../../src/view/page/ask.js';
import { boxOf } from '../../src/view/page/pins.js';
import { apply, between, latLon, linkedByMap } from '../../src/view/page/places.js';
import { runs } from '../../src/view/page/plot.js';

// gdaltransform -s_srs EPSG:... -t_srs EPSG:4326 (GDAL 3.6)
it.each([
  ['EPSG:32611', 301005, 3899355, 35.2175130660405, -119.186350242132],
  ['EPSG:32611', 700000, 3899355, 35.2173131922389, -114.802615074488],
  ['EPSG:32756', 300000, 6250000, -33.8713899568761, 150.837724623516],
])('latitude and longitude of %s %d %d', (crs, x, y, lat, lon) => {
  const found = latLon(crs, x, y)!;
  // 1e-8 degrees are 1 mm; the page shows 1e-5
  expect(Math.abs(found[0] - lat)).toBeLessThan(1e-8);
  expect(Math.abs(found[1] - lon)).toBeLessThan(1e-8);
});

it('is silent about other coordinate systems', () => {
  expect(latLon('EPSG:3031', 0, 0)).toBeUndefined();
  expect(latLon(undefined, 0, 0)).toBeUndefined();
});

const facts = (id: number, width: number, height: number, geotransform?: number[], crs?: string): SceneFacts => ({
  id,
  role: 'scene',
  name: `${id}`,
  path: `${id}`,
  bands: 1,
  levels: 1,
  width,
  height,
  ...(geotransform && { geotransform }),
  ...(crs !== undefined && { crs }),
});
const coarse = facts(0, 10, 8, [300000, 30, 0, 3900000, 0, -30], 'EPSG:32611');
// from 60 m east and 30 m south of the corner, at 4 m
const fine = facts(1, 75, 60, [300060, 4, 0, 3899970, 0, -4], 'EPSG:32611');

it('scenes of one coordinate system are laid over each other by their coordinates', () => {
  expect(linkedByMap(coarse, fine)).toBe(true);
  expect(apply(between(coarse, fine), 2, 1)).toEqual([0, 0]);
  expect(apply(between(coarse, fine), 4, 3)).toEqual([15, 15]);
});

it('others by their relative position', () => {
  const unplaced = facts(1, 20, 24);
  expect(linkedByMap(coarse, unplaced)).toBe(false);
  expect(apply(between(coarse, unplaced), 5, 4)).toEqual([10, 12]);
});

it('a box takes whole pixels of each scene and ends at its edge', () => {
  const place = { x: 3, y: 2.5, rx: 1, ry: 0.5 };
  expect(boxOf({ facts: coarse, toScene: between(coarse, coarse) }, place)).toEqual([2, 2, 2, 1]);
  // columns 0 to 60 m of the fine scene: 15 pixels; rows 30 to 60 m: 7.5 to 15
  expect(boxOf({ facts: fine, toScene: between(coarse, fine) }, place)).toEqual([0, 7, 15, 8]);
  expect(boxOf({ facts: fine, toScene: between(coarse, fine) }, { ...place, x: 0.5, rx: 0 })).toBeUndefined();
});

it('curves are cut at gaps; a band alone is a run of its own', () => {
  expect(runs([null, 1, 2, null, 3, null])).toEqual([
    [1, 3],
    [4, 5],
  ]);
  expect(runs([1, 2])).toEqual([[0, 2]]);
});
