/** Pixel and map coordinates. A pixel (column, row) covers [column, column + 1) x [row, row + 1): 0, 0 is the outer corner. */
import { BandliftError } from '../base/errors.js';
import type { GeoReference, Window } from './types.js';

export type Geotransform = GeoReference['geotransform'];

/** Map coordinates of a pixel position: x = g0 + column g1 + row g2, y = g3 + column g4 + row g5. Add 0.5 for a centre. */
export function pixelToMap(g: Geotransform, column: number, row: number): [x: number, y: number] {
  return [g[0] + column * g[1] + row * g[2], g[3] + column * g[4] + row * g[5]];
}

/** Pixel position of map coordinates, the inverse of `pixelToMap`. Throws a BandliftError for a transform without an inverse. */
export function mapToPixel(g: Geotransform, x: number, y: number): [column: number, row: number] {
  const determinant = g[1] * g[5] - g[2] * g[4];
  if (!(Number.isFinite(determinant) && determinant !== 0))
    throw new BandliftError('has no inverse', { field: 'geotransform', found: g.join(', ') });
  const [dx, dy] = [x - g[0], y - g[3]];
  return [(dx * g[5] - dy * g[2]) / determinant, (dy * g[1] - dx * g[4]) / determinant];
}

/** Georeference of a window of a scene: the corner moves, nothing else. */
export function cropGeo(georeference: GeoReference, window: Pick<Window, 'x' | 'y'>): GeoReference {
  const g = georeference.geotransform;
  const [x, y] = pixelToMap(g, window.x, window.y);
  return { ...georeference, geotransform: [x, g[1], g[2], y, g[4], g[5]] };
}

/**
 * Georeference of a grid with `up` pixels for every `down` of this one, from the same outer corner: 15 and 2 bring 30 m to
 * exactly 4 m. Multiplied first, so that no rounding of the ratio enters.
 */
export function refine(georeference: GeoReference, up: number, down: number): GeoReference {
  const g = georeference.geotransform;
  const part = (step: number) => (step * down) / up;
  return { ...georeference, geotransform: [g[0], part(g[1]), part(g[2]), g[3], part(g[4]), part(g[5])] };
}

/** Slack in pixels when a map coordinate meant to lie on a pixel edge misses it by rounding. */
const EDGE = 1e-6;

/**
 * The smallest window of pixels that covers the map rectangle [x0, y0, x1, y1] (any two opposite corners), cut off at the
 * scene's edges. Throws a BandliftError when nothing of it lies in the scene.
 */
export function mapWindow(
  georeference: GeoReference,
  rectangle: readonly [number, number, number, number],
  height: number,
  width: number,
): Window {
  const [x0, y0, x1, y1] = rectangle;
  const corners = [
    [x0, y0],
    [x1, y0],
    [x0, y1],
    [x1, y1],
  ].map(([x, y]) => mapToPixel(georeference.geotransform, x!, y!));
  const range = (values: number[], size: number): [number, number] => [
    Math.max(0, Math.floor(Math.min(...values) + EDGE)),
    Math.min(size, Math.ceil(Math.max(...values) - EDGE)),
  ];
  const [left, right] = range(
    corners.map(([column]) => column),
    width,
  );
  const [top, bottom] = range(
    corners.map(([, row]) => row),
    height,
  );
  // also false for coordinates that are not finite
  if (!(right > left && bottom > top)) {
    const [a, b] = [pixelToMap(georeference.geotransform, 0, 0), pixelToMap(georeference.geotransform, width, height)];
    throw new BandliftError('nothing of it lies in the scene', {
      field: 'region in map coordinates',
      found: rectangle.join(', '),
      expected: `within ${[...a, ...b].join(', ')} (the scene's corners)`,
    });
  }
  return { y: top, x: left, height: bottom - top, width: right - left };
}

/** Throws a BandliftError unless the window holds pixels and lies inside a scene of this size. */
export function checkWindow(window: Window, height: number, width: number, path: string): void {
  const { y, x } = window;
  const inside = (first: number, count: number, size: number) =>
    Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 1 && first + count <= size;
  if (!inside(y, window.height, height) || !inside(x, window.width, width))
    throw new BandliftError('the window lies outside the scene', {
      file: path,
      found: `${window.height} x ${window.width} pixels from row ${y}, column ${x}`,
      expected: `within ${height} x ${width}`,
    });
}
