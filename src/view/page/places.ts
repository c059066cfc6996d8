/** Places in several scenes: all are told in pixels of the first scene, column and row, whatever the others' grids. */
import type { SceneFacts } from './ask.js';

/** x' = a x + c y + e, y' = b x + d y + f: the order of a canvas. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const IDENTITY: Affine = [1, 0, 0, 1, 0, 0];

export const apply = (m: Affine, x: number, y: number): [number, number] => [
  m[0] * x + m[2] * y + m[4],
  m[1] * x + m[3] * y + m[5],
];

export function invert([a, b, c, d, e, f]: Affine): Affine {
  const det = a * d - b * c;
  return [d / det, -b / det, -c / det, a / det, (c * f - d * e) / det, (b * e - a * f) / det];
}

/** First n, then m. */
export const multiply = (m: Affine, n: Affine): Affine => {
  const [a, b] = [m[0] * n[0] + m[2] * n[1], m[1] * n[0] + m[3] * n[1]];
  const [c, d] = [m[0] * n[2] + m[2] * n[3], m[1] * n[2] + m[3] * n[3]];
  const [e, f] = apply(m, n[4], n[5]);
  return [a, b, c, d, e, f];
};

/** A geotransform in GDAL's order as a matrix from pixels to the map. */
const ofGeotransform = (g: readonly number[]): Affine => [g[1]!, g[4]!, g[2]!, g[5]!, g[0]!, g[3]!];

/** Whether two scenes are laid over each other by their coordinates; else by their relative position. */
export const linkedByMap = (first: SceneFacts, other: SceneFacts): boolean =>
  first.geotransform !== undefined && other.geotransform !== undefined && first.crs === other.crs;

/** From pixels of the first scene to those of another. */
export function between(first: SceneFacts, other: SceneFacts): Affine {
  if (first === other) return IDENTITY;
  if (linkedByMap(first, other))
    return multiply(invert(ofGeotransform(other.geotransform!)), ofGeotransform(first.geotransform!));
  return [other.width / first.width, 0, 0, other.height / first.height, 0, 0];
}

/** Map coordinates of a place; undefined where the first scene has none. */
export const onMap = (first: SceneFacts, x: number, y: number): [number, number] | undefined =>
  first.geotransform && apply(ofGeotransform(first.geotransform), x, y);

/** Length of a pixel on the map, in map units. */
export const pixelLength = (first: SceneFacts): number | undefined =>
  first.geotransform && Math.hypot(first.geotransform[1]!, first.geotransform[4]!);

/** Unit of the map: EPSG codes of UTM and polar systems are in metres, geographic ones in degrees. */
export function mapUnit(crs: string | undefined): 'm' | 'deg' | undefined {
  const code = Number(/^EPSG:(\d+)$/.exec(crs ?? '')?.[1]);
  if ([4326, 4269, 4258].includes(code)) return 'deg';
  return utmZone(crs) !== undefined || code === 3031 || code === 3413 ? 'm' : undefined;
}

function utmZone(crs: string | undefined): { zone: number; south: boolean } | undefined {
  const code = Number(/^EPSG:(\d+)$/.exec(crs ?? '')?.[1]);
  for (const [base, count, first, south] of [
    [32601, 60, 1, false],
    [32701, 60, 1, true],
    [26901, 23, 1, false],
    [25828, 11, 28, false],
  ] as const)
    if (code >= base && code < base + count) return { zone: code - base + first, south };
  return undefined;
}

/**
 * Latitude and longitude in degrees of map coordinates in UTM (WGS 84; NAD83 and ETRS89 differ by less than a tenth of a mm in
 * the ellipsoid) or degrees; undefined for other systems. Krueger's series to the third order in the third flattening n
 * (Karney, Transverse Mercator with an accuracy of a few nanometers, 2011): good to well below a metre within a zone.
 */
export function latLon(crs: string | undefined, x: number, y: number): [lat: number, lon: number] | undefined {
  if (mapUnit(crs) === 'deg') return [y, x];
  const utm = utmZone(crs);
  if (utm === undefined) return undefined;
  const f = 1 / 298.257223563;
  const n = f / (2 - f);
  const radius = (6378137 / (1 + n)) * (1 + n ** 2 / 4 + n ** 4 / 64);
  const beta = [n / 2 - (2 / 3) * n ** 2 + (37 / 96) * n ** 3, n ** 2 / 48 + n ** 3 / 15, (17 / 480) * n ** 3];
  const delta = [2 * n - (2 / 3) * n ** 2 - 2 * n ** 3, (7 / 3) * n ** 2 - (8 / 5) * n ** 3, (56 / 15) * n ** 3];
  const xi = (y - (utm.south ? 1e7 : 0)) / (0.9996 * radius);
  const eta = (x - 500000) / (0.9996 * radius);
  let [xp, ep] = [xi, eta];
  beta.forEach((b, i) => {
    const k = 2 * (i + 1);
    xp -= b * Math.sin(k * xi) * Math.cosh(k * eta);
    ep -= b * Math.cos(k * xi) * Math.sinh(k * eta);
  });
  const chi = Math.asin(Math.sin(xp) / Math.cosh(ep));
  const lat = delta.reduce((sum, d, i) => sum + d * Math.sin(2 * (i + 1) * chi), chi);
  const lon = Math.atan2(Math.sinh(ep), Math.cos(xp));
  return [(lat * 180) / Math.PI, (lon * 180) / Math.PI + 6 * utm.zone - 183];
}
