/** Airborne cubes whose headers do not say what their values are, and how `prepare` is called. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import h5wasm, { type Dataset } from 'h5wasm/node';
import { expect } from 'vitest';
import { prepareScene } from '../../src/prepare/prepare.js';
import type { PrepareOptions } from '../../src/prepare/types.js';
import { mapInfoOf } from '../../src/raster/map_info.js';
import { EnviScene } from '../../src/scenes/envi_scene.js';
import { loadBandCentres } from '../../src/spectra/band_centres_csv.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { braces, type CubeToWrite, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { type Quirk, quirks } from './table.js';

await h5wasm.ready;

const BANDS = 107;
/** nm: 376.86 .. 2496.86, 20 nm apart; 86 bands are kept. */
const CENTRES = wavelengths(BANDS).map((w) => w - 23.14);
/** A reflectance of 0.1 to 0.3. */
const spectrum = (b: number) => 0.1 + 0.2 * Math.sin(CENTRES[b]! / 400) ** 2;
const KEPT = CENTRES.filter((w) => !((w >= 1350 && w <= 1470) || (w >= 1780 && w <= 1980) || w >= 2400));
const ENTRIES = { 'map info': utm(4), wavelength: braces(CENTRES) };
const SIZE = { lines: 30, samples: 30, bands: BANDS } as const;

const data = (path: string, name: string) => {
  const file = new h5wasm.File(path, 'r');
  const { value } = file.get(name) as Dataset;
  file.close();
  return Array.from(value as Float32Array);
};

/** Writes a cube and prepares it: the report, and its datasets. */
async function prepare(folder: string, cube: Partial<CubeToWrite>, options: Partial<PrepareOptions> = {}) {
  const scene = writeCube(join(folder, 'x'), { ...SIZE, value: (_y, _x, b) => spectrum(b), entries: ENTRIES, ...cube });
  const out = join(folder, 'x.h5');
  const report = await prepareScene({ scene, out, patch: 2, maxNodata: 0.9, ...options });
  return { report, of: (name: string) => data(out, name), warnings: report.warnings.join('\n') };
}

/** The seven OLI values of the spectrum, from the bands that are good. */
const oli = (good: (w: number) => boolean = () => true) => {
  const centres = KEPT.filter(good);
  const values = centres.map((w) => spectrum(CENTRES.indexOf(w)));
  return bandWeights(LANDSAT8_OLI, centres).map((weights) => weights.reduce((sum, w, b) => sum + w * values[b]!, 0));
};
/** Every Landsat pixel has these values; 1e-6: float32 of 0.3. */
function expectPixels(lowResolution: number[], right: number[]): void {
  lowResolution.forEach((v, i) => {
    expect(Math.abs(v - right[i % 7]!)).toBeLessThan(1e-6);
  });
}
const INTERLEAVES = ['bsq', 'bil', 'bip'] as const;

/** Bands of 1320 to 1469 nm. */
const wet = (b: number) => CENTRES[b]! >= 1320 && CENTRES[b]! <= 1469;
/** Of the kept ones: 1336.86 nm. */
const WET = KEPT.findIndex((w) => w >= 1320);

const FILLS: readonly (readonly [string, (b: number) => number])[] = [
  ['-0.9999 times a factor of each band', (b) => -0.9999 * (0.8 + (0.4 * ((b * 7) % 11)) / 10)],
  ['-0.9999 in all bands', () => -0.9999],
  ['-1 in all bands', () => -1],
  ['-999 in all bands', () => -999],
  ['-3.4028235e38 in all bands', () => -3.4028234663852886e38],
];

