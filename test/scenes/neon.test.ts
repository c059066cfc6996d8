/** NEON's HDF5 files: imitations in the layout of the product. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { type OpenOptions, openScene } from '../../src/scenes/open.js';
import {
  NEON_CENTRES,
  NEON_SIZE,
  NEON_WIDTHS,
  type NeonOptions,
  neonStored,
  writeNeon,
} from '../support/spectrometer_products.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const [LINES, SAMPLES, BANDS] = NEON_SIZE;
const ROOT = 'SJER/Reflectance';

describe('an imitation of NEON AOP reflectance', () => {
  it.each([
    ['in one piece', undefined],
    ['in chunks', [3, 7, 4]],
  ])('values, wavelengths and place, %s', async (_, chunks) => {
    const scene = await openScene(await writeNeon(join(folder, `tile_${chunks}.h5`), chunks ? { chunks } : {}));
    expect(scene).toMatchObject({ kind: 'NEON AOP reflectance', height: LINES, width: SAMPLES, bands: BANDS });
    expect(scene).toMatchObject({ units: 'reflectance', warnings: [] });
    expect([...scene.wavelength!]).toEqual(NEON_CENTRES);
    expect([...scene.fwhm!]).toEqual(NEON_WIDTHS);
    // the windows 1340-1445 and 1790-1955 nm
    expect([...scene.goodBands!]).toEqual([1, 1, 0, 0, 0, 1]);
    expect(scene.georeference!.geotransform).toEqual([257000, 1, 0, 4112000, 0, -1]);
    expect(scene.georeference!.crsWkt).toContain('UTM zone 11N');
    const { values, valid } = await scene.read({ y: 0, x: 0, height: LINES, width: SAMPLES });
    for (let y = 0, i = 0; y < LINES; y++)
      for (let x = 0; x < SAMPLES; x++, i++) {
        const empty = (y === 0 && x === 0) || (y === LINES - 1 && x === SAMPLES - 1);
        expect(valid[i]).toBe(empty ? 0 : 1);
        const wanted = NEON_CENTRES.map((_, b) =>
          empty || [2, 3, 4].includes(b) ? 0 : Math.fround(neonStored(y, x, b) / 10000),
        );
        expect([...values.subarray(i * BANDS, (i + 1) * BANDS)]).toEqual(wanted);
      }
    await scene.close();
  });

  it('says what does not fit', async () => {
    const failure = async (name: string, options: NeonOptions, asked: OpenOptions = {}) =>
      openScene(await writeNeon(join(folder, name), options), asked).then(
        (scene) => scene.close().then(() => scene.warnings.join()),
        (error: unknown) => {
          expect(error).toBeInstanceOf(BandliftError);
          return (error as Error).message;
        },
      );
    expect(await failure('ortho.h5', {}, { ortho: true })).toMatch(/ortho\.h5: --ortho: lies on the map already/);
    expect(await failure('none.h5', { without: [`${ROOT}/Reflectance_Data`] })).toMatch(/has no Reflectance_Data/);
    expect(await failure('nowhere.h5', { without: [`${ROOT}/Metadata/Coordinate_System/Map_Info`] })).toMatch(
      /does not say where on the ground it lies/,
    );
    const map = { [`${ROOT}/Metadata/Coordinate_System/Map_Info`]: { data: 'UTM, 1, here' } };
    expect(await failure('map.h5', { replace: map })).toMatch(/Map_Info: not a map position; found UTM, 1, here/);
    const zero = {
      [`${ROOT}/Reflectance_Data`]: { data: new Int16Array(6), shape: [1, 1, 6], attributes: { Scale_Factor: [0] } },
    };
    expect(await failure('zero.h5', { replace: zero })).toMatch(/Scale_Factor: is not a scale; found 0/);
    const long = { [`${ROOT}/Metadata/Spectral_Data/Wavelength`]: { data: new Float32Array(7).fill(500), shape: [7] } };
    expect(await failure('long.h5', { replace: long })).toMatch(/does not fit the cube; found 7 entries, expected 6/);
  });
});
