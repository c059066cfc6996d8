/**
 * Coordinate reference systems as WKT 1, for the EPSG codes that Landsat and airborne scenes come in: UTM on WGS 84, NAD83
 * and ETRS89, geographic coordinates, and the two polar stereographic systems of Landsat at high latitudes.
 */

interface Datum {
  readonly geographic: string;
  readonly name: string;
  readonly epsg: number;
  readonly geographicEpsg: number;
  readonly spheroid: string;
}

const GRS80 = 'SPHEROID["GRS 1980",6378137,298.257222101,AUTHORITY["EPSG","7019"]]';
const WGS84: Datum = {
  geographic: 'WGS 84',
  name: 'WGS_1984',
  epsg: 6326,
  geographicEpsg: 4326,
  spheroid: 'SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]]',
};
const NAD83: Datum = {
  geographic: 'NAD83',
  name: 'North_American_Datum_1983',
  epsg: 6269,
  geographicEpsg: 4269,
  spheroid: GRS80,
};
const ETRS89: Datum = {
  geographic: 'ETRS89',
  name: 'European_Terrestrial_Reference_System_1989',
  epsg: 6258,
  geographicEpsg: 4258,
  spheroid: GRS80,
};

const authority = (code: number) => `AUTHORITY["EPSG","${code}"]`;

const geographic = (datum: Datum, axes = '') =>
  `GEOGCS["${datum.geographic}",DATUM["${datum.name}",${datum.spheroid},${authority(datum.epsg)}],` +
  `PRIMEM["Greenwich",0,${authority(8901)}],UNIT["degree",0.0174532925199433,${authority(9122)}],${axes}` +
  `${authority(datum.geographicEpsg)}]`;

function projected(
  name: string,
  datum: Datum,
  projection: string,
  values: Record<string, number>,
  axes: string,
  code: number,
) {
  const parameters = Object.entries(values).map(([key, value]) => `PARAMETER["${key}",${value}],`);
  return (
    `PROJCS["${name}",${geographic(datum)},PROJECTION["${projection}"],${parameters.join('')}` +
    `UNIT["metre",1,${authority(9001)}],${axes},${authority(code)}]`
  );
}

function utm(datum: Datum, zone: number, south: boolean, code: number): string {
  const values = {
    latitude_of_origin: 0,
    central_meridian: 6 * zone - 183,
    scale_factor: 0.9996,
    false_easting: 500000,
    false_northing: south ? 10000000 : 0,
  };
  const name = `${datum.geographic} / UTM zone ${zone}${south ? 'S' : 'N'}`;
  return projected(name, datum, 'Transverse_Mercator', values, 'AXIS["Easting",EAST],AXIS["Northing",NORTH]', code);
}

function polar(name: string, latitude: number, meridian: number, axis: string, code: number): string {
  const values = { latitude_of_origin: latitude, central_meridian: meridian, false_easting: 0, false_northing: 0 };
  const axes = `AXIS["Easting",${axis}],AXIS["Northing",${axis}]`;
  return projected(name, WGS84, 'Polar_Stereographic', values, axes, code);
}

/**
 * Albers' conic of equal area on WGS 84 (4326) or NAD83 (4269), in metres.
 *
 * @param values two standard parallels, latitude and longitude of the origin in degrees, false easting and northing in m
 */
export function albersWkt(datum: 4326 | 4269, values: readonly number[]): string {
  const names = [
    'standard_parallel_1',
    'standard_parallel_2',
    'latitude_of_center',
    'longitude_of_center',
    'false_easting',
    'false_northing',
  ];
  const parameters = names.map((name, i) => `PARAMETER["${name}",${values[i]}],`).join('');
  return (
    `PROJCS["Albers",${geographic(datum === WGS84.geographicEpsg ? WGS84 : NAD83)},PROJECTION["Albers_Conic_Equal_Area"],` +
    `${parameters}UNIT["metre",1,${authority(9001)}],AXIS["Easting",EAST],AXIS["Northing",NORTH]]`
  );
}

/** Codes of UTM zones: the first zone's code, how many follow each other, and the zone of the first. */
const UTM_SERIES: readonly [first: number, zone: number, count: number, datum: Datum, south: boolean][] = [
  [32601, 1, 60, WGS84, false],
  [32701, 1, 60, WGS84, true],
  [26901, 1, 23, NAD83, false],
  [25828, 28, 11, ETRS89, false],
];

/** WKT of an EPSG code, undefined for codes that are not in the table. */
export function wktOfEpsg(code: number): string | undefined {
  for (const [first, zone, count, datum, south] of UTM_SERIES)
    if (code >= first && code < first + count) return utm(datum, zone + code - first, south, code);
  const datum = [WGS84, NAD83, ETRS89].find(({ geographicEpsg }) => geographicEpsg === code);
  if (datum) return geographic(datum, 'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],');
  if (code === 3031) return polar('WGS 84 / Antarctic Polar Stereographic', -71, 0, 'NORTH', code);
  if (code === 3413) return polar('WGS 84 / NSIDC Sea Ice Polar Stereographic North', 70, -45, 'SOUTH', code);
  return undefined;
}

/** 'EPSG:32611' or the name in quotes: a coordinate system in a few characters, for messages. */
export function crsName(wkt: string | undefined): string {
  if (wkt === undefined) return 'none';
  if (!wkt.includes('[')) return wkt;
  const code = /AUTHORITY\["EPSG","(\d+)"\]\s*\]\s*$/.exec(wkt)?.[1];
  return code === undefined ? (/"([^"]*)"/.exec(wkt)?.[0] ?? wkt.slice(0, 40)) : `EPSG:${code}`;
}
