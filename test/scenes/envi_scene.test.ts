import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mapToPixel } from '../../src/raster/geo.js';
import { EnviScene, openEnviScene } from '../../src/scenes/envi_scene.js';
import { braces, type CubeToWrite, enviHeader, utm, writeCube } from '../support/envi_cubes.js';
import { describeGdal, gdalInfo } from '../support/gdal.js';
import { describeShared } from '../support/shared.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
let cubes = 0;
/** Writes a cube under a new name; its header's path. */
const write = (cube: CubeToWrite) => writeCube(join(folder, `cube_${cubes++}`), cube);

const SIZE = { lines: 7, samples: 5, bands: 6 } as const;
/** Stored values that uint8 holds and that tell where they are; none is 0. */
const value = (y: number, x: number, b: number) => 1 + 30 * y + 6 * x + b;
/** Not monotonic, as where two detectors overlap; the two in water vapour and beyond 2400 nm are dropped. */
const ENTRIES = {
  wavelength: braces([600, 500, 1400, 700, 650, 2450]),
  'wavelength units': 'Nanometers',
  fwhm: braces([6, 5, 14, 7, 6.5, 24]),
  'band names': braces(['b', 'a', 'v', 'd', 'c', 'n']),
};
const SORTED = [1, 0, 4, 3];

async function readAll(path: string, options: Parameters<typeof openEnviScene>[1] = { bands: 'kept' }) {
  const scene = await openEnviScene(path, options);
  try {
    const pixels = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
    return { scene, ...pixels };
  } finally {
    await scene.close();
  }
}

