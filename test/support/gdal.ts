/** GDAL's command line tools: an independent writer of what bandlift reads, and reader of what it writes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe } from 'vitest';

const TOOLS = ['gdalinfo', 'gdal_translate', 'gdallocationinfo'] as const;

/** The tools that are not on PATH; with BANDLIFT_REQUIRE_ALL=1 that is an error. */
function missingTools(): string[] {
  const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version']).status !== 0);
  if (missing.length > 0 && process.env.BANDLIFT_REQUIRE_ALL === '1')
    throw new Error(`${missing.join(', ')} not on PATH (apt-get install gdal-bin)`);
  return missing;
}

/** Declares tests that need GDAL; without it they are skipped and the reason is printed. */
export function describeGdal(title: string, body: () => void): void {
  const missing = missingTools();
  if (missing.length > 0) describe.skip(`${title} (skipped: no ${missing.join(', ')} on PATH)`, body);
  else describe(title, body);
}

/** What a tool prints. Throws with what it wrote to stderr when it fails. */
export function gdal(tool: (typeof TOOLS)[number], args: readonly string[], input?: string): string {
  // PAM off: reading must leave no .aux.xml behind
  const env = { ...process.env, GDAL_PAM_ENABLED: 'NO' };
  return execFileSync(tool, [...args], {
    encoding: 'utf8',
    env,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });
}

export interface GdalInfo {
  readonly size: readonly [number, number];
  readonly geoTransform?: readonly number[];
  readonly coordinateSystem?: { readonly wkt: string };
  readonly metadata: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bands: readonly {
    readonly type: string;
    readonly noDataValue?: number;
    readonly description?: string;
    readonly scale?: number;
  }[];
}

/** gdalinfo's account of a file, the ENVI domain of its metadata included. */
export function gdalInfo(path: string): GdalInfo {
  return JSON.parse(gdal('gdalinfo', ['-json', '-mdd', 'all', path])) as GdalInfo;
}

/** The values of every band at a place: map coordinates, or column and row with `pixel`. */
export function gdalValues(path: string, x: number, y: number, how: 'map' | 'pixel' = 'map'): number[] {
  const place = how === 'map' ? ['-geoloc'] : [];
  return gdal('gdallocationinfo', ['-valonly', ...place, path, String(x), String(y)])
    .trim()
    .split('\n')
    .map(Number);
}

const TYPES = { Byte: 1, UInt16: 2, Int16: 2, Float32: 4 } as const;

export interface RasterToWrite {
  readonly type: keyof typeof TYPES;
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** [height, width, bands] */
  readonly values: ArrayLike<number>;
}

/**
 * Writes a raster with GDAL: the numbers go into a raw file with a VRT over it, gdal_translate makes the GeoTIFF of that.
 *
 * @param options of gdal_translate: -a_srs, -a_ullr, -a_nodata, -co ...
 */
export function writeWithGdal(path: string, raster: RasterToWrite, options: readonly string[] = []): void {
  const { type, height, width, bands, values } = raster;
  const size = TYPES[type];
  const bytes = Buffer.alloc(height * width * bands * size);
  for (let i = 0; i < height * width * bands; i++) {
    if (type === 'Byte') bytes.writeUInt8(values[i]!, i);
    else if (type === 'UInt16') bytes.writeUInt16LE(values[i]!, 2 * i);
    else if (type === 'Int16') bytes.writeInt16LE(values[i]!, 2 * i);
    else bytes.writeFloatLE(values[i]!, 4 * i);
  }
  writeFileSync(`${path}.raw`, bytes);
  const band = (b: number) => `<VRTRasterBand dataType="${type}" band="${b + 1}" subClass="VRTRawRasterBand">
<SourceFilename relativeToVRT="0">${path}.raw</SourceFilename><ImageOffset>${b * size}</ImageOffset>
<PixelOffset>${bands * size}</PixelOffset><LineOffset>${width * bands * size}</LineOffset><ByteOrder>LSB</ByteOrder></VRTRasterBand>`;
  const all = Array.from({ length: bands }, (_, b) => band(b)).join('\n');
  writeFileSync(`${path}.vrt`, `<VRTDataset rasterXSize="${width}" rasterYSize="${height}">\n${all}\n</VRTDataset>`);
  gdal('gdal_translate', ['-q', '-of', 'GTiff', ...options, `${path}.vrt`, path]);
}
