/** EMIT's netCDF-4 files: imitations in the layout of the products, and the real crop of three bands. */
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import h5wasm, { type Dataset } from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { type OpenOptions, openScene } from '../../src/scenes/open.js';
import { openLine } from '../../src/scenes/open_line.js';
import { refusedHere, sameModel } from '../support/predictions.js';
import { describeShared } from '../support/shared.js';
import {
  EMIT_CENTRES,
  EMIT_GLT_X,
  EMIT_GLT_Y,
  EMIT_SIZE,
  EMIT_WIDTHS,
  emitValue,
  GEOGRAPHIC,
  writeEmit,
} from '../support/spectrometer_products.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const [LINES, SAMPLES] = EMIT_SIZE;
const failure = (path: string, options?: OpenOptions) =>
  openScene(path, options).then(
    () => 'opened',
    (error: unknown) => {
      expect(error).toBeInstanceOf(BandliftError);
      return (error as Error).message;
    },
  );
/** What a pixel is to be read as: band 2 is bad and says nothing, fill leaves nothing. */
const expected = (y: number, x: number) =>
  [0, 1, 2, 3].map((b) => (emitValue(y, x, 0) === -9999 || b === 2 ? 0 : emitValue(y, x, b)));

describe('an imitation of EMIT L2A', () => {
  it.each([
    ['in one piece', undefined],
    ['in chunks', [2, 3, 3]],
  ])("the sensor's own lines, %s", async (_, chunks) => {
    const scene = await openScene(await writeEmit(join(folder, `swath_${chunks}.nc`), chunks ? { chunks } : {}));
    expect(scene).toMatchObject({ kind: 'EMIT L2A', height: LINES, width: SAMPLES, bands: 4, units: 'reflectance' });
    expect([...scene.wavelength!]).toEqual(EMIT_CENTRES);
    expect([...scene.fwhm!]).toEqual(EMIT_WIDTHS);
    expect([...scene.goodBands!]).toEqual([1, 1, 0, 1]);
    expect(scene.georeference).toBeUndefined();
    expect(scene.warnings.join()).toMatch(/without a place on the map; --ortho lays them on the ground/);
    const { values, valid } = await scene.read({ y: 1, x: 1, height: 4, width: 3 });
    for (let y = 0, i = 0; y < 4; y++)
      for (let x = 0; x < 3; x++, i++) {
        expect(valid[i]).toBe(y === 0 && x === 1 ? 0 : 1);
        expect([...values.subarray(4 * i, 4 * i + 4)]).toEqual(expected(1 + y, 1 + x));
      }
    await scene.close();
  });

  it('laid on the ground by its lookup table', async () => {
    const scene = await openScene(await writeEmit(join(folder, 'ortho.nc'), { chunks: [2, 5, 4] }), { ortho: true });
    expect(scene).toMatchObject({ height: 4, width: 3 });
    expect(scene.georeference).toEqual({
      geotransform: [-116.5, 0.0005, 0, 32.75, 0, -0.0005],
      crsWkt: GEOGRAPHIC,
    });
    const { values, valid } = await scene.read({ y: 0, x: 0, height: 4, width: 3 });
    for (let i = 0; i < 12; i++) {
      const [x, y] = [EMIT_GLT_X[i]!, EMIT_GLT_Y[i]!];
      const shown = x === 0 || x === -9999 ? undefined : ([Math.abs(y) - 1, Math.abs(x) - 1] as const);
      const fill = shown === undefined || emitValue(...shown, 0) === -9999;
      expect(valid[i]).toBe(fill ? 0 : 1);
      expect([...values.subarray(4 * i, 4 * i + 4)]).toEqual(shown && !fill ? expected(...shown) : [0, 0, 0, 0]);
    }
    const part = await scene.read({ y: 2, x: 1, height: 1, width: 2 });
    expect([...part.values]).toEqual([...values.subarray(7 * 4, 9 * 4)]);
    await scene.close();
  });

  it('bands kept for stage 1, and wavelengths from a table', async () => {
    const path = await writeEmit(join(folder, 'kept.nc'));
    const kept = await openLine(path, { bands: 'kept' });
    expect([...kept.wavelength!]).toEqual([450.5, 655.25, 2200.125]);
    expect(kept.storedBands).toBe(4);
    await kept.close();
    const own = await openLine(path, { bandCentres: { wavelength: Float64Array.of(900, 800, 700, 600) } });
    expect([...own.wavelength!]).toEqual([600, 700, 800, 900]);
    expect(own.fwhm).toBeUndefined();
    const values = new Float32Array(4);
    own.readInto({ y: 0, x: 0, height: 1, width: 1 }, values, new Uint8Array(1));
    expect([...values]).toEqual(expected(0, 0).reverse());
    await own.close();
    expect(await failure(path, { bandCentres: { wavelength: Float64Array.of(1) } })).toMatch(
      /kept\.nc: wavelength: does not fit the cube; found 1 entries, expected 4, one a band/,
    );
  });

  it('L1B is radiance', async () => {
    const scene = await openScene(await writeEmit(join(folder, 'rad.nc'), { name: 'radiance' }));
    expect(scene).toMatchObject({ kind: 'EMIT L1B', units: 'uW cm-2 sr-1 nm-1' });
    // no list of good bands counts; the band that holds the mark of deleted ones everywhere is bad for what it holds
    expect([...scene.goodBands!]).toEqual([1, 1, 0, 1]);
    await scene.close();
  });

  it('is refused by a model that takes Landsat, naming the bands that it lacks', async () => {
    await sameModel(folder);
    const refused = async (path: string) => refusedHere(folder, 3, basename(path), '--out', 'never');
    expect(await refused(await writeEmit(join(folder, 'lacks.nc')))).toMatch(
      /lacks\.nc: bands: wrong number of bands for this model; found 4, expected 7 .*it has no band near 482, 561, 865, 1609 nm/,
    );
    const names = ['wavelengths', 'fwhm', 'good_wavelengths'].map((name) => `sensor_band_parameters/${name}`);
    expect(await refused(await writeEmit(join(folder, 'bare.nc'), { without: names }))).toMatch(
      /bare\.nc: bands: wrong number of bands.*the file has no wavelengths to find them by/,
    );
  });

  it('a cube of 38 GB that is sparse takes the memory of a window', async () => {
    const path = await writeEmit(join(folder, 'sparse.nc'), { without: ['reflectance'] });
    const [lines, samples] = [60_000, 40_000];
    const file = new h5wasm.File(path, 'a');
    const data = new Float32Array(4);
    const shape = { shape: [1, 1, 4], maxshape: [null, null, 4], chunks: [64, 64, 4] };
    file.create_dataset({ name: 'reflectance', data, ...shape });
    (file.get('reflectance') as Dataset).resize([lines, samples, 4]);
    file.close();
    expect(statSync(path).size).toBeLessThan(1e6);
    const before = process.memoryUsage().rss;
    const scene = await openLine(path, { cacheBytes: 2 ** 22 });
    expect(scene).toMatchObject({ height: lines, width: samples });
    const { valid } = await scene.read({ y: lines - 300, x: samples - 400, height: 300, width: 400 });
    // what was never written is 0: nothing is valid
    expect(valid.every((v) => v === 0)).toBe(true);
    await scene.close();
    // a row of 40,000 pixels is looked at, in float32 with masks
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
  });

  it('says what does not fit', async () => {
    const odd = (name: string, options: Parameters<typeof writeEmit>[1]) => writeEmit(join(folder, name), options);
    expect(await failure(await odd('none.nc', { without: ['reflectance'] }))).toMatch(
      /none\.nc: holds neither reflectance nor radiance; found .*, expected EMIT's L2A_RFL or L1B_RAD file/,
    );
    const noTable = await odd('plain.nc', { without: ['location/glt_x', 'location/glt_y'] });
    expect(await failure(noTable, { ortho: true })).toMatch(/plain\.nc: --ortho: has no lookup table/);
    const short = { 'sensor_band_parameters/fwhm': { data: Float32Array.of(1, 2), shape: [2] } };
    expect(await failure(await odd('short.nc', { replace: short }))).toMatch(
      /short\.nc: fwhm: does not fit the cube; found 2 entries, expected 4/,
    );
    const text = await odd('ground.nc', { attributes: { geotransform: [1, 2] } });
    expect(await failure(text, { ortho: true })).toMatch(/attribute geotransform: is not a geotransform; found 1, 2/);
    const beyond = { 'location/glt_y': { data: new Int32Array(12).fill(LINES + 1), shape: [4, 3] } };
    const scene = await openScene(await odd('beyond.nc', { replace: beyond }), { ortho: true });
    await expect(scene.read({ y: 0, x: 0, height: 1, width: 1 })).rejects.toThrow(
      /beyond\.nc: location\/glt_y: points outside the image; found 7, expected 0 to 6/,
    );
    await scene.close();
    const flat = { reflectance: { data: new Float32Array(20), shape: [4, 5] } };
    expect(await failure(await odd('flat.nc', { replace: flat }))).toMatch(
      /flat\.nc: reflectance: wrong number of dimensions; found \(4,5\), expected 3/,
    );
  });
});

describeShared(
  'a real crop of EMIT L2A (three bands, no wavelengths)',
  'data/emit_netcdf/EMIT_L2A_RFL_001_20241006T165148_2428011_003_crop.nc',
  (path) => {
    it('opens as what it is', async () => {
      const scene = await openScene(path);
      expect(scene).toMatchObject({ kind: 'EMIT L2A', height: 32, width: 32, bands: 3, units: 'reflectance' });
      expect(scene.wavelength).toBeUndefined();
      expect(scene.warnings.join()).toMatch(/no wavelengths .*and the file has no lookup table/);
      await scene.close();
    });
  },
);
