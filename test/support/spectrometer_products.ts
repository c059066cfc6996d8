/** Small imitations of spectrometers' products, written by h5wasm in the products' own layouts: every number tells where it is. */
import h5wasm from 'h5wasm/node';

type Numbers = Float32Array | Int32Array | Int16Array | Uint16Array | Uint8Array;

export interface Entry {
  readonly data: Numbers | string;
  readonly shape?: readonly number[];
  readonly chunks?: readonly number[];
  readonly attributes?: Readonly<Record<string, string | number | readonly number[]>>;
}

/** Writes datasets by their paths, making the groups; gzip where `chunks` is given; attributes of objects by their paths ('' = file). */
export async function writeProduct(
  path: string,
  entries: Readonly<Record<string, Entry>>,
  attributes: Readonly<Record<string, Entry['attributes']>> = {},
): Promise<string> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, 'w');
  const setAll = (object: { create_attribute(name: string, data: never): void }, all: Entry['attributes']) => {
    for (const [name, value] of Object.entries(all ?? {}))
      object.create_attribute(name, (Array.isArray(value) ? Float64Array.from(value) : value) as never);
  };
  for (const [name, { data, shape, chunks, attributes: own }] of Object.entries(entries)) {
    const parts = name.split('/');
    parts.slice(0, -1).forEach((_, i) => {
      const group = parts.slice(0, i + 1).join('/');
      if (file.get(group) === null) file.create_group(group);
    });
    const dataset = file.create_dataset({
      name,
      data: data as never,
      ...(shape ? { shape: [...shape] } : {}),
      ...(chunks ? { chunks: [...chunks], compression: 'gzip' as const, compression_opts: 4 } : {}),
    });
    setAll(dataset, own);
  }
  for (const [object, all] of Object.entries(attributes))
    setAll(object === '' ? file : (file.get(object) as never), all);
  file.close();
  return path;
}

/** [height, width, bands] of f(row, column, band). */
export function cube<T extends Numbers>(
  make: (length: number) => T,
  [height, width, bands]: readonly [number, number, number],
  f: (y: number, x: number, b: number) => number,
): T {
  const out = make(height * width * bands);
  let i = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) for (let b = 0; b < bands; b++) out[i++] = f(y, x, b);
  return out;
}

export const EMIT_SIZE = [6, 5, 4] as const;
export const EMIT_CENTRES = [450.5, 655.25, 1400, 2200.125];
export const EMIT_WIDTHS = [8.5, 8.5, 8.75, 9];
/** EMIT's own transform has zeros that carry a sign. */
export const EMIT_GROUND = [-116.5, 0.0005, -0, 32.75, -0, -0.0005];
export const GEOGRAPHIC =
  'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],' +
  'PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],' +
  'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]';
/** Reflectance, exact in float32; pixel (1, 2) is fill, band 2 (water vapour) is deleted. */
export const emitValue = (y: number, x: number, b: number): number =>
  y === 1 && x === 2 ? -9999 : b === 2 ? Math.fround(-0.01) : (1 + y * 16 + x * 2 + b / 4) / 128;
/** Samples and lines, from 1, of a grid of 4 x 3: one row of nothing, one pixel twice, one taken over from a neighbour. */
export const EMIT_GLT_X = [0, 0, 0, 1, 2, 3, 5, 5, -4, 3, 0, -9999];
export const EMIT_GLT_Y = [0, 0, 0, 1, 1, 2, 6, 6, -5, 2, 0, -9999];
export const GLT_SIZE = [4, 3] as const;

export interface EmitOptions {
  readonly name?: 'reflectance' | 'radiance';
  readonly without?: readonly string[];
  readonly replace?: Readonly<Record<string, Entry>>;
  readonly attributes?: Readonly<Record<string, string | readonly number[]>>;
  readonly chunks?: readonly number[];
}