const fill: Quirk[] = [
  ...FILLS.flatMap(([what, value]) =>
    INTERLEAVES.map(
      (interleave): Quirk => ({
        name: `fill of ${what}, ${interleave}`,
        source: 'EnSpec/hytools #18',
        input: 'AVIRIS-Classic: no data ignore value, bands 1 and 2 all 0 but in the fill of columns 0 and 1',
        right: 'these masked, real pixels kept, Landsat as without the fill',
        check: async (folder) => {
          const { of, warnings } = await prepare(folder, {
            interleave,
            value: (_y, x, b) => (x < 2 ? value(b) : b < 2 ? 0 : spectrum(b)),
          });
          const patch = 15 * 15;
          const column = (at: number) => at % 15;
          of('mask').forEach((valid, at) => {
            if (at % (2 * patch) < patch) expect(valid).toBe(column(at) < 2 ? 0 : 1);
          });
          const fine = of('aviris');
          expect(fine.every((v) => v >= 0)).toBe(true);
          const [low, seen] = [of('landsat_lr'), of('mask_lr')];
          expect(seen.includes(1)).toBe(true);
          const right = oli((w) => w > CENTRES[1]!);
          seen.forEach((valid, i) => {
            if (valid === 1) expectPixels(low.slice(7 * i, 7 * i + 7), right);
          });
          if (value(0) > -1e30)
            expect(warnings).toMatch(
              /pixels whose values are all -[\d.]+ or lower, a fill value that the header does not/,
            );
        },
      }),
    ),
  ),
  ...INTERLEAVES.map(
    (interleave): Quirk => ({
      name: `slightly negative reflectance, ${interleave}`,
      source: 'force #191, SIAC #22: dark pixels are data',
      input: 'one pixel of -0.0379 in all bands, one of 0 in bands 1 and 2',
      right: 'both valid',
      check: async (folder) => {
        const path = writeCube(join(folder, 'x'), {
          ...SIZE,
          interleave,
          value: (y, x, b) => (y === 3 && x === 4 ? -0.0379 : y === 3 && x === 5 && b < 2 ? 0 : spectrum(b)),
          entries: ENTRIES,
        });
        const scene = await EnviScene.open(path);
        const { valid, values } = await scene.read({ y: 3, x: 4, height: 1, width: 2 });
        await scene.close();
        expect([...valid]).toEqual([1, 1]);
        expect(values[0]).toBe(Math.fround(-0.0379));
        expect(scene.warnings).toEqual([]);
      },
    }),
  ),
  ...INTERLEAVES.flatMap((interleave) =>
    [0, 1e-3].map(
      (odd): Quirk => ({
        name: `data ignore value = 0, ${interleave}, one pixel ${odd}`,
        source: 'reading the sources',
        input: 'one good band is 0 in lines 0-9 of 30, but for one pixel',
        right: 'lines 0-9 masked but for that pixel, in every interleave, run and tile',
        check: async (folder) => {
          const path = writeCube(join(folder, 'x'), {
            ...SIZE,
            interleave,
            value: (y, x, b) => (b === 50 && y < 10 ? (y === 4 && x === 7 ? odd : 0) : spectrum(b)),
            entries: { ...ENTRIES, 'data ignore value': 0 },
          });
          const scene = await EnviScene.open(path);
          const right = (y: number, x: number) => (y < 10 && !(odd !== 0 && y === 4 && x === 7) ? 0 : 1);
          for (const size of [30, 7, 1])
            for (let y = 0; y < 30; y += size)
              for (let x = 0; x < 30; x += size) {
                const window = { y, x, height: Math.min(size, 30 - y), width: Math.min(size, 30 - x) };
                const valid = new Uint8Array(window.height * window.width);
                scene.readInto(window, undefined, valid);
                valid.forEach((v, at) => {
                  expect(v).toBe(right(y + Math.floor(at / window.width), x + (at % window.width)));
                });
              }
          await scene.close();
        },
      }),
    ),
  ),
  ...(
    [
      ['-3.39999999999999996e+38', -3.4028234663852886e38, 4],
      ['-3.4028235e38', -3.4028234663852886e38, 4],
      ['-1.7976931348623157e+308', -1.7976931348623157e308, 5],
      ['0.1', 0.1, 4],
      ['-9999.0', -9999, 2],
      ['nan', Number.NaN, 4],
      ['inf', Number.POSITIVE_INFINITY, 4],
      ['-32768', -32768, 2],
    ] as const
  ).map(
    ([text, stored, type]): Quirk => ({
      name: `data ignore value = ${text}`,
      source: 'geotiff.js #259, openlayers #13666, geotiff2pmtiles PR #45',
      input: `pixels of ${stored} in one band`,
      right: 'masked: values are compared in float32, and 1e30 and more is never data',
      check: async (folder) => {
        const path = writeCube(join(folder, 'x'), {
          lines: 2,
          samples: 3,
          bands: 2,
          type,
          value: (y, x, b) => (y === 1 && x === 1 && b === 1 ? stored : 5 + b),
          entries: text === 'inf' ? {} : { 'data ignore value': text },
        });
        const scene = await EnviScene.open(path);
        const { valid } = await scene.read({ y: 0, x: 0, height: 2, width: 3 });
        await scene.close();
        expect([...valid]).toEqual([1, 1, 1, 1, 0, 1]);
      },
    }),
  ),
];

