/** Products of spectrometers give the patches that an ENVI cube of the same numbers gives. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { expect, it } from 'vitest';
import { prepareScene } from '../../src/prepare/prepare.js';
import { sceneKey } from '../../src/prepare/records.js';
import { loadBandCentres } from '../../src/spectra/band_centres_csv.js';
import { writeCube } from '../support/envi_cubes.js';
import { describeShared } from '../support/shared.js';
import { cube, NEON_MAP_INFO, writeEmit, writeNeon } from '../support/spectrometer_products.js';
import { temporaryFolder } from '../support/temporary.js';
import { makeTiff, type TiffToMake } from '../support/tiff_bytes.mjs';

const folder = temporaryFolder();
const SIDE = 30;
const CENTRES = Array.from({ length: 96 }, (_, b) => 400 + 20 * b + (b % 3) / 4);
const WIDTHS = CENTRES.map(() => 22);
const stored = (y: number, x: number, b: number) =>
  y < 2 && x < 3 ? -9999 : 500 + ((y * 37 + x * 61 + b * 13) % 4000);
const entries = {
  wavelength: `{${CENTRES.join(', ')}}`,
  fwhm: `{${WIDTHS.join(', ')}}`,
  'wavelength units': 'Nanometers',
};

async function datasets(path: string): Promise<Record<string, number[]>> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, 'r');
  const all = Object.fromEntries(
    file
      .keys()
      .map((name) => [name, Array.from((file.get(name) as unknown as { value: ArrayLike<number> }).value, Number)]),
  );
  file.close();
  return all;
}

it('an imitation of NEON, brought from 1 m to 4 m', async () => {
  const side = 60;
  const root = 'SJER/Reflectance';
  const neon = await writeNeon(join(folder, 'tile.h5'), {
    replace: {
      [`${root}/Reflectance_Data`]: {
        data: cube((n) => new Int16Array(n), [side, side, CENTRES.length], stored),
        shape: [side, side, CENTRES.length],
        chunks: [16, 20, 40],
        attributes: { Scale_Factor: [10000], Data_Ignore_Value: [-9999] },
      },
      [`${root}/Metadata/Spectral_Data/Wavelength`]: { data: Float32Array.from(CENTRES), shape: [CENTRES.length] },
      [`${root}/Metadata/Spectral_Data/FWHM`]: { data: Float32Array.from(WIDTHS), shape: [CENTRES.length] },
    },
  });
  // what NEON's windows leave out, as a list
  const bbl = CENTRES.map((nm) => ((nm >= 1340 && nm <= 1445) || (nm >= 1790 && nm <= 1955) ? 0 : 1));
  const twin = writeCube(join(folder, 'twin'), {
    lines: side,
    samples: side,
    bands: CENTRES.length,
    value: stored,
    type: 2,
    entries: {
      ...entries,
      bbl: `{${bbl.join(', ')}}`,
      'reflectance scale factor': 10000,
      'data ignore value': -9999,
      'map info': `{${NEON_MAP_INFO}}`,
    },
  });
  const outs = [join(folder, 'neon_patches.h5'), join(folder, 'twin_patches.h5')];
  const reports = [];
  for (const [i, scene] of [neon, twin].entries())
    reports.push(await prepareScene({ scene, out: outs[i]!, patch: 2, maxNodata: 0.5 }));
  expect(reports[0]!).toMatchObject({
    name: 'tile',
    kept: 1,
    lines: side,
    units: 'reflectance',
    sensor: 'Landsat 8 OLI',
  });
  expect(reports[0]!.bands).toEqual(reports[1]!.bands);
  const [ours, theirs] = [await datasets(outs[0]!), await datasets(outs[1]!)];
  expect(Object.keys(ours)).toEqual(Object.keys(theirs));
  for (const [name, values] of Object.entries(theirs)) expect(ours[name], name).toEqual(values);
});

it('an imitation of EMIT, and a table too narrow for OLI', async () => {
  const value = (y: number, x: number, b: number) => (y === 29 && x === 29 ? -9999 : stored(9, y + x, b) / 8192);
  const emit = await writeEmit(join(folder, 'emit.nc'), {
    replace: {
      reflectance: {
        data: cube((n) => new Float32Array(n), [SIDE, SIDE, CENTRES.length], value),
        shape: [SIDE, SIDE, CENTRES.length],
        chunks: [8, 30, 24],
        attributes: { _FillValue: [-9999] },
      },
      'sensor_band_parameters/wavelengths': { data: Float32Array.from(CENTRES), shape: [CENTRES.length] },
      'sensor_band_parameters/fwhm': { data: Float32Array.from(WIDTHS), shape: [CENTRES.length] },
      'sensor_band_parameters/good_wavelengths': {
        data: new Float32Array(CENTRES.length).fill(1),
        shape: [CENTRES.length],
      },
    },
  });
  const twin = writeCube(join(folder, 'emit_twin'), {
    lines: SIDE,
    samples: SIDE,
    bands: CENTRES.length,
    value,
    entries: { ...entries, 'data ignore value': -9999, 'data units': 'reflectance' },
  });
  const options = { patch: 2, keepGsd: true, gsd: 60 };
  const outs = [join(folder, 'emit_patches.h5'), join(folder, 'emit_twin_patches.h5')];
  for (const [i, scene] of [emit, twin].entries()) await prepareScene({ scene, out: outs[i]!, ...options });
  const [ours, theirs] = [await datasets(outs[0]!), await datasets(outs[1]!)];
  for (const [name, values] of Object.entries(theirs)) expect(ours[name], name).toEqual(values);
  // the layout on the ground decides what the patches are
  expect(await sceneKey({ scene: emit, out: 'x' })).not.toBe(await sceneKey({ scene: emit, out: 'x', ortho: true }));
});

it('a cube in a GeoTIFF, in compressed tiles', async () => {
  const items = (name: string, values: readonly number[]) =>
    values.map((value, b) => `<Item name="${name}" sample="${b}" domain="IMAGERY">${value / 1000}</Item>`).join('');
  const xml = `<GDALMetadata>${items('CENTRAL_WAVELENGTH_UM', CENTRES)}${items('FWHM_UM', WIDTHS)}</GDALMetadata>`;
  const value = (y: number, x: number, b: number) => (y < 2 ? -9999 : stored(9, y + x, b) / 8192);
  const tiff = join(folder, 'cube.tif');
  const tags = { 42113: [2, '-9999'], 42112: [2, xml] } as NonNullable<TiffToMake['tags']>;
  const shape = { width: SIDE, height: SIDE, bands: CENTRES.length, bits: 32, format: 3, compression: 8, tile: 16 };
  writeFileSync(tiff, makeTiff({ ...shape, tags, value }));
  const twin = writeCube(join(folder, 'cube_twin'), {
    lines: SIDE,
    samples: SIDE,
    bands: CENTRES.length,
    value,
    entries: { ...entries, 'data ignore value': -9999 },
  });
  const outs = [join(folder, 'cube_patches.h5'), join(folder, 'cube_twin_patches.h5')];
  for (const [i, scene] of [tiff, twin].entries())
    await prepareScene({ scene, out: outs[i]!, patch: 2, keepGsd: true, gsd: 4, maxNodata: 0.3 });
  const [ours, theirs] = [await datasets(outs[0]!), await datasets(outs[1]!)];
  // the twin has no place
  expect(Object.keys(ours).filter((name) => name !== 'geotransforms')).toEqual(Object.keys(theirs));
  // micrometres times 1000 are off by rounding, and with them the weights of the bands
  for (const [name, values] of Object.entries(theirs)) {
    const worst = values.reduce((most, v, i) => Math.max(most, Math.abs(v - ours[name]![i]!) / (Math.abs(v) + 1)), 0);
    expect(worst, name).toBeLessThan(name.startsWith('aviris') || name.startsWith('mask') ? 1e-15 : 1e-6);
  }
});

describeShared(
  'the real crop of EMIT (three bands)',
  'data/emit_netcdf/EMIT_L2A_RFL_001_20241006T165148_2428011_003_crop.nc',
  (path) => {
    it('is refused for OLI by naming the bands that it lacks', async () => {
      const table = join(folder, 'three.csv');
      writeFileSync(table, 'wavelength_nm,fwhm_nm\n640,8.5\n560,8.5\n470,8.5\n');
      const options = { scene: path, out: join(folder, 'crop.h5'), patch: 2, keepGsd: true, gsd: 60 };
      const bandCentres = loadBandCentres(table);
      await expect(prepareScene({ ...options, bandCentres })).rejects.toThrow(
        /crop\.nc: Landsat 8 OLI band coastal cannot be simulated: no bands at 427-459 nm; found 0\.0 % of its response covered/,
      );
      const report = await prepareScene(options);
      expect(report.warnings.join()).toMatch(/has no wavelengths; the patches are for stage 2 alone/);
      expect(report.sensor).toBeUndefined();
    });
  },
);
