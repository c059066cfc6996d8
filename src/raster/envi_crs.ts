/** The coordinate system of ENVI's `map info`, where the header has no `coordinate system string`. */
import { wktOfEpsg } from './crs.js';

/** First codes of UTM zones by datum: north, south. */
const UTM_CODES: readonly [datum: RegExp, north: number, south: number | undefined, lastZone: number][] = [
  [/^WGS[- _]?84$/i, 32600, 32700, 60],
  [/^(NAD[- _]?83|North America 1983)$/i, 26900, undefined, 23],
  [/^ETRS[- _]?(19)?89$/i, 25800, undefined, 38],
];

const GEOGRAPHIC_CODES: readonly [datum: RegExp, code: number][] = [
  [/^WGS[- _]?84$/i, 4326],
  [/^(NAD[- _]?83|North America 1983)$/i, 4269],
];

/**
 * WKT of `UTM, column, row, easting, northing, width, height, zone, North|South, datum, ...` and of
 * `Geographic Lat/Lon, ..., datum, ...`; undefined for what these do not tell.
 */
export function wktOfMapInfo(mapInfo: readonly string[]): string | undefined {
  const [projection = '', , , , , , , ...rest] = mapInfo;
  // the systems below are in metres and degrees
  const units = rest.map((entry) => /^units\s*=\s*(.+)$/i.exec(entry)?.[1]).find((word) => word);
  if (units !== undefined && !/^(met(er|re)s?|m|deg|degrees?)$/i.test(units.trim())) return undefined;
  if (/^UTM$/i.test(projection)) {
    const [zone, half, datum] = [Number(rest[0]), rest[1] ?? '', rest[2] ?? ''];
    const series = UTM_CODES.find(([pattern]) => pattern.test(datum));
    if (!series || !Number.isInteger(zone) || zone < 1 || zone > series[3]) return undefined;
    const first = /^S/i.test(half) ? series[2] : series[1];
    return first === undefined ? undefined : wktOfEpsg(first + zone);
  }
  if (/^Geographic/i.test(projection)) {
    const code = GEOGRAPHIC_CODES.find(([pattern]) => rest.some((entry) => pattern.test(entry)))?.[1];
    return code === undefined ? undefined : wktOfEpsg(code);
  }
  return undefined;
}