/** EMIT L2A or L1B. */
export function writeEmit(path: string, options: EmitOptions = {}): Promise<string> {
  const { name = 'reflectance', without = [], chunks } = options;
  const entries: Record<string, Entry> = {
    [name]: {
      data: cube((n) => new Float32Array(n), EMIT_SIZE, emitValue),
      shape: EMIT_SIZE,
      ...(chunks ? { chunks } : {}),
      attributes: { _FillValue: [-9999], long_name: 'Surface Reflectance' },
    },
    'sensor_band_parameters/wavelengths': { data: Float32Array.from(EMIT_CENTRES), shape: [4] },
    'sensor_band_parameters/fwhm': { data: Float32Array.from(EMIT_WIDTHS), shape: [4] },
    'sensor_band_parameters/good_wavelengths': { data: Float32Array.of(1, 1, 0, 1), shape: [4] },
    'location/glt_x': { data: Int32Array.from(EMIT_GLT_X), shape: GLT_SIZE },
    'location/glt_y': { data: Int32Array.from(EMIT_GLT_Y), shape: GLT_SIZE },
    ...options.replace,
  };
  const kept = Object.fromEntries(Object.entries(entries).filter(([entry]) => !without.includes(entry)));
  return writeProduct(path, kept, {
    '': {
      title: 'EMIT L2A Estimated Surface Reflectance 60 m V001',
      platform: 'ISS',
      instrument: 'EMIT',
      geotransform: EMIT_GROUND,
      spatial_ref: GEOGRAPHIC,
      ...options.attributes,
    },
  });
}

export const NEON_SIZE = [5, 7, 6] as const;
export const NEON_CENTRES = [381.375, 655.5, 1341, 1400, 1800.25, 2200];
export const NEON_WIDTHS = [5, 5.5, 5.75, 6, 6, 6.25];
export const NEON_MAP_INFO =
  'UTM,  1.000,  1.000,       257000.00,       4112000.0,       1.0000000,       1.0000000,  11,  North,  WGS-84,  units=Meters, 0';
/** Stored numbers; pixel (0, 0) is fill, (4, 6) is where the correction for the atmosphere found no answer. */
export const neonStored = (y: number, x: number, b: number): number =>
  y === 0 && x === 0 ? -9999 : y === 4 && x === 6 ? 14998 : 100 + y * 1000 + x * 100 + b;

export interface NeonOptions {
  readonly without?: readonly string[];
  readonly replace?: Readonly<Record<string, Entry>>;
  readonly chunks?: readonly number[];
}

/** A tile of NEON's reflectance. */
export function writeNeon(path: string, options: NeonOptions = {}): Promise<string> {
  const { without = [], chunks } = options;
  const root = 'SJER/Reflectance';
  const entries: Record<string, Entry> = {
    [`${root}/Reflectance_Data`]: {
      data: cube((n) => new Int16Array(n), NEON_SIZE, neonStored),
      shape: NEON_SIZE,
      ...(chunks ? { chunks } : {}),
      attributes: { Scale_Factor: [10000], Data_Ignore_Value: [-9999] },
    },
    [`${root}/Metadata/Spectral_Data/Wavelength`]: { data: Float32Array.from(NEON_CENTRES), shape: [6] },
    [`${root}/Metadata/Spectral_Data/FWHM`]: { data: Float32Array.from(NEON_WIDTHS), shape: [6] },
    [`${root}/Metadata/Coordinate_System/Map_Info`]: { data: NEON_MAP_INFO },
    [`${root}/Metadata/Coordinate_System/EPSG Code`]: { data: '32611' },
    ...options.replace,
  };
  const kept = Object.fromEntries(Object.entries(entries).filter(([entry]) => !without.includes(entry)));
  return writeProduct(path, kept, {
    [root]: { Band_Window_1_Nanometers: [1340, 1445], Band_Window_2_Nanometers: [1790, 1955] },
  });
}

export const AVIRIS_SIZE = [4, 5, 3] as const;
export const AVIRIS_CENTRES = [410.25, 865.5, 2200];
export const UTM11 =
  'PROJCS["WGS 84 / UTM zone 11N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],' +
  'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],UNIT["metre",1]]';
/** Pixel (2, 1) is fill. */
export const avirisStored = (y: number, x: number, b: number): number =>
  y === 2 && x === 1 ? -9999 : (1 + y * 20 + x * 4 + b) / 256;

/** [bands, height, width] of f(row, column, band). */
export function bandsFirst(
  [height, width, bands]: readonly [number, number, number],
  f: typeof avirisStored,
): Float32Array {
  const out = new Float32Array(height * width * bands);
  let i = 0;
  for (let b = 0; b < bands; b++)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[i++] = f(y, x, b);
  return out;
}