const WET_VALUES = [
  ['-32768', -32768, {}, true],
  ['-9999', -9999, {}, true],
  ['1500', 1500, {}, true],
  ['-5.7', -5.7, {}, true],
  ['-32768, declared', -32768, { 'data ignore value': -32768 }, false],
  ['-9999, declared', -9999, { 'data ignore value': -9999 }, false],
  ['NaN', Number.NaN, {}, false],
  ['0', 0, {}, false],
  ['-0.01 (EMIT)', -0.01, {}, false],
] as const;

const badBands: Quirk[] = [
  ...WET_VALUES.map(
    ([what, stored, entries, told]): Quirk => ({
      name: `1320 to 1469 nm all ${what}`,
      source: 'EnMAP-Box #490, #458; landsat-aviris-sr PROJECT_STATUS',
      input: 'bands of water vapour without usable values, others good',
      right: `good_bands 0, OLI finite, ${told ? 'told with the wavelengths' : 'known'}`,
      check: async (folder) => {
        const { report, of, warnings } = await prepare(folder, {
          value: (_y, _x, b) => (wet(b) ? stored : spectrum(b)),
          entries: { ...ENTRIES, ...entries },
        });
        expect(report.kept).toBe(4);
        expect(report.bands).toEqual({ stored: 107, kept: 86, withoutData: 1 });
        expect(
          of('good_bands')
            .map((good, b) => (good === 0 ? b : -1))
            .filter((b) => b >= 0),
        ).toEqual([WET]);
        expect(
          of('aviris')
            .filter((_, i) => i % 86 === WET)
            .every((v) => v === 0),
        ).toBe(true);
        expect(of('mask').every((v) => v === 1)).toBe(true);
        expectPixels(
          of('landsat_lr'),
          oli((w) => w !== KEPT[WET]),
        );
        if (told)
          expect(warnings).toContain(
            `1 of 86 bands are marked bad, since their values cannot be data (e.g. ${stored}): 1336.9 nm`,
          );
        else expect(warnings).toBe('');
      },
    }),
  ),
  {
    name: 'reflectance of clouds beside water, radiance of blue beside SWIR',
    source: 'brother: bands that differ by much are not absurd',
    input: 'radiances of 30 to 0.02, a reflectance of 0.9 in a few pixels among 0.01',
    right: 'every band good, nothing told',
    check: async (folder) => {
      const radiance = (b: number) => 30 * Math.exp(-(CENTRES[b]! - 376) / 300) + 0.02;
      for (const value of [
        (_y: number, _x: number, b: number) => radiance(b),
        (y: number, _x: number, b: number) => (y < 3 ? 0.9 : 0.01 * spectrum(b) * 5),
      ]) {
        const path = writeCube(join(folder, 'x'), { ...SIZE, value, entries: ENTRIES });
        const scene = await EnviScene.open(path);
        await scene.close();
        expect(scene.goodBands.every((good) => good === 1)).toBe(true);
        expect(scene.warnings).toEqual([]);
      }
    },
  },
  ...(
    [
      [
        'reflectance in words, x 10000',
        10000,
        4,
        { description: '{surface reflectance}' },
        /values are around [\d.]+ where reflectance is 0 to 1: add 'reflectance scale factor = 10000'/,
      ],
      [
        'int16 x 10000 without a word',
        10000,
        2,
        {},
        /the header tells no units: if it is reflectance times 10,000, add 'reflectance scale factor/,
      ],
      ['percent', 100, 4, { description: '{reflectance in percent}' }, /where reflectance is 0 to 1/],
      [
        'scaled twice',
        1,
        4,
        { 'reflectance scale factor': 10000 },
        /divided by the reflectance scale factor 10000 around .*: were they divided before\?/,
      ],
    ] as const
  ).map(
    ([what, scale, type, entries, line]): Quirk => ({
      name: `scale: ${what}`,
      source: 'ESAOpenSR/SEN2SR #3, EnMAP-Box #995',
      input: `reflectance stored times ${scale}`,
      right: 'told, with the entry that is missing',
      check: async (folder) => {
        const { warnings } = await prepare(folder, {
          type,
          value: (_y, _x, b) => Math.round(scale * spectrum(b) * 1e6) / 1e6,
          entries: { ...ENTRIES, ...entries },
        });
        expect(warnings).toMatch(line);
      },
    }),
  ),
];

