/**
 * Georeference of a GeoTIFF (OGC 19-008r4): the transform from ModelPixelScale and ModelTiepoint or from ModelTransformation,
 * the coordinate system from the GeoKeys.
 */
import { albersWkt, wktOfEpsg } from './crs.js';
import { type Geotransform, pixelToMap } from './geo.js';
import type { TiffTags } from './tiff_tags.js';
import type { GeoReference } from './types.js';

const KEY = {
  modelType: 1024,
  rasterType: 1025,
  geographicType: 2048,
  projectedType: 3072,
  coordinateTransform: 3075,
  standardParallel1: 3078,
  standardParallel2: 3079,
  naturalOriginLongitude: 3080,
  naturalOriginLatitude: 3081,
  falseEasting: 3082,
  falseNorthing: 3083,
  falseOriginLongitude: 3084,
  falseOriginLatitude: 3085,
  straightPoleLongitude: 3095,
} as const;
/** Model types; raster type: coordinates are those of pixel centres. */
const PROJECTED = 1;
const GEOGRAPHIC = 2;
const PIXEL_IS_POINT = 2;
const USER_DEFINED = 32767;
const POLAR_STEREOGRAPHIC = 15;
const ALBERS = 11;
const WGS84 = 4326;
const NAD83 = 4269;

/** Values of the GeoKeys: numbers only, since codes are all that is needed. */
async function readKeys(tags: TiffTags): Promise<Map<number, number>> {
  const directory = (await tags.numbers('geoKeys')) ?? [];
  const doubles = (await tags.numbers('geoDoubles')) ?? [];
  const keys = new Map<number, number>();
  // 4 numbers of a header, then 4 to each key: name, tag that holds the value, count, value or index
  for (let i = 4; i + 3 < directory.length; i += 4) {
    const [name, tag, , value] = directory.slice(i, i + 4);
    if (tag === 0) keys.set(name!, value!);
    else if (tag === 34736 && doubles[value!] !== undefined) keys.set(name!, doubles[value!]!);
  }
  return keys;
}

async function readTransform(tags: TiffTags, point: boolean): Promise<Geotransform | string> {
  const matrix = await tags.numbers('transformation');
  const scale = await tags.numbers('pixelScale');
  const tie = await tags.numbers('tiepoint');
  let g: Geotransform;
  if (matrix !== undefined && matrix.length >= 8)
    g = [matrix[3]!, matrix[0]!, matrix[1]!, matrix[7]!, matrix[4]!, matrix[5]!];
  else if (scale !== undefined && tie !== undefined && tie.length === 6 && scale.length >= 2) {
    const [column, row, , x, y] = tie;
    const [sx, sy] = [scale[0]!, Math.abs(scale[1]!)];
    g = [x! - column! * sx, sx, 0, y! + row! * sy, 0, -sy];
  } else
    return tie !== undefined && tie.length > 6
      ? 'the file ties pixels to the ground by control points only: it has no place in the result (gdalwarp gives it one)'
      : 'the file does not say where on the ground it lies';
  if (point) {
    // the coordinates given are those of pixel centres, ours those of corners
    const [x, y] = pixelToMap(g, -0.5, -0.5);
    g = [x, g[1], g[2], y, g[4], g[5]];
  }
  if (!g.every(Number.isFinite) || g[1] * g[5] - g[2] * g[4] === 0)
    return `the file's geotransform cannot be used (${g.join(', ')})`;
  return g;
}

function codeOf(keys: Map<number, number>): number | undefined {
  const model = keys.get(KEY.modelType);
  const code = keys.get(model === GEOGRAPHIC ? KEY.geographicType : KEY.projectedType);
  if (code !== undefined && code !== USER_DEFINED) return code;
  // Landsat scenes of high latitudes spell their projection out
  if (model === PROJECTED && keys.get(KEY.coordinateTransform) === POLAR_STEREOGRAPHIC) {
    const [latitude, longitude] = [keys.get(KEY.naturalOriginLatitude), keys.get(KEY.straightPoleLongitude)];
    if (latitude === -71 && longitude === 0) return 3031;
    if (latitude === 70 && longitude === -45) return 3413;
  }
  return undefined;
}

/** The WKT of Albers' projection spelled out, as in Landsat's ARD tiles; undefined for others. */
function albersOf(keys: Map<number, number>): string | undefined {
  const datum = keys.get(KEY.geographicType);
  if (keys.get(KEY.coordinateTransform) !== ALBERS || (datum !== WGS84 && datum !== NAD83)) return undefined;
  const first = (...names: (keyof typeof KEY)[]) =>
    names.map((name) => keys.get(KEY[name])).find((v) => v !== undefined);
  const values = [
    first('standardParallel1'),
    first('standardParallel2'),
    first('naturalOriginLatitude', 'falseOriginLatitude'),
    first('naturalOriginLongitude', 'falseOriginLongitude'),
    first('falseEasting') ?? 0,
    first('falseNorthing') ?? 0,
  ];
  return values.every((value) => value !== undefined) ? albersWkt(datum, values as number[]) : undefined;
}

/** Where the file lies, as far as it says; what is missing is told in `warnings`. */
export async function readGeoReference(
  tags: TiffTags,
): Promise<{ readonly georeference?: GeoReference; readonly warnings: readonly string[] }> {
  const keys = await readKeys(tags);
  const geotransform = await readTransform(tags, keys.get(KEY.rasterType) === PIXEL_IS_POINT);
  if (typeof geotransform === 'string') return { warnings: [geotransform] };
  const albers = albersOf(keys);
  if (albers !== undefined) return { georeference: { geotransform, crsWkt: albers }, warnings: [] };
  const code = codeOf(keys);
  if (code === undefined)
    return { georeference: { geotransform }, warnings: ['the file names no coordinate system by an EPSG code'] };
  const wkt = wktOfEpsg(code);
  return {
    georeference: { geotransform, crsWkt: wkt ?? `EPSG:${code}` },
    warnings:
      wkt === undefined
        ? [`coordinate system EPSG:${code} is not in bandlift's table: the result names it, without its definition`]
        : [],
  };
}
