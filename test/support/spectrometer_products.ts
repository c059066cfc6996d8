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