const place = (gsd: number, ...more: string[]) => ({
  'map info': braces([
    'UTM',
    '1',
    '1',
    '736600.089',
    '4078126.750',
    `${gsd}`,
    `${gsd}`,
    '12',
    'North',
    'WGS-84',
    ...more,
  ]),
});
const flat = (entries: Record<string, string>) => ({
  lines: 40,
  samples: 40,
  value: (_y: number, _x: number, b: number) => spectrum(b),
  entries: { wavelength: braces(CENTRES), ...entries },
});
const PROJECTED = (unit: string) => `{PROJCS["x",GEOGCS["y",UNIT["degree",0.0174532925199433]],UNIT[${unit}]]}`;

const ground: Quirk[] = [
  {
    name: 'rotation=-66 with spaces before commas',
    source: 'OSGeo/gdal #1474, autotest/gdrivers/data/envi/rotation.hdr',
    input: 'map info of 2.7 m turned by -66 degrees',
    right: "GDAL's geotransform; prepare turns with it, predict writes the rotation",
    check: async (folder) => {
      const info =
        '{ UTM , 1.000 , 1.000 , 736600.089 , 4078126.750 , 2.7000000000e+00 , 2.7000000000e+00 , 12 , North , WGS-84 , units=Meters , rotation=-66.00000000 }';
      const { report, of } = await prepare(folder, flat({ 'map info': info }), { patch: 2 });
      const right = [
        736600.089, 1.0981889363046606, -2.4665727356350224, 4078126.75, -2.4665727356350224, -1.0981889363046606,
      ];
      const scene = await EnviScene.open(join(folder, 'x.hdr'));
      await scene.close();
      // 1e-9 of the coordinates' size is what doubles have
      scene.georeference!.geotransform.forEach((v, i) => {
        expect(Math.abs(v - right[i]!)).toBeLessThan(1e-9 * Math.max(1, Math.abs(right[i]!)));
      });
      expect(report.gsd.source).toBeCloseTo(2.7, 12);
      // the first patch: the same corner, 4 m steps
      of('geotransforms')
        .slice(0, 6)
        .forEach((v, i) => {
          expect(v).toBeCloseTo(i % 3 === 0 ? right[i]! : (right[i]! * 4) / 2.7, 6);
        });
      expect(mapInfoOf(scene.georeference!)!.at(-1)).toMatch(/^rotation=-6(6|5\.99999)/);
    },
  },
  {
    name: 'rotation=90.0 and 90.0000001',
    source: 'OSGeo/gdal #944',
    input: '676960.169, 4254967.46, 2 m',
    right: '676960.169, 0, 2, 4254967.46, 2, 0, and continuous',
    check: async (folder) => {
      for (const rotation of ['90.0', '90.0000001']) {
        const info = `{UTM, 1, 1, 676960.169, 4254967.460, 2, 2, 12, North, WGS-84, rotation=${rotation}}`;
        const path = writeCube(join(folder, 'x'), { ...SIZE, ...flat({ 'map info': info }) });
        const scene = await EnviScene.open(path);
        await scene.close();
        [676960.169, 0, 2, 4254967.46, 2, 0].forEach((right, i) => {
          expect(scene.georeference!.geotransform[i]).toBeCloseTo(right, 8);
        });
      }
    },
  },
  {
    name: 'rotation of pixels that are not square',
    source: 'brother of OSGeo/gdal #1474',
    input: '2.7 x 2.0 m, rotation=30',
    right: 'told: results carry no map info',
    check: async (folder) => {
      const info = '{UTM, 1, 1, 736600, 4078126, 2.7, 2.0, 12, North, WGS-84, rotation=30}';
      const { warnings } = await prepare(folder, flat({ 'map info': info }));
      expect(warnings).toMatch(/x\.hdr: map info turns pixels that are not square/);
    },
  },
  ...(
    [
      ['units=Meters', 4, 4],
      ['no units', 4, 4],
      ['units=Feet', 4, 1.2192],
      ['units=Feet', 4 / 0.3048, 4],
      ['units=US Survey Feet', 4 / (1200 / 3937), 4],
      ['units=Kilometers', 0.004, 4],
      ['units=Yards', 4 / 0.9144, 4],
    ] as const
  ).map(
    ([entry, size, metres]): Quirk => ({
      name: `${entry}, pixels of ${size.toPrecision(5)}`,
      source: 'reading the sources; isofit, EnMAP-Box: State Plane in feet',
      input: 'map info in another unit of length',
      right: `${metres} m`,
      check: async (folder) => {
        const { report } = await prepare(
          folder,
          flat(place(size, ...(entry.startsWith('units') ? [entry] : []))),
          metres < 4 ? { keepGsd: true } : {},
        );
        expect(report.gsd.source).toBeCloseTo(metres, 9);
        expect(report.gsd.fine).toBeCloseTo(metres, 9);
      },
    }),
  ),
  {
    name: 'the unit of the coordinate system string',
    source: 'brother of units=Feet',
    input: 'no units in map info, WKT in US survey feet; units=Feet beside a WKT in metres',
    right: 'converted; refused',
    check: async (folder) => {
      const feet = PROJECTED('"US survey foot",0.3048006096012192');
      const { report } = await prepare(
        folder,
        flat({ ...place(4 / 0.3048006096012192), 'coordinate system string': feet }),
      );
      expect(report.gsd.source).toBeCloseTo(4, 9);
      await expect(
        prepare(folder, flat({ ...place(4, 'units=Feet'), 'coordinate system string': PROJECTED('"metre",1') })),
      ).rejects.toThrow(/x\.hdr: map info, units: two units of length; found Feet, and 1 m in the coordinate system/);
    },
  },
  ...(
    [
      ['units=Furlongs', /x\.hdr: map info, units: an unknown unit of length; found Furlongs, expected Meters, Feet/],
      ['units=Degrees', /x\.hdr: map info: not a latitude; found 4078046\.75, expected -90 to 90; .*give --gsd METRES/],
    ] as const
  ).map(
    ([entry, line]): Quirk => ({
      name: entry,
      source: 'brother of units=Feet',
      input: 'a unit that is not known, or an angle',
      right: 'refused, naming it; --gsd goes on',
      check: async (folder) => {
        await expect(prepare(folder, flat(place(4, entry)))).rejects.toThrow(line);
        expect((await prepare(folder, flat(place(4, entry)), { gsd: 4 })).report.gsd.fine).toBe(4);
      },
    }),
  ),
  ...(
    [
      [2, [1.5, 3.5, 5.5]],
      [2.7, [1.325, 2.65]],
    ] as const
  ).map(
    ([gsd, right]): Quirk => ({
      name: `pixels of ${gsd} m to 4 m`,
      source: 'OSGeo/gdal PR #2363, ncnn #6836',
      input: 'a ramp of 1, 2, 3, ... across',
      right: `exact areas: ${right.join(', ')}`,
      check: async (folder) => {
        const { of } = await prepare(
          folder,
          { ...flat(place(gsd)), value: (_y, x) => x + 1, bands: BANDS },
          { patch: 2 },
        );
        const fine = of('aviris');
        // 2.7 m: 4 m cover pixel 0 and 1.3 / 2.7 of pixel 1, then the rest of it and 2.6 / 2.7 of pixel 2
        const exact = gsd === 2 ? right : [(2.7 * 1 + 1.3 * 2) / 4, (1.4 * 2 + 2.6 * 3) / 4];
        exact.forEach((v, x) => {
          expect(fine[x * 86]).toBeCloseTo(v, 5);
        });
        if (gsd !== 2) expect(exact.map((v) => Number(v.toFixed(3)))).toEqual(right);
      },
    }),
  ),
];

