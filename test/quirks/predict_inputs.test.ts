/** Inputs of `predict` that are read without a fault and are not what the model was made for, and what results say of themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { peakMemory } from '../../src/base/peak_memory.js';
import { bandliftHere } from '../support/cli.js';
import { braces, utm } from '../support/envi_cubes.js';
import { gdalInfo } from '../support/gdal.js';
import {
  landsatCube,
  landsatStack,
  OLI,
  predictedHere,
  predictHere,
  reflectance,
  refusedHere,
  sameModel,
} from '../support/predictions.js';
import { type Quirk, quirks } from './table.js';

const warnings = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('warning: '));

/** Predicts a cube with these entries, and gives the warnings. */
async function told(folder: string, entries: Record<string, string>, ...args: string[]): Promise<string[]> {
  landsatCube(join(folder, 'scene'), { entries });
  await sameModel(folder);
  return warnings((await predictedHere(folder, 'out', 'scene.img', '--overwrite', ...args)).stderr);
}

/** Wavelengths of Sentinel-2's bands of 10 and 20 m, and Landsat 7's with the panchromatic one. */
const SENTINEL2 = [490, 560, 665, 705, 740, 783, 842];
const ETM = [478, 561, 661, 834, 1650, 2208, 710];

quirks('predict: another scale, another sensor', [
  {
    name: 'reflectance times 10000, GeoTIFF',
    source: 'a review of input files; ESAOpenSR/SEN2SR #3',
    input: 'float32 values of 1000 to 2000',
    right: 'refused; the hint, followed, gives the reflectance',
    async check(folder) {
      landsatStack(join(folder, 'x.tif'), { value: (y, x, b) => 10000 * reflectance(y, x, b) });
      await sameModel(folder);
      expect(await refusedHere(folder, 3, 'x.tif', '--out', 'out')).toMatch(
        /x\.tif: holds values that cannot be reflectance; found half of .* above 1\d{3}.*give --input-scale 0\.0001 for a GeoTIFF/,
      );
      const { values } = await predictedHere(folder, 'out', 'x.tif', '--input-scale', '0.0001');
      expect(values[0]).toBeCloseTo(0.1, 6); // float32
      const { stderr } = await predictedHere(folder, 'forced', 'x.tif', '--force-units');
      expect(stderr).toMatch(/warning: .*x\.tif: half of the values .*cannot be reflectance/);
    },
  },
  {
    name: 'reflectance times 10000, ENVI',
    source: 'related to a case of the review of input files',
    input: 'int16 cube that says reflectance, and no scale factor; percent as well',
    right: 'refused; the entry of the header is named',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { type: 2, value: (y, x, b) => Math.round(10000 * reflectance(y, x, b)) });
      await sameModel(folder);
      expect(await refusedHere(folder, 3, 'scene.img', '--out', 'out')).toMatch(/"reflectance scale factor = 10000"/);
      landsatCube(join(folder, 'scene'), { value: (y, x, b) => 100 * reflectance(y, x, b) });
      expect(await refusedHere(folder, 3, 'scene.img', '--out', 'out')).toMatch(/"reflectance scale factor = 100"/);
    },
  },
  {
    name: 'glint and snow',
    source: 'a review of input files: SR up to 1.602213 is real',
    input: 'reflectance up to 1.6, a few pixels of 5',
    right: 'predicted without a word',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { value: (y, x) => (y === 0 && x < 3 ? 5 : 1.6) });
      await sameModel(folder);
      expect(warnings((await predictedHere(folder, 'out', 'scene.img')).stderr)).toEqual([]);
    },
  },
  {
    name: 'radiance of another unit',
    source: 'related to a case of the review of input files',
    input: 'no units stated, values 1000 times those of the training',
    right: 'told with both numbers',
    async check(folder) {
      landsatCube(join(folder, 'scene'), {
        value: (y, x, b) => 1e4 * (1 + reflectance(y, x, b)),
        entries: { 'data units': 'uW cm-2 sr-1 nm-1' },
      });
      const span = { offset: [0], scale: [12], clip: false };
      const normalization = { method: 'percentile', input: span, target: span, units: '' } as const;
      const units = 'uW cm-2 sr-1 nm-1';
      await sameModel(folder, { normalization, bands: { wavelength: null, fwhm: null, units } });
      const { stderr } = await predictedHere(folder, 'out', 'scene.img');
      expect(stderr).toMatch(/warning: .*above 1\d{4}.*trained on values up to about 12: another scale\?/);
    },
  },
  {
    name: 'bands of Sentinel-2',
    source: 'a review of input files',
    input: 'an ENVI cube of 490 to 842 nm to a model of OLI',
    right: 'refused with band and wavelength; with --force-units told',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { entries: { wavelength: braces(SENTINEL2) } });
      await sameModel(folder);
      expect(await refusedHere(folder, 3, 'scene.img', '--out', 'out')).toMatch(
        /scene\.img: wavelength: has bands of another sensor.*found band 7 at 842 nm, expected 2201 nm, as of Landsat 8 OLI/,
      );
      expect(await told(folder, { wavelength: braces(SENTINEL2) }, '--force-units')).toEqual([
        expect.stringMatching(/bands of another sensor: found band 7 at 842 nm/),
      ]);
    },
  },
  {
    name: 'bands of Landsat 7',
    source: 'a review of input files',
    input: 'ETM+ to a model whose sensor is OLI, and to one that does not say',
    right: 'refused; told',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { entries: { wavelength: braces(ETM) } });
      await sameModel(folder);
      expect(await refusedHere(folder, 3, 'scene.img', '--out', 'out')).toMatch(/bands of another sensor/);
      await sameModel(folder, { sensor: null });
      const { stderr } = await predictedHere(folder, 'out', 'scene.img');
      expect(warnings(stderr)).toEqual([expect.stringMatching(/as of Landsat 8 and 9/)]);
    },
  },
  {
    name: 'a model of another sensor',
    source: 'found by trying: prepare --sensor CSV, then a Landsat scene',
    input: 'OLI to a model whose sensor is a table of responses',
    right: 'told with both sensors',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { entries: { 'sensor type': 'Landsat 8 OLI' } });
      await sameModel(folder, { sensor: 'msi.csv' });
      const { stderr } = await predictedHere(folder, 'out', 'scene.img');
      expect(warnings(stderr)).toEqual([expect.stringMatching(/is of Landsat 8 OLI; .* trained on bands of msi\.csv/)]);
    },
  },
  {
    name: 'bands that are nearly the same',
    source: 'related to a case of the review of input files: Sentinel-2 at 443 to 2190 nm',
    input: '443, 490, 560, 665, 865, 1610, 2190 nm',
    right: 'told: band 7 lies 11 nm off',
    async check(folder) {
      const near = [443, 490, 560, 665, 865, 1610, 2190];
      expect(await told(folder, { wavelength: braces(near) })).toEqual([
        expect.stringMatching(/bands of another sensor: found band 7 at 2190 nm, expected 2201 nm/),
      ]);
    },
  },
  ...[OLI, [440, 480, 560, 655, 865, 1610, 2200], [443, 482, 561.5, 654.5, 865, 1608.5, 2200.5]].map(
    (wavelength): Quirk => ({
      name: `OLI as ${wavelength.join(' ')}`,
      source: 'roundings of headers',
      input: 'centres rounded to 10 nm, to 0.5 nm',
      right: 'predicted without a word',
      check: async (folder) => expect(await told(folder, { wavelength: braces(wavelength) })).toEqual([]),
    }),
  ),
]);