/** AVIRIS-3 or AVIRIS-NG: L2A on the map, or L1B in the sensor's lines with a table of 2 x 3 pixels. */
export function writeAviris(
  path: string,
  level: 'L2A' | 'L1B',
  replace: Readonly<Record<string, Entry>> = {},
): Promise<string> {
  const group = level === 'L2A' ? 'reflectance' : 'radiance';
  const [height, width, bands] = AVIRIS_SIZE;
  return writeProduct(path, {
    [`${group}/${group}`]: {
      data: bandsFirst(AVIRIS_SIZE, avirisStored),
      shape: [bands, height, width],
      chunks: [2, 3, 4],
      attributes: { _FillValue: [-9999] },
    },
    [`${group}/wavelength`]: { data: Float32Array.from(AVIRIS_CENTRES), shape: [bands] },
    [`${group}/fwhm`]: { data: Float32Array.of(7.5, 7.75, 8), shape: [bands] },
    transverse_mercator: {
      data: Int32Array.of(0),
      shape: [1],
      attributes: { GeoTransform: '400000.5 4.5 0.0 3900000.25 0.0 -4.5', crs_wkt: UTM11 },
    },
    ...(level === 'L1B'
      ? {
          'geolocation_lookup_table/sample': { data: Int32Array.of(0, 1, -2, 5, 2, 0), shape: [2, 3] },
          'geolocation_lookup_table/line': { data: Int32Array.of(0, 1, -2, 4, 3, 0), shape: [2, 3] },
        }
      : {}),
    ...replace,
  });
}

export const PRISMA_SIZE = [4, 3] as const;
/** As stored, from long to short; 0: not acquired. */
export const PRISMA_VNIR = [0, 976.5, 950.25, 655.5, 410];
export const PRISMA_SWIR = [2400.5, 1600.25, 943.5, 0];
/** Stored numbers; nothing at pixel (0, 0). */
export const prismaStored = (y: number, x: number, arm: number, b: number): number =>
  y === 0 && x === 0 ? 0 : 1000 + 10000 * arm + y * 1000 + x * 100 + b;

export interface PrismaOptions {
  readonly level?: 'L1' | 'L2B' | 'L2C' | 'L2D';
  /** Corners are those of the image, not the centres of its corner pixels. */
  readonly outer?: boolean;
  readonly attributes?: Readonly<Record<string, string | number | readonly number[]>>;
}

/** PRISMA's HDF-EOS5. */
export function writePrisma(
  path: string,
  { level = 'L2D', outer = false, attributes = {} }: PrismaOptions = {},
): Promise<string> {
  const [height, width] = PRISMA_SIZE;
  const data = (arm: number, bands: number) => {
    const out = new Uint16Array(height * width * bands);
    let i = 0;
    for (let y = 0; y < height; y++)
      for (let b = 0; b < bands; b++) for (let x = 0; x < width; x++) out[i++] = prismaStored(y, x, arm, b);
    return { data: out, shape: [height, bands, width] };
  };
  const fields = `HDFEOS/SWATHS/PRS_${level}_HCO/Data Fields`;
  const reach = outer ? 0 : 1;
  return writeProduct(
    path,
    { [`${fields}/VNIR_Cube`]: data(0, PRISMA_VNIR.length), [`${fields}/SWIR_Cube`]: data(1, PRISMA_SWIR.length) },
    {
      '': {
        List_Cw_Vnir: PRISMA_VNIR,
        List_Fwhm_Vnir: PRISMA_VNIR.map((nm) => (nm === 0 ? 0 : 11.5)),
        List_Cw_Vnir_Flags: PRISMA_VNIR.map((nm) => (nm === 0 ? 0 : 1)),
        List_Cw_Swir: PRISMA_SWIR,
        List_Fwhm_Swir: PRISMA_SWIR.map((nm) => (nm === 0 ? 0 : 10.25)),
        List_Cw_Swir_Flags: PRISMA_SWIR.map((nm) => (nm === 0 ? 0 : 1)),
        ...(level === 'L1'
          ? { ScaleFactor_Vnir: [100], Offset_Vnir: [0.5], ScaleFactor_Swir: [200], Offset_Swir: [0] }
          : { L2ScaleVnirMin: [0.125], L2ScaleVnirMax: [1.125], L2ScaleSwirMin: [0], L2ScaleSwirMax: [0.75] }),
        Product_ULcorner_easting: [500015 - (outer ? 15 : 0)],
        Product_ULcorner_northing: [4499985 + (outer ? 15 : 0)],
        Product_LRcorner_easting: [500015 - (outer ? 15 : 0) + 30 * (width - reach)],
        Product_LRcorner_northing: [4499985 + (outer ? 15 : 0) - 30 * (height - reach)],
        Epsg_Code: [32632],
        ...attributes,
      },
    },
  );
}