describe('ENVI scenes', () => {
  const ways = ([1, 2, 3, 4, 5, 12] as const).flatMap((type) =>
    (['bip', 'bil', 'bsq'] as const).flatMap((interleave) =>
      ([0, 1] as const).map((order) => [type, interleave, order] as const),
    ),
  );

  it.each(ways)('give the same pixels: type %i, %s, byte order %i', async (type, interleave, order) => {
    const path = write({ ...SIZE, value, type, interleave, order, offset: 11, entries: ENTRIES });
    const scene = await openEnviScene(path, { bands: 'kept' });
    expect([...scene.wavelength!]).toEqual([500, 600, 650, 700]);
    expect([...scene.fwhm!]).toEqual([5, 6, 6.5, 7]);
    expect(scene.bandNames).toEqual(['a', 'b', 'c', 'd']);
    const { values, valid } = await scene.read({ y: 2, x: 1, height: 4, width: 3 });
    await scene.close();
    const expected: number[] = [];
    for (let y = 2; y < 6; y++) for (let x = 1; x < 4; x++) for (const b of SORTED) expected.push(value(y, x, b));
    expect([...values]).toEqual(expected);
    expect([...valid]).toEqual(Array(12).fill(1));
  });

  // lines so wide that a narrow window is read in pieces (gaps beyond 16 KiB), and so wide that a line is read in parts
  it.each(['bip', 'bil', 'bsq'] as const)('of wide lines, %s', async (interleave) => {
    const size = { lines: 3, samples: 400_000, bands: 3 };
    const wide = (y: number, x: number, b: number) => 1 + ((x * 7 + y * 3 + b) % 30011);
    const path = write({ ...size, value: wide, type: 2, interleave });
    const scene = await openEnviScene(path);
    for (const window of [
      { y: 1, x: 390_000, height: 2, width: 3 },
      { y: 0, x: 0, height: 3, width: 400_000 },
      { y: 0, x: 1, height: 2, width: 399_000 },
    ]) {
      const { values, valid } = await scene.read(window);
      let wrong = 0;
      for (let y = 0; y < window.height; y++)
        for (let x = 0; x < window.width; x++)
          for (let b = 0; b < 3; b++)
            if (values[(y * window.width + x) * 3 + b] !== wide(window.y + y, window.x + x, b)) wrong++;
      expect(wrong).toBe(0);
      expect(valid.every((v) => v === 1)).toBe(true);
    }
    await scene.close();
  });

  it('have every band without being asked to drop any, as stored without wavelengths', async () => {
    const all = await readAll(write({ ...SIZE, value, entries: ENTRIES }), {});
    expect([...all.scene.wavelength!]).toEqual([500, 600, 650, 700, 1400, 2450]);
    const plain = await readAll(write({ ...SIZE, value }), { bands: 'kept' });
    expect(plain.scene.bands).toBe(6);
    expect(plain.scene.wavelength).toBeUndefined();
    expect([...plain.values.subarray(0, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('divide by the reflectance scale', async () => {
    const { scene, values } = await readAll(
      write({ ...SIZE, value, type: 2, entries: { ...ENTRIES, 'reflectance scale factor': 10000 } }),
    );
    expect(scene.units).toBe('reflectance');
    // band 500 nm is stored band 1: 2 / 10000
    expect(values[0]).toBe(Math.fround(2 / 10000));
  });
});

describe('pixels without data', () => {
  /** A 2 x 3 scene of 2 bands from its six pixels. */
  const pixels = (list: readonly (readonly [number, number])[], more: Partial<CubeToWrite> = {}) =>
    (['bip', 'bil', 'bsq'] as const).map((interleave) =>
      write({ lines: 2, samples: 3, bands: 2, value: (y, x, b) => list[y * 3 + x]![b]!, interleave, ...more }),
    );
  const masks = async (paths: readonly string[]) =>
    Promise.all(paths.map(async (path) => [...(await readAll(path)).valid].join('')));

  it('are those with the ignore value, what is not finite, and zero in all bands', async () => {
    const list = [
      [1, 2],
      [-7, 2],
      [0, 0],
      [Number.NaN, 1],
      [3, Number.POSITIVE_INFINITY],
      [0, 1],
    ] as const;
    const paths = pixels(list, { entries: { 'data ignore value': -7 } });
    expect(await masks(paths)).toEqual(['100001', '100001', '100001']);
    const { values } = await readAll(paths[1]!);
    expect([...values]).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('whole rows of them, zero or ignored, and of both byte orders', async () => {
    const list = [
      [-9999, -9999],
      [-9999, -9999],
      [-9999, -9999],
      [0, 0],
      [0, 0],
      [4, 5],
    ] as const;
    for (const order of [0, 1] as const)
      expect(await masks(pixels(list, { type: 2, order, entries: { 'data ignore value': -9999 } }))).toEqual([
        '000001',
        '000001',
        '000001',
      ]);
  });

  it('-9999 even where the header does not say, but not in types without a sign', async () => {
    const list = [
      [1, 2],
      [-9999, 3],
      [5, 6],
      [1, 1],
      [2, 2],
      [3, 3],
    ] as const;
    expect(await masks(pixels(list, { type: 2 }))).toEqual(['101111', '101111', '101111']);
    // 55537 has the bits of -9999; as uint16 it is a value
    const unsigned = list.map(([a, b]) => [a < 0 ? 55537 : a, b] as const);
    const entries = { 'data ignore value': -9999 };
    expect(await masks(pixels(unsigned, { type: 12, entries }))).toEqual(['111111', '111111', '111111']);
  });

  it("NEON's 14998, said or not, beside the header's own value", async () => {
    const list = [
      [1, 2],
      [14998, 3],
      [-1, 6],
      [1, 1],
      [2, 2],
      [3, 3],
    ] as const;
    const entries = {
      description: '{NEON NIS reflectance}',
      'data ignore value': -1,
      'reflectance scale factor': 10000,
    };
    expect(await masks(pixels(list, { type: 2, entries }))).toEqual(['100111', '100111', '100111']);
    const other = { 'data ignore value': -1, 'reflectance scale factor': 10000 };
    expect(await masks(pixels(list, { type: 2, entries: other }))).toEqual(['110111', '110111', '110111']);
  });

  it('do not come from bands that are bad: zero, -0.01 or marked so', async () => {
    // bands 1 (always -0.01), 2 (always 0), 4 (marked); pixel (0, 0) has no data in a good band
    const path = write({
      ...SIZE,
      value: (y, x, b) => (b === 1 ? -0.01 : b === 2 ? 0 : y + x === 0 && b === 3 ? -0.01 : value(y, x, b)),
      entries: { 'data ignore value': -0.01, bbl: braces([1, 1, 1, 1, 0, 1]) },
    });
    const { scene, valid, values } = await readAll(path);
    expect([...scene.goodBands!]).toEqual([1, 0, 0, 1, 0, 1]);
    expect([...valid]).toEqual([0, ...Array(34).fill(1)]);
    // pixel (0, 1): bad bands hold 0
    expect([...values.subarray(6, 12)]).toEqual([value(0, 1, 0), 0, 0, value(0, 1, 3), 0, value(0, 1, 5)]);
  });

  it('everywhere: no band is called bad for it', async () => {
    const { scene, valid } = await readAll(write({ ...SIZE, value: () => 0 }));
    expect([...scene.goodBands!]).toEqual(Array(6).fill(1));
    expect(valid.includes(1)).toBe(false);
    expect(scene.warnings.join()).toMatch(/no data in the rows that were looked at/);
  });

  it('in a header that marks all bands bad: refused', async () => {
    const path = write({ ...SIZE, value, entries: { bbl: braces([0, 0, 0, 0, 0, 0]) } });
    await expect(openEnviScene(path)).rejects.toThrow(/cube_\d+\.hdr: bbl: the header marks every band as bad/);
  });
});

describe('places on the map', () => {
  it('from map info alone, both hemispheres', async () => {
    const crs = async (...tail: string[]) => {
      const entries = { 'map info': braces(['UTM', '1', '1', '300000', '7000000', '4', '4', ...tail]) };
      const scene = await openEnviScene(write({ ...SIZE, value, entries }));
      await scene.close();
      return scene.georeference?.crsWkt;
    };
    expect(await crs('11', 'North', 'WGS-84')).toMatch(/UTM zone 11N".*"central_meridian",-117\].*"EPSG","32611"\]\]$/);
    expect(await crs('33', 'South', 'WGS-84')).toMatch(
      /UTM zone 33S".*"false_northing",10000000\].*"EPSG","32733"\]\]$/,
    );
    expect(await crs('10', 'North', 'North America 1983')).toMatch(/"EPSG","26910"\]\]$/);
    expect(await crs('61', 'North', 'WGS-84')).toBeUndefined();
    expect(await crs('11', 'North', 'Tokyo mean')).toBeUndefined();
  });

  it("the header's own coordinate system is taken as it is", async () => {
    const entries = { 'map info': utm(4), 'coordinate system string': '{PROJCS["mine"]}' };
    const scene = await openEnviScene(write({ ...SIZE, value, entries }));
    await scene.close();
    expect(scene.georeference).toMatchObject({
      crsWkt: 'PROJCS["mine"]',
      geotransform: [300000, 4, 0, 3900000, 0, -4],
    });
  });

  it('that make no sense name the file', async () => {
    const path = write({ ...SIZE, value, entries: { 'map info': braces(['UTM', '1', 'x']) } });
    await expect(openEnviScene(path)).rejects.toThrow(/cube_\d+\.hdr: map info: not a map position/);
  });
});

describeGdal('GDAL', () => {
  // GDAL 3.6 moves turned pixels back to reference pixel 1, 1 along the map's axes instead of the image's, and
  // takes exactly 180 degrees for a mirrored image: there it is alone
  it.each([
    ['0', '2.5', '3'],
    ['30', '1', '1'],
    ['-17.5', '1', '1'],
    ['176', '1', '1'],
  ])('agrees on pixels turned by %s degrees', async (rotation, column, row) => {
    const place = [column, row, '300000', '3900000', '4', '4', '11', 'North', 'WGS-84', `rotation=${rotation}`];
    const path = write({ ...SIZE, value, entries: { 'map info': braces(['UTM', ...place]) } });
    const scene = await openEnviScene(path);
    await scene.close();
    const theirs = gdalInfo(path.replace('.hdr', '.img')).geoTransform!;
    // 1e-6 m: coordinates of 4e6 m have 1e-9 m left in a double, GDAL prints 17 digits
    theirs.forEach((expected, i) => {
      expect(Math.abs(scene.georeference!.geotransform[i]! - expected)).toBeLessThan(1e-6);
    });
  });

  it('or not, the reference pixel of turned pixels is where the header says', async () => {
    const place = ['2.5', '3', '300000', '3900000', '4', '4', '11', 'North', 'WGS-84', 'rotation=30'];
    const scene = await openEnviScene(write({ ...SIZE, value, entries: { 'map info': braces(['UTM', ...place]) } }));
    await scene.close();
    // ENVI counts from 1; 1e-8 of a pixel: the coordinates have 1e-9 m left
    const [column, row] = mapToPixel(scene.georeference!.geotransform, 300000, 3900000);
    expect(column).toBeCloseTo(1.5, 7);
    expect(row).toBeCloseTo(2, 7);
  });
});

describe('what is refused', () => {
  it('windows outside', async () => {
    const scene = await openEnviScene(write({ ...SIZE, value }));
    for (const window of [
      { y: 0, x: 0, height: 8, width: 1 },
      { y: -1, x: 0, height: 1, width: 1 },
      { y: 0, x: 4, height: 1, width: 2 },
      { y: 0, x: 0, height: 0, width: 1 },
    ])
      await expect(scene.read(window)).rejects.toThrow(/cube_\d+\.hdr: the window lies outside the scene/);
    await scene.close();
  });

  it('a file that becomes shorter while it is open', async () => {
    const path = write({ ...SIZE, value });
    const scene = await openEnviScene(path);
    truncateSync(path.replace('.hdr', '.img'), 100);
    await expect(scene.read({ y: 0, x: 0, height: 7, width: 5 })).rejects.toThrow(
      /\.img: the file ended while it was read; found 100 bytes/,
    );
    await scene.close();
  });

  it('a folder, and more bands than any spectrometer has', async () => {
    await expect(openEnviScene(folder)).rejects.toThrow(/: is a folder/);
    const size = { lines: 1, samples: 1, bands: 70_000 };
    const stem = join(folder, 'many');
    writeFileSync(`${stem}.hdr`, enviHeader({ ...size, type: 1 }));
    writeFileSync(`${stem}.img`, new Uint8Array(70_000));
    await expect(openEnviScene(`${stem}.hdr`)).rejects.toThrow(/many\.hdr: bands: too many bands/);
  });

  it('headers broken at any byte: an error for the user or a scene, nothing else', async () => {
    const path = write({ ...SIZE, value, entries: { ...ENTRIES, 'map info': utm(4), 'data ignore value': -9999 } });
    const good = readFileSync(path);
    // a linear congruential generator (Numerical Recipes): the same damage every time
    let state = 12345;
    const next = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state % n;
    };
    let opened = 0;
    for (let round = 0; round < 400; round++) {
      const bytes = Buffer.from(good);
      for (let k = 0; k <= round % 4; k++) bytes[next(bytes.length)] = next(256);
      writeFileSync(path, round % 5 === 0 ? bytes.subarray(0, next(bytes.length)) : bytes);
      try {
        const scene = await EnviScene.open(path, { bands: 'kept' });
        await scene.read({ y: 0, x: 0, height: Math.min(2, scene.height), width: 1 });
        await scene.close();
        opened++;
      } catch (error) {
        expect((error as Error).name, (error as Error).stack).toBe('BandliftError');
        expect((error as Error).message).not.toContain('\n');
      }
    }
    // a changed letter in a name or digit of a wavelength is no error: both ends were reached
    expect(opened).toBeGreaterThan(20);
    expect(opened).toBeLessThan(380);
    expect(existsSync(path)).toBe(true);
  });
});

describeShared('real cubes', 'data', (path) => {
  it.each([
    // bands kept by the rule, and bands among them without data (numpy: all zero, all -0.01)
    ['aviris_ng/ang20170323t202244_rdn_10x10', 340, 0, 'uW cm-2 sr-1 nm-1'],
    ['neon/sjer_30x30x426', 339, 0, 'reflectance'],
    ['aviris_santa_barbara/la_cumbre_90x90x224', 179, 12, 'reflectance'],
    ['emit/emit20250324t221005_10x10x285', 229, 5, 'reflectance'],
    ['aviris_los_angeles/airport-1', 205, 0, undefined],
    ['aviris_jasper_ridge/jasper_100x100x224', 224, 19, undefined],
  ])('%s keeps %i bands, %i of them without data', async (name, bands, bad, units) => {
    const { scene, valid } = await readAll(join(path, `${name}.hdr`));
    expect(scene.bands).toBe(bands);
    expect(scene.goodBands!.filter((good) => good === 0)).toHaveLength(bad);
    expect(scene.units).toBe(units);
    expect(valid.includes(0)).toBe(false);
    const { wavelength } = scene;
    if (wavelength) expect([...wavelength]).toEqual([...wavelength].sort((a, b) => a - b));
  });
});