const calls: Quirk[] = [
  {
    name: 'a cube without wavelengths',
    source: 'Jasper Ridge, Los Angeles as they are handed around',
    input: 'with and without --wavelengths FILE, and a table of another cube',
    right: 'OLI as with wavelengths in the header; told that it is for stage 2 alone; refused',
    check: async (folder) => {
      const entries = { 'map info': utm(4) };
      const rows = CENTRES.map((w, b) => `${b + 1},${(w / 1000).toFixed(5)},0.0055`);
      writeFileSync(join(folder, 'bands.csv'), `band,wavelength_um,fwhm_um\n${rows.join('\n')}\n`);
      const bandCentres = loadBandCentres(join(folder, 'bands.csv'));
      expect(bandCentres.fwhm![0]).toBeCloseTo(5.5, 9);
      // every column in its own unit; a unit that its name denies
      writeFileSync(join(folder, 'both.csv'), `wavelength_um,fwhm_nm\n0.45,5.5\n`);
      expect([...loadBandCentres(join(folder, 'both.csv')).fwhm!]).toEqual([5.5]);
      writeFileSync(join(folder, 'odd.csv'), `wavelength_um,fwhm\n0.45,5.5\n`);
      expect(() => loadBandCentres(join(folder, 'odd.csv'))).toThrow(
        /line 2, fwhm: not the width of a band; found 5500 nm/,
      );
      // fwhm of 5.5 nm would leave gaps between bands 20 nm apart
      const { of, warnings } = await prepare(
        folder,
        { entries },
        { bandCentres: { wavelength: bandCentres.wavelength } },
      );
      expect(warnings).toBe('');
      expectPixels(of('landsat_lr'), oli());
      expect(of('wavelength').length).toBe(86);
      const without = await prepare(folder, { entries });
      expect(without.warnings).toMatch(
        /the header has no wavelengths; the patches are for stage 2 alone \(--wavelengths/,
      );
      const short = { wavelength: bandCentres.wavelength.subarray(1) };
      await expect(prepare(folder, { entries }, { bandCentres: short })).rejects.toThrow(
        /x\.hdr: bands: the table of wavelengths has another number of bands; found 106 rows in the table, expected 107/,
      );
      writeFileSync(join(folder, 'bad.csv'), 'wavelength_nm\n400\nx\n');
      const run = await bandliftHere(['prepare', 'x.hdr', '--wavelengths', 'bad.csv', '--out', 'o'], folder);
      expect(run.status).toBe(3);
      expect(expectOneError(run.stderr)).toMatch(/bad\.csv: line 3, wavelength_nm: not a positive number; found x/);
    },
  },
  {
    name: '--out names a file',
    source: 'a new user',
    input: 'prepare x.hdr --out notes.txt',
    right: 'told that it must be a folder; the file is as before',
    check: async (folder) => {
      writeCube(join(folder, 'x'), { ...SIZE, value: (_y, _x, b) => spectrum(b), entries: ENTRIES });
      writeFileSync(join(folder, 'notes.txt'), 'mine');
      const run = await bandliftHere(['prepare', 'x.hdr', '--out', 'notes.txt'], folder);
      expect(run.status).toBe(2);
      expect(expectOneError(run.stderr)).toMatch(/notes\.txt: is a file; expected a folder|notes\.txt: .*folder/);
    },
  },
  {
    name: 'two cubes of one name',
    source: 'brother of "same names"',
    input: 'x.img and x.dat with a header each, and x.img with its own header',
    right: 'the first two refused, the last counted once',
    check: async (folder) => {
      mkdirSync(join(folder, 'd'));
      const path = writeCube(join(folder, 'x'), { ...SIZE, value: (_y, _x, b) => spectrum(b), entries: ENTRIES });
      writeFileSync(path.replace('.hdr', '.dat'), 'other');
      const run = await bandliftHere(['prepare', 'x.img', 'x.dat', '--out', 'o'], folder);
      expect(run.status).toBe(2);
      expect(expectOneError(run.stderr)).toMatch(/x\.dat: two scenes have the same name .*found x\.img/);
    },
  },
  ...(
    [
      [[376.86, 500, 600, 700], /Landsat 8 OLI band .* cannot be simulated: no bands at/],
      [wavelengths(BANDS, 7).map((w) => w + 125), /cannot be simulated: no bands at 427-459 nm/],
    ] as const
  ).map(
    ([centres, line]): Quirk => ({
      name: `${centres.length} bands of ${centres[0]} to ${centres.at(-1)} nm`,
      source: 'WISER circuit_4_100_150_um, cubus_gamsberg_subset',
      input: 'a spectrometer that does not cover OLI',
      right: 'refused with what is missing',
      check: async (folder) => {
        await expect(
          prepare(folder, {
            bands: centres.length,
            value: (_y, _x, b) => 0.1 + 0.001 * b,
            entries: { 'map info': utm(4), wavelength: braces(centres) },
          }),
        ).rejects.toThrow(line);
      },
    }),
  ),
];

quirks('pixels without data', fill);
quirks('bands without data, and scales', badBands);
quirks('the ground', ground);
quirks('how prepare is called', calls);
