/**
 * A georeference as ENVI headers tell it: `map info` = projection, reference column and row (counted from 1), its easting
 * and northing, pixel width and height, then zone, datum, units and rotation as they apply. The coordinate system itself
 * stands beside it as WKT (`coordinate system string`).
 */
import type { GeoReference } from './types.js';

/** Relative size of what may be put down to rounding. */
const TINY = 1e-9;

/** ENVI's names for the datums that Landsat and airborne scenes come in. */
const DATUMS: readonly [pattern: RegExp, name: string][] = [
  [/NAD[ _]?83|North[ _]American[ _](Datum[ _])?1983/i, 'North America 1983'],
  [/NAD[ _]?27|North[ _]American[ _](Datum[ _])?1927/i, 'North America 1927'],
  [/WGS[ _]?(19)?84/i, 'WGS-84'],
];

/** The entries after the pixel size, and the projection's name, from WKT. */
function describe(wkt: string | undefined): { projection: string; tail: string[] } {
  if (wkt === undefined) return { projection: 'Arbitrary', tail: [] };
  const datum = DATUMS.find(([pattern]) => pattern.test(wkt))?.[1];
  const utm = /UTM[ _]zone[ _]?(\d{1,2})\s?([NS])/i.exec(wkt);
  if (utm && datum)
    return {
      projection: 'UTM',
      tail: [utm[1]!, utm[2]!.toUpperCase() === 'N' ? 'North' : 'South', datum, 'units=Meters'],
    };
  if (/^\s*GEOG(CS|CRS)/i.test(wkt))
    return { projection: 'Geographic Lat/Lon', tail: [...(datum ? [datum] : []), 'units=Degrees'] };
  const name = /Polar[_ ]Stereographic/i.test(wkt) ? 'Polar Stereographic' : 'Arbitrary';
  return { projection: name, tail: [...(datum ? [datum] : []), 'units=Meters'] };
}

const isRotation = (entry: string) => /^rotation\s*=/i.test(entry.trim());

/**
 * The entries of `map info`; the projection and what follows the pixel size are taken over from an ENVI source. ENVI knows
 * turned pixels but no sheared ones, and turned ones must be square, since readers disagree on the others: then undefined.
 */
export function mapInfoOf(georeference: GeoReference): string[] | undefined {
  const [x, g1, g2, y, g4, g5] = georeference.geotransform;
  const turned = g2 !== 0 || g4 !== 0;
  const sizeX = turned ? Math.hypot(g1, g4) : g1;
  const sizeY = turned ? Math.hypot(g2, g5) : -g5;
  // turned by R, counterclockwise: (g1, g4) = size (cos R, sin R), (g2, g5) = size (sin R, -cos R)
  if (turned && (Math.abs(g1 + g5) > TINY * sizeX || Math.abs(g2 - g4) > TINY * sizeX)) return undefined;
  const source = georeference.mapInfo;
  const { projection, tail } =
    source !== undefined && source.length >= 7
      ? { projection: source[0]!, tail: source.slice(7).filter((entry) => !isRotation(entry)) }
      : describe(georeference.crsWkt);
  const rotation = turned ? [`rotation=${(Math.atan2(g4, g1) * 180) / Math.PI}`] : [];
  return [projection, ...[1, 1, x, y, sizeX, sizeY].map(String), ...tail, ...rotation];
}
