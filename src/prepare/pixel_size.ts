/** The size of a scene's pixels in metres, from its place on the map. */
import { BandliftError } from '../base/errors.js';
import { metresPerUnit } from '../raster/linear_units.js';
import type { GeoReference } from '../raster/types.js';

/** WGS 84: half of the equator's diameter in m, and the square of the first eccentricity. */
const [AXIS, ECCENTRICITY] = [6378137, 6.69437999014e-3];

interface Placed {
  readonly path: string;
  readonly height: number;
  readonly width: number;
  readonly georeference?: GeoReference;
}

/**
 * Metres of a degree of latitude and of longitude at a latitude in degrees, on the ellipsoid: with
 * w = 1 - e^2 sin^2, the meridian's radius is a (1 - e^2) / w^1.5 and the parallel's a cos / w^0.5.
 */
export function metresPerDegree(latitude: number): [north: number, east: number] {
  const phi = (latitude * Math.PI) / 180;
  const w = 1 - ECCENTRICITY * Math.sin(phi) ** 2;
  const perRadian = Math.PI / 180;
  return [(perRadian * AXIS * (1 - ECCENTRICITY)) / w ** 1.5, (perRadian * AXIS * Math.cos(phi)) / Math.sqrt(w)];
}

/** Whether an angle is given in something else than degrees. */
const otherAngle = ({ mapInfo }: GeoReference) =>
  mapInfo?.some((entry) => /^\s*units\s*=\s*(minutes?|seconds?|radians?)\s*$/i.test(entry)) === true;

/**
 * Sides of a pixel (down, across) in m; those of a map in latitude and longitude in the middle of the scene. Undefined where
 * the scene has no place. Errors: BandliftError for units that are not known and for latitudes that are none.
 */
export function pixelSize(scene: Placed): [down: number, across: number] | undefined {
  const { georeference, path, height, width } = scene;
  if (georeference === undefined) return undefined;
  const metres = metresPerUnit(georeference, path);
  const [, g1, g2, g3, g4, g5] = georeference.geotransform;
  if (metres !== undefined) return [metres * Math.hypot(g2, g5), metres * Math.hypot(g1, g4)];
  if (otherAngle(georeference)) return undefined;
  const latitude = g3 + (width / 2) * g4 + (height / 2) * g5;
  if (!(Math.abs(latitude) < 90))
    throw new BandliftError('not a latitude', {
      file: path,
      field: 'map info',
      found: latitude,
      expected: '-90 to 90',
      hint: 'correct the header, or give --gsd METRES',
    });
  const [north, east] = metresPerDegree(latitude);
  return [Math.hypot(east * g2, north * g5), Math.hypot(east * g1, north * g4)];
}
