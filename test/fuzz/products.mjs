// Damaged products of spectrometers (EMIT, AVIRIS, NEON, PRISMA); the options are those of harness.mjs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { openHdf5Product } from '../../dist/src/scenes/hdf5_products.js';
import { fuzz } from './harness.mjs';

await h5wasm.ready;
const ramp = (Type, length) => Type.from({ length }, (_, i) => i % 97);
const centres = Float32Array.of(450, 650, 2200);

const holder = (file, object) => (object === '' ? file : file.get(object));

/** Bytes of a file with these datasets [data, shape, chunks] and attributes of objects ('' = file). */
function healthyFile(datasets, attributes) {
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-fuzz-'));
  const path = join(folder, 'healthy.h5');
  const file = new h5wasm.File(path, 'w');
  for (const [name, [data, shape, chunks]] of Object.entries(datasets)) {
    const parts = name.split('/');
    for (let i = 1; i < parts.length; i++) {
      const group = parts.slice(0, i).join('/');
      if (file.get(group) === null) file.create_group(group);
    }
    file.create_dataset({
      name,
      data,
      ...(shape ? { shape } : { dtype: `S${data.length}` }),
      ...(chunks && { chunks, compression: 'gzip' }),
    });
  }
  for (const [object, all] of Object.entries(attributes))
    for (const [name, value] of Object.entries(all))
      if (Array.isArray(value)) holder(file, object).create_attribute(name, Float64Array.from(value));
      // of fixed length, as in the products: on some damage to texts of variable length the HDF5 library itself never ends
      else holder(file, object).create_attribute(name, value, null, `S${value.length}`);
  file.close();
  const bytes = readFileSync(path);
  rmSync(folder, { recursive: true });
  return bytes;
}

const size = [9, 8, 3];
const emit = (chunks) =>
  healthyFile(
    {
      reflectance: [ramp(Float32Array, 216), size, chunks],
      'sensor_band_parameters/wavelengths': [centres, [3]],
      'sensor_band_parameters/good_wavelengths': [Float32Array.of(1, 1, 1), [3]],
      'location/glt_x': [ramp(Int32Array, 42).map((v) => v % 8), [6, 7]],
      'location/glt_y': [ramp(Int32Array, 42).map((v) => v % 9), [6, 7]],
    },
    { '': { instrument: 'EMIT', geotransform: [-116, 0.1, 0, 32, 0, -0.1], spatial_ref: 'GEOGCS["WGS 84"]' } },
  );
const aviris = healthyFile(
  {
    'reflectance/reflectance': [ramp(Float32Array, 216), [3, 9, 8], [2, 4, 8]],
    'reflectance/wavelength': [centres, [3]],
    transverse_mercator: [Int32Array.of(0), [1]],
  },
  { transverse_mercator: { GeoTransform: '4e5 4 0 4e6 0 -4', crs_wkt: 'LOCAL_CS["x"]' } },
);
const neon = healthyFile(
  {
    'SITE/Reflectance/Reflectance_Data': [ramp(Int16Array, 216), size, [4, 8, 2]],
    'SITE/Reflectance/Metadata/Spectral_Data/Wavelength': [centres, [3]],
    'SITE/Reflectance/Metadata/Coordinate_System/Map_Info': ['UTM, 1, 1, 257000, 4112000, 1, 1, 11, North, WGS-84'],
    'SITE/Reflectance/Metadata/Coordinate_System/EPSG Code': ['32611'],
  },
  { 'SITE/Reflectance': { Band_Window_1_Nanometers: [1340, 1445] } },
);
const arm = (name, nm, least) => ({
  [`List_Cw_${name}`]: nm,
  [`List_Fwhm_${name}`]: nm.map(() => 10),
  [`L2Scale${name}Min`]: [least],
  [`L2Scale${name}Max`]: [1],
});
const prisma = healthyFile(
  {
    'HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/VNIR_Cube': [ramp(Uint16Array, 144), [9, 2, 8]],
    'HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube': [ramp(Uint16Array, 144), [9, 2, 8]],
  },
  {
    '': {
      ...arm('Vnir', [655, 0], 0),
      ...arm('Swir', [2200, 1600], 0.1),
      Product_ULcorner_easting: [5e5],
      Product_ULcorner_northing: [45e5],
      Product_LRcorner_easting: [5e5 + 240],
      Product_LRcorner_northing: [45e5 - 270],
      Epsg_Code: [32632],
    },
  },
);

async function read(path, random) {
  const scene = await openHdf5Product(path, { ortho: random() < 0.3, cacheBytes: 2 ** 24 });
  try {
    const [height, width] = [Math.min(scene.height, 64), Math.min(scene.width, 64)];
    for (const [y, x] of [
      [0, 0],
      [scene.height - height, scene.width - width],
    ])
      await scene.read({ y, x, height, width });
  } finally {
    await scene.close();
  }
}

await fuzz({ extension: '.h5', healthy: [emit(), emit([4, 8, 2]), aviris, neon, prisma], read, fresh: true });