const DEGREES = '{Geographic Lat/Lon, 1, 1, -117, 35, 0.00027, 0.00027, WGS-84, units=Degrees}';

quirks('predict: the grid of the input', [
  ...(
    [
      ['60 m', utm(60), /pixels of the input are 60 x 60 m: models are made for Landsat's 30 m/],
      [
        'a whole scene decimated, not square',
        utm(30).replace('30, 30', '515.098, 516.855'),
        /are 515\.098 x 516\.855 m/,
      ],
      ['2 m', utm(2), /are 2 x 2 m/],
      ['degrees', DEGREES, /are 0\.00027 x 0\.00027 degrees/],
      ['feet', utm(30).replace('Meters', 'Feet'), /are 30 x 30 units of 0\.3048 m/],
      [
        'turned and not square',
        `${utm(30).replace('30, 30', '30, 29.9').replace('}', ', rotation=-20}')}`,
        /is sheared, or turned with pixels that are not square/,
      ],
    ] as [string, string, RegExp][]
  ).map(
    ([name, mapInfo, message]): Quirk => ({
      name,
      source: 'a review of input files',
      input: mapInfo,
      right: 'predicted, and told with the number',
      check: async (folder) => expect((await told(folder, { 'map info': mapInfo })).join()).toMatch(message),
    }),
  ),
  ...(
    [
      ['30 m', utm(30)],
      ['30 m but for rounding', utm(30).replace('30, 30', '29.996, 30.004')],
      ['30 m, turned', utm(30).replace('}', ', rotation=-66}')],
      ['98.4252 feet', utm(30).replace('30, 30', '98.4252, 98.4252').replace('Meters', 'Feet')],
    ] as [string, string][]
  ).map(
    ([name, mapInfo]): Quirk => ({
      name,
      source: 'rslearn and GDAL write 29.996 for 30',
      input: mapInfo,
      right: 'predicted without a word',
      check: async (folder) => expect(await told(folder, { 'map info': mapInfo })).toEqual([]),
    }),
  ),
  ...(
    [
      [15, 17],
      [3, 8],
      [8, 10],
    ] as const
  ).map(
    ([lines, samples]): Quirk => ({
      name: `${lines} x ${samples} pixels at 15/2`,
      source: 'a review of input files',
      input: 'both stages',
      right: 'floor(7.5 n) pixels; 2 m that are left over are told, none where there are none',
      async check(folder) {
        landsatCube(join(folder, 'scene'), { lines, samples });
        await sameModel(folder);
        const { stdout, scene } = await predictedHere(folder, 'out', 'scene.img', '--stage2', 'bicubic');
        expect([scene.height, scene.width]).toEqual([Math.floor(7.5 * lines), Math.floor(7.5 * samples)]);
        // half a pixel of 4 m
        const edges = [
          ...(samples % 2 === 1 ? ['2 at the right edge'] : []),
          ...(lines % 2 === 1 ? ['2 at the lower edge'] : []),
        ];
        const note = /^note +(.*)$/m.exec(stdout)?.[1];
        expect(note).toBe(
          edges.length === 0
            ? undefined
            : `in map units, ${edges.join(' and ')} of the input make no whole pixel and are left out`,
        );
      },
    }),
  ),
  {
    name: '--roi with stage 2',
    source: 'a review of input files',
    input: 'a region inside of the scene',
    right:
      'told how far from its edge pixels differ, and beyond that they are equal; no word for models of single pixels',
    async check(folder) {
      landsatCube(join(folder, 'scene'), {
        lines: 24,
        samples: 24,
        value: (y, x, b) => 0.1 + ((y * 31 + x * 17 + b * 5) % 23) / 100,
      });
      await sameModel(folder);
      const both = ['scene.img', '--stage2', 'bicubic', '--back-projections', '0'];
      const whole = await predictedHere(folder, 'whole', ...both);
      const part = await predictedHere(folder, 'part', ...both, '--roi', '4,6,14,12');
      const reach = Number(/up to (\d+) pixels inside/.exec(part.stderr)?.[1]);
      // a cubic kernel reaches two pixels
      expect(reach).toBe(2);
      const differ = (margin: number) => {
        let worst = 0;
        for (let y = margin; y < 90 - margin; y++)
          for (let x = margin; x < 105 - margin; x++)
            for (let b = 0; b < 7; b++)
              worst = Math.max(
                worst,
                Math.abs(part.values[(y * 105 + x) * 7 + b]! - whole.values[((y + 45) * 180 + x + 30) * 7 + b]!),
              );
        return worst;
      };
      expect(differ(15)).toBeLessThan(1e-6); // float32 of the same sums
      expect(differ(0)).toBeGreaterThan(1e-3);
      expect(warnings((await predictedHere(folder, 'one', 'scene.img', '--roi', '4,6,14,12')).stderr)).toEqual([]);
    },
  },
]);

quirks('predict: what a result says of itself', [
  {
    name: 'default bands',
    source: 'a first trial by a new user: GDAL, QGIS and ENVI opened bands 1, 2, 3, a grey murk',
    input: 'bands of OLI; green in the water vapour is not taken',
    right: 'red, green, blue: 4, 3, 2, counted from 1',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      expect((await predictHere(folder, 'scene.img', '--out', 'out')).status).toBe(0);
      expect(readFileSync(join(folder, 'out.hdr'), 'utf8')).toMatch(/^default bands = \{4, 3, 2\}$/m);
      // without bands in the visible there is nothing to show
      await sameModel(folder, {
        bands: { wavelength: [900, 1000, 1100, 1200, 1300, 1600, 2200], fwhm: null, units: 'reflectance' },
      });
      expect((await predictHere(folder, 'scene.img', '--out', 'out', '--overwrite')).status).toBe(0);
      expect(readFileSync(join(folder, 'out.hdr'), 'utf8')).not.toMatch(/default bands/);
    },
  },
  {
    name: 'band names in GDAL',
    source: 'a first trial by a new user: "band 1 (376.86 nm) (376.86 Nanometers)"',
    input: 'a result of both stages, and of stage 2 alone over a cube whose names hold wavelengths',
    right: 'the wavelength once',
    needs: 'GDAL',
    async check(folder) {
      landsatCube(join(folder, 'scene'), {
        entries: { 'band names': braces(OLI.map((nm, b) => `band ${b + 1} (${nm}.00 nm)`)) },
      });
      await sameModel(folder);
      expect((await predictHere(folder, 'scene.img', '--stage2', 'bicubic', '--out', 'out')).status).toBe(0);
      expect(gdalInfo(join(folder, 'out.img')).bands.map(({ description }) => description)[3]).toMatch(
        /^band 4 \(655(\.0+)? Nanometers\)$/,
      );
    },
  },
  {
    name: 'progress',
    source: 'a first trial by a new user: it ended at 43.7 %',
    input: 'both stages, no terminal, faster than the first line is due',
    right: '100.0 % of each stage',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      const { stdout } = await predictHere(folder, 'scene.img', '--stage2', 'bicubic', '--out', 'out');
      expect(stdout).toMatch(/^stage 1: 100\.0 %.*\n(.*\n)*?stage 2: 100\.0 %/m);
    },
  },
  {
    name: 'memory at most',
    source: 'a review of input files: the peak of a large parent was told as its own',
    input: '/proc/self/status and getrusage',
    right: "the kernel's peak of this process's own memory (VmHWM)",
    check() {
      const own = Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
      expect(peakMemory()).toBeGreaterThan(process.memoryUsage.rss() / 2);
      // read first: it can only have grown since, by less than a few pages' worth of garbage
      expect(peakMemory() - own).toBeGreaterThanOrEqual(0);
      expect(peakMemory() - own).toBeLessThan(64 * 2 ** 20);
    },
  },
  {
    name: 'int16',
    source: 'allenai/rslearn #547',
    input: '0.25, --format int16',
    right: '2500 stored, reflectance scale factor and nodata in the header',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { value: () => 0.25 });
      await sameModel(folder);
      expect((await predictHere(folder, 'scene.img', '--out', 'out', '--format', 'int16')).status).toBe(0);
      const stored = readFileSync(join(folder, 'out.img'));
      expect(stored.readInt16LE(0)).toBe(2500);
      const header = readFileSync(join(folder, 'out.hdr'), 'utf8');
      expect(header).toMatch(/^reflectance scale factor = 10000$/m);
      expect(header).toMatch(/^data ignore value = -32768$/m);
    },
  },
  {
    name: 'all nodata',
    source: 'a review of input files: all cloudy, all fill',
    input: 'every pixel -9999',
    right: 'a warning, and a result of nodata',
    async check(folder) {
      landsatCube(join(folder, 'scene'), { value: () => -9999, entries: { 'data ignore value': '-9999' } });
      await sameModel(folder);
      const { valid, stderr } = await predictedHere(folder, 'out', 'scene.img');
      expect(valid.some((v) => v === 1)).toBe(false);
      expect(stderr).toMatch(/warning: no pixel of the input is valid: the whole result is nodata/);
    },
  },
  {
    name: 'odd paths',
    source: 'a review of input files',
    input: 'spaces, umlauts and CJK in the names of input and result',
    right: 'the values of the input',
    async check(folder) {
      landsatCube(join(folder, 'Größe 影像 a'));
      await sameModel(folder);
      const { values } = await predictedHere(folder, 'Ergebnis 結果 b', 'Größe 影像 a.img');
      expect(values[0]).toBeCloseTo(0.1, 6); // float32
    },
  },
  {
    name: 'a stack and a folder are one',
    source: 'a review of input files: GDAL scale and offset',
    input: 'uint16 with the scale in the GDAL_METADATA tag',
    right: '10000 is 0.075, without options',
    async check(folder) {
      const item = (role: string, b: number, value: string) =>
        `<Item name="${role.toUpperCase()}" sample="${b}" role="${role}">${value}</Item>`;
      const all = Array.from({ length: 7 }, (_, b) => item('scale', b, '2.75e-05') + item('offset', b, '-0.2')).join(
        '',
      );
      const tags = { 42112: [2, `<GDALMetadata>${all}</GDALMetadata>`] } as const;
      landsatStack(join(folder, 's.tif'), { bits: 16, format: 1, value: () => 10000, tags: tags as never });
      await sameModel(folder);
      const { values } = await predictedHere(folder, 'out', 's.tif');
      expect(values.every((v) => Math.abs(v - 0.075) < 1e-7)).toBe(true); // float32
    },
  },
]);

quirks('doctor', [
  {
    name: 'ok beside what was found alone',
    source: 'a review of input files',
    input: 'a machine, with or without a GPU',
    right: "no line says ok beside 'no', 'not', 'missing' or 'none'; what is not needed does not make it fail",
    async check(folder) {
      const { stdout, status } = await bandliftHere(['doctor'], folder);
      const lines = stdout.trimEnd().split('\n');
      for (const line of lines.filter((l) => l.startsWith('ok') && !/--device auto/.test(l)))
        expect(line).not.toMatch(/\b(no|not|none|missing|cannot)\b/i);
      expect(lines.every((line) => /^(ok|none|MISSING) /.test(line))).toBe(true);
      expect(status).toBe(lines.some((line) => line.startsWith('MISSING')) ? 1 : 0);
    },
  },
]);
