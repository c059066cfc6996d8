/** AVIRIS in netCDF-4 and PRISMA in HDF-EOS5: imitations in the layout of the products. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { type OpenOptions, openScene } from '../../src/scenes/open.js';
import {
  AVIRIS_CENTRES,
  AVIRIS_SIZE,
  avirisStored,
  PRISMA_SIZE,
  prismaStored,
  UTM11,
  writeAviris,
  writePrisma,
} from '../support/spectrometer_products.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const failure = (path: string, options?: OpenOptions) =>
  openScene(path, options).then(
    () => 'opened',
    (error: unknown) => {
      expect(error).toBeInstanceOf(BandliftError);
      return (error as Error).message;
    },
  );

describe('an imitation of AVIRIS in netCDF-4', () => {
  const [height, width, bands] = AVIRIS_SIZE;
  const spectrum = (y: number, x: number) =>
    avirisStored(y, x, 0) === -9999 ? [0, 0, 0] : [0, 1, 2].map((b) => avirisStored(y, x, b));

  it('L2A on the map', async () => {
    const scene = await openScene(await writeAviris(join(folder, 'AV320240301t120000_000_L2A_OE_RFL_ORT.nc'), 'L2A'));
    expect(scene).toMatchObject({ kind: 'AVIRIS-3 L2A', height, width, bands, units: 'reflectance', warnings: [] });
    expect([...scene.wavelength!]).toEqual(AVIRIS_CENTRES);
    expect([...scene.fwhm!]).toEqual([7.5, 7.75, 8]);
    expect(scene.georeference).toEqual({ geotransform: [400000.5, 4.5, 0, 3900000.25, 0, -4.5], crsWkt: UTM11 });
    const { values, valid } = await scene.read({ y: 1, x: 0, height: 3, width });
    for (let i = 0; i < 3 * width; i++) {
      const [y, x] = [1 + Math.floor(i / width), i % width];
      expect(valid[i]).toBe(y === 2 && x === 1 ? 0 : 1);
      expect([...values.subarray(bands * i, bands * (i + 1))]).toEqual(spectrum(y, x));
    }
    await scene.close();
    expect(await failure(scene.path, { ortho: true })).toMatch(/--ortho: lies on the map already/);
  });

  it('L1B in the lines of the sensor, and on the ground', async () => {
    const path = await writeAviris(join(folder, 'ang20200101t101010_L1B_RDN.nc'), 'L1B');
    const lines = await openScene(path);
    expect(lines).toMatchObject({ kind: 'AVIRIS-NG L1B', height, width, units: 'uW cm-2 sr-1 nm-1' });
    expect(lines.georeference).toBeUndefined();
    await lines.close();
    const ground = await openScene(path, { ortho: true });
    expect(ground).toMatchObject({ height: 2, width: 3 });
    expect(ground.georeference!.geotransform).toEqual([400000.5, 4.5, 0, 3900000.25, 0, -4.5]);
    const { values, valid } = await ground.read({ y: 0, x: 0, height: 2, width: 3 });
    // (line 3, sample 2) from 1 is the fill pixel
    expect([...valid]).toEqual([0, 1, 1, 1, 0, 0]);
    expect([...values]).toEqual(
      [[0, 0, 0], spectrum(0, 0), spectrum(1, 1), spectrum(3, 4), [0, 0, 0], [0, 0, 0]].flat(),
    );
    await ground.close();
  });

  it('a place by centres, where the grid mapping has no transform', async () => {
    const scene = await openScene(
      await writeAviris(join(folder, 'centres.nc'), 'L2A', {
        transverse_mercator: { data: Int32Array.of(0), shape: [1], attributes: { spatial_ref: UTM11 } },
        easting: { data: Float32Array.of(100, 105, 110, 115, 120), shape: [5] },
        northing: { data: Float32Array.of(500, 495, 490, 485), shape: [4] },
      }),
    );
    expect(scene.georeference).toEqual({ geotransform: [97.5, 5, 0, 502.5, 0, -5], crsWkt: UTM11 });
    await scene.close();
    const odd = { transverse_mercator: { data: Int32Array.of(0), shape: [1], attributes: { GeoTransform: '1 2 x' } } };
    expect(await failure(await writeAviris(join(folder, 'odd.nc'), 'L2A', odd))).toMatch(
      /odd\.nc: transverse_mercator, attribute GeoTransform: is not a number; found 1 2 x/,
    );
  });
});

describe('an imitation of PRISMA', () => {
  const [height, width] = PRISMA_SIZE;

  it.each([
    ['centres of the corner pixels', false],
    ['corners of the image', true],
  ])('L2D, corners given as %s', async (_, outer) => {
    const scene = await openScene(await writePrisma(join(folder, `PRS_L2D_${outer}.he5`), { outer }));
    expect(scene).toMatchObject({ kind: 'PRISMA L2D', height, width, bands: 5, units: 'reflectance', warnings: [] });
    // from short to long, without those not acquired; 950.25 and 976.5 nm of VNIR lie where SWIR has bands of its own
    expect([...scene.wavelength!]).toEqual([410, 655.5, 943.5, 1600.25, 2400.5]);
    expect([...scene.fwhm!]).toEqual([11.5, 11.5, 10.25, 10.25, 10.25]);
    expect(scene.georeference!.geotransform).toEqual([500000, 30, 0, 4500000, 0, -30]);
    expect(scene.georeference!.crsWkt).toContain('UTM zone 32N');
    const { values, valid } = await scene.read({ y: 0, x: 0, height, width });
    const vnir = (y: number, x: number, b: number) => Math.fround(prismaStored(y, x, 0, b) / 65535 + 0.125);
    const swir = (y: number, x: number, b: number) => Math.fround((prismaStored(y, x, 1, b) * 0.75) / 65535);
    for (let i = 0; i < height * width; i++) {
      const [y, x] = [Math.floor(i / width), i % width];
      expect(valid[i]).toBe(i === 0 ? 0 : 1);
      expect([...values.subarray(5 * i, 5 * i + 5)]).toEqual(
        i === 0 ? [0, 0, 0, 0, 0] : [vnir(y, x, 4), vnir(y, x, 3), swir(y, x, 2), swir(y, x, 1), swir(y, x, 0)],
      );
    }
    await scene.close();
  });

  it('L1 is radiance in the lines of the sensor', async () => {
    const scene = await openScene(await writePrisma(join(folder, 'PRS_L1.he5'), { level: 'L1' }));
    expect(scene).toMatchObject({ kind: 'PRISMA L1', units: 'W m-2 sr-1 um-1' });
    expect(scene.georeference).toBeUndefined();
    const { values } = await scene.read({ y: 1, x: 2, height: 1, width: 1 });
    // stored / scale - offset: VNIR 2204 / 100 - 0.5, SWIR 12202 / 200
    expect(values[0]).toBeCloseTo(21.54, 5);
    expect(values[2]).toBeCloseTo(61.01, 5);
    await scene.close();
  });

  it('says what does not fit', async () => {
    const odd = (name: string, options: Parameters<typeof writePrisma>[1]) => writePrisma(join(folder, name), options);
    expect(await failure(await odd('b.he5', { level: 'L2B' }))).toMatch(
      /b\.he5: is of a level that is not read; found PRISMA L2B, expected L1, L2C or L2D; L2B is radiance at the surface/,
    );
    expect(await failure(await odd('s.he5', { attributes: { L2ScaleVnirMax: [0] } }))).toMatch(
      /attribute L2ScaleVnirMax: is not a scale; found 0, expected more than L2ScaleVnirMin, 0.125/,
    );
    expect(await failure(await odd('c.he5', { attributes: { Product_LRcorner_easting: [500500] } }))).toMatch(
      /do not fit the size of the image; found 485 x 90 m for 3 x 4 pixels, expected pixels of 30 m/,
    );
    expect(await failure(await odd('w.he5', { attributes: { List_Fwhm_Swir: [1, 2] } }))).toMatch(
      /attribute List_Fwhm_Swir: does not fit the cube; found 2 entries, expected 4, one a band/,
    );
    expect(await failure(await odd('o.he5', {}), { ortho: true })).toMatch(/--ortho: is not for PRISMA/);
  });
});
