/** GeoTIFF as others write it: predictors, byte orders, masks, nodata, sparse blocks. Files are made byte by byte. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openScene } from '../../src/scenes/open.js';
import { openStackScene, type StackOptions } from '../../src/scenes/stack_scene.js';
import { gdal, gdalValues, writeWithGdal } from '../support/gdal.js';
import { landsatStack, predictedHere, reflectance, sameModel } from '../support/predictions.js';
import { makeTiff, type TiffToMake, withMask } from '../support/tiff_bytes.mjs';
import { quirks } from './table.js';

/** Reads a whole file of as many bands as it has. */
async function readAll(path: string, options: StackOptions = {}) {
  const scene = await openStackScene(path, options);
  const pixels = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
  await scene.close();
  return { ...pixels, scene };
}

/** Writes a file and reads it. */
async function made(folder: string, tiff: TiffToMake | Buffer, options: StackOptions = {}) {
  const path = join(folder, 'made.tif');
  writeFileSync(path, Buffer.isBuffer(tiff) ? tiff : makeTiff(tiff));
  return readAll(path, options);
}

const failed = (folder: string, tiff: TiffToMake | Buffer, options: StackOptions = {}): Promise<string> =>
  made(folder, tiff, options).then(
    () => 'read',
    (error: Error) => error.message,
  );

/** One band of one row. */
const ROW = { width: 4, height: 1, bands: 1, rows: 1 } as const;
const ONE = { bands: 1 } as const;
/** Bits of a double. */
const wordOf = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const text = (value: string): [number, string] => [2, value];
const WRAP = 1n << 64n;
const DOUBLES = [0.1, -0.25, 3.75e-5, 1 / 3];
const half = (y: number, x: number) => x >= 5 || y >= 8;

/** A file of floats, half of whose pixels hold `fill`. */
const filled = (fill: number, nodata?: string): TiffToMake => ({
  width: 10,
  height: 4,
  value: (_, x, b) => (x < 5 ? fill : 0.2 + b / 100),
  ...(nodata === undefined ? {} : { tags: { 42113: text(nodata) } }),
});

quirks('GeoTIFF: numbers', [
  {
    name: 'predictor 2, big-endian uint16',
    source: 'geotiffjs/geotiff.js #543; xarray-contrib/xarray-spatial #1933',
    input: 'row 123, +3000',
    right: '123, 3123 (not 2867)',
    async check(folder) {
      const tags = { 317: [3, [2]] } as TiffToMake['tags'];
      // with compression only does a predictor count
      const file = { ...ROW, width: 2, bits: 16, format: 1, compression: 8, little: false, tags: tags! };
      const { values } = await made(folder, { ...file, value: (_, x) => [123, 3000][x]! }, { ...ONE, scale: 1 });
      expect([...values]).toEqual([123, 3123]);
    },
  },
  {
    name: 'predictor 2, little-endian uint16',
    source: 'geotiffjs/geotiff.js #550',
    input: '1000, 2000, 3000, 4000, deflate',
    right: '1000, 2000, 3000, 4000',
    async check(folder) {
      const file = { ...ROW, bits: 16, format: 1, compression: 8, tags: { 317: [3, [2]] } } as TiffToMake;
      const { values } = await made(folder, { ...file, value: () => 1000 }, { ...ONE, scale: 1 });
      expect([...values]).toEqual([1000, 2000, 3000, 4000]);
    },
  },
  ...[true, false].map((little) => ({
    name: `predictor 2, float64, ${little ? 'little' : 'big'}-endian`,
    source: 'a review of input files (GDAL writes it)',
    input: '64-bit differences of the bits, with carries',
    right: '0.1, -0.25, 3.75e-5, 1/3',
    async check(folder: string) {
      const word = (_: number, x: number) =>
        (wordOf(DOUBLES[x]!) - (x === 0 ? 0n : wordOf(DOUBLES[x - 1]!)) + WRAP) % WRAP;
      const file = { ...ROW, bits: 64, compression: 8, little, word, tags: { 317: [3, [2]] } } as TiffToMake;
      const { values } = await made(folder, file, ONE);
      expect([...values]).toEqual(DOUBLES.map(Math.fround));
    },
  })),
  {
    name: 'predictor 2, float64, by GDAL',
    source: 'a review of input files',
    input: 'gdal_translate -ot Float64 -co PREDICTOR=2',
    right: 'the values that GDAL reads',
    needs: 'GDAL',
    async check(folder) {
      const values = Array.from({ length: 7 * 12 }, (_, i) => Math.fround(Math.sin(i) / 3));
      const path = join(folder, 'g.tif');
      const more = ['-ot', 'Float64', '-co', 'COMPRESS=DEFLATE', '-co', 'PREDICTOR=2'];
      writeWithGdal(path, { type: 'Float32', height: 3, width: 4, bands: 7, values }, more);
      expect([...(await readAll(path)).values]).toEqual(values);
      expect(gdalValues(path, 1, 1, 'pixel').map(Math.fround)).toEqual(values.slice(35, 42));
    },
  },
  {
    name: 'predictor 3, big-endian',
    source: 'xarray-contrib/xarray-spatial #1499, #1500',
    input: 'float32 1, 2, 3, 4',
    right: 'refused: programs have written it in two ways; the way out is named',
    async check(folder) {
      const file = { ...ROW, compression: 8, little: false, tags: { 317: [3, [3]] } } as TiffToMake;
      expect(await failed(folder, file, ONE)).toMatch(
        /predictor: .*found 3 in a big-endian file, which programs have written in two ways.*ENDIANNESS=LITTLE or PREDICTOR=1/,
      );
    },
  },
  {
    name: 'predictor 3, integers',
    source: 'xarray-contrib/xarray-spatial #1500',
    input: 'uint16 with predictor 3',
    right: 'refused with a line that writes another',
    async check(folder) {
      const file = { ...ROW, bits: 16, format: 1, compression: 8, tags: { 317: [3, [3]] } } as TiffToMake;
      expect(await failed(folder, file, { ...ONE, scale: 1 })).toMatch(
        /predictor: cannot be read; found 3, expected one that fits uint16; gdal_translate .*PREDICTOR=1/,
      );
    },
  },
  ...([34887, 34925, 7] as const).map((compression) => ({
    name: `compression ${compression}`,
    source: 'a review of input files (LERC, LZMA, JPEG)',
    input: 'compressed in a way that is not read',
    right: 'refused with a gdal_translate line',
    async check(folder: string) {
      expect(await failed(folder, { ...ROW, tags: { 259: [3, [compression]] } }, ONE)).toMatch(
        new RegExp(`compression: cannot be read; found ${compression}.*gdal_translate -co COMPRESS=DEFLATE`),
      );
    },
  })),
  {
    name: 'many big-endian strips',
    source: 'geotiffjs/geotiff.js #535',
    input: '3000 strips of one row',
    right: 'exact',
    async check(folder) {
      const file = {
        width: 2,
        height: 3000,
        bands: 1,
        rows: 1,
        little: false,
        value: (y: number, x: number) => y + x / 2,
      };
      const { values } = await made(folder, file, ONE);
      expect(values).toEqual(Float32Array.from({ length: 6000 }, (_, i) => Math.floor(i / 2) + (i % 2) / 2));
    },
  },
  {
    name: 'LZW in tiles of 256',
    source: 'mapbox/rio-toa tiny_LC81390452014295LGN00_B5.TIF',
    input: 'uint16, PixelIsPoint, no nodata tag, seven bands',
    right: 'exact; the place of corners',
    async check(folder) {
      const file: TiffToMake = {
        ...{ width: 300, height: 20, bits: 16, format: 1, compression: 5, tile: 256 },
        value: (y, x, b) => (y * 300 + x + b * 7) % 65536,
        tags: { 34735: [3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32611]] },
      };
      const { values, valid, scene } = await made(folder, file, { scale: 1 });
      expect(valid.every((v) => v === 1)).toBe(true);
      for (const [y, x, b] of [
        [0, 0, 0],
        [19, 299, 6],
        [7, 255, 3],
        [7, 256, 3],
      ] as const)
        expect(values[(y * 300 + x) * 7 + b]).toBe(file.value!(y, x, b));
      // the tie-point is the centre of the first pixel
      expect(scene.georeference!.geotransform).toEqual([299985, 30, 0, 4000015, 0, -30]);
    },
  },
]);

quirks('GeoTIFF: pixels without data', [
  ...(
    [
      ['-3.39999999999999996e+38', -3.4028234663852886e38],
      ['-3.4028234663852886e+38', -3.4028234663852886e38],
      ['-3.4028235e+38', -3.4028234663852886e38],
      ['-3.4e+38', -3.4e38],
      ['-1.79769e+308', -3.4028234663852886e38],
      ['-9999', -9999],
      ['0.1', 0.1],
      ['nan', Number.NaN],
      ['-nan', Number.NaN],
      ['inf', Number.POSITIVE_INFINITY],
      ['-9999.9', -9999.9],
      [' -9999 ', -9999],
    ] as const
  ).map(([nodata, stored]) => ({
    name: `nodata text ${nodata}`,
    source: 'geotiffjs/geotiff.js #259; openlayers #13666; pspoerri/geotiff2pmtiles #45',
    input: `float32 pixels of ${stored}`,
    right: '20 of 40 pixels are valid',
    async check(folder: string) {
      const { valid } = await made(folder, filled(stored, nodata));
      expect([...valid]).toEqual(Array.from({ length: 40 }, (_, p) => (p % 10 < 5 ? 0 : 1)));
    },
  })),
  {
    name: 'the lowest float without a tag',
    source: 'brother of geotiff.js #259',
    input: 'pixels of -3.4028235e38, no nodata tag',
    right: 'nodata: no such value ever reaches a network',
    async check(folder) {
      expect((await made(folder, filled(-3.4028234663852886e38))).valid.reduce((a, b) => a + b, 0)).toBe(20);
    },
  },
  {
    name: '-9999 without a tag',
    source: 'a review of input files',
    input: 'float32 and int16 pixels of -9999, no nodata tag',
    right: 'nodata, as in ENVI cubes',
    async check(folder) {
      expect((await made(folder, filled(-9999))).valid.reduce((a, b) => a + b, 0)).toBe(20);
      const whole = { ...filled(-9999), bits: 16, format: 2, value: (_: number, x: number) => (x < 5 ? 0xd8f1 : 1000) };
      expect((await made(folder, whole, { scale: 1e-4 })).valid.reduce((a, b) => a + b, 0)).toBe(20);
    },
  },
  {
    name: 'a nodata value of its own',
    source: 'brother of -9999 without a tag',
    input: 'the tag says 0, a pixel is -9999',
    right: 'the file is believed: -9999 is data',
    async check(folder) {
      expect((await made(folder, filled(-9999, '0'))).valid.every((v) => v === 1)).toBe(true);
    },
  },
  {
    name: 'nodata that the type cannot hold',
    source: 'a review of input files',
    input: 'uint16 with nodata -9999',
    right: 'all pixels are data',
    async check(folder) {
      const file = { ...filled(1), bits: 16, format: 1, value: () => 55537, tags: { 42113: text('-9999') } };
      expect((await made(folder, file as TiffToMake, { scale: 1 })).valid.every((v) => v === 1)).toBe(true);
    },
  },
  ...(
    [
      ['0', 0],
      ['5', 0],
      [undefined, 1],
    ] as const
  ).map(([nodata, ok]) => ({
    name: `sparse tiles, nodata ${nodata ?? 'not stated'}`,
    source: 'geotiffjs/geotiff.js #304; xarray-spatial #1501; async-tiff #340',
    input: 'uint16, three of four tiles of 16 are not stored (offset and count 0), the first is 100',
    right: ok === 0 ? 'three tiles are nodata' : 'three tiles are 0, as GDAL has it',
    async check(folder: string) {
      const file = { width: 32, height: 32, bands: 1, bits: 16, format: 1, tile: 16, value: () => 100 };
      const tags = {
        324: [4, [8, 0, 0, 0]],
        325: [4, [512, 0, 0, 0]],
        ...(nodata === undefined ? {} : { 42113: text(nodata) }),
      } as NonNullable<TiffToMake['tags']>;
      const { values, valid } = await made(folder, { ...file, tags }, { ...ONE, scale: 1 });
      for (const [p, value, v] of [
        [0, 100, 1],
        [16, 0, ok],
        [16 * 32, 0, ok],
        [1023, 0, ok],
      ] as const)
        expect([values[p], valid[p]]).toEqual([value, v]);
      expect(valid.reduce((a, b) => a + b, 0)).toBe(256 + 768 * ok);
    },
  })),
]);

quirks('GeoTIFF: masks', [
  {
    name: 'an internal mask',
    source: 'xarray-spatial #1504; locationtech/geotrellis #3269; geotiff.js #470',
    input: '7 bands and a mask of one bit that hides the left half, 21 pixels wide',
    right: 'seven bands; hidden pixels are not data, also in a window that begins inside a byte',
    async check(folder) {
      const path = join(folder, 'mask.tif');
      writeFileSync(path, withMask(makeTiff({ width: 21, height: 9 }), 21, 9, half));
      const scene = await openScene(path);
      expect(scene.bands).toBe(7);
      for (const [y0, x0, height, width] of [
        [0, 0, 9, 21],
        [6, 3, 3, 11],
        [8, 20, 1, 1],
      ] as const) {
        const { valid } = await scene.read({ y: y0, x: x0, height, width });
        const expected = Array.from({ length: height * width }, (_, p) =>
          half(y0 + Math.floor(p / width), x0 + (p % width)) ? 1 : 0,
        );
        expect([...valid]).toEqual(expected);
      }
      await scene.close();
    },
  },
  {
    name: 'an internal mask by GDAL',
    source: 'a review of input files',
    input: 'gdal_translate -mask, deflated, tiled, with overviews of image and mask to skip',
    right: 'hidden pixels are not data',
    needs: 'GDAL',
    async check(folder) {
      const values = Array.from({ length: 40 * 40 * 8 }, (_, i) =>
        i % 8 < 7 ? 0.2 : half(Math.floor(i / 320), (i >> 3) % 40) ? 255 : 0,
      );
      const all = join(folder, 'all.tif');
      writeWithGdal(all, { type: 'Float32', height: 40, width: 40, bands: 8, values }, [
        '-a_ullr',
        '0',
        '1200',
        '1200',
        '0',
      ]);
      const path = join(folder, 'mask.tif');
      const bands = [1, 2, 3, 4, 5, 6, 7].flatMap((b) => ['-b', `${b}`]);
      const creation = ['-co', 'COMPRESS=DEFLATE', '-co', 'TILED=YES', '-co', 'BLOCKXSIZE=16', '-co', 'BLOCKYSIZE=16'];
      gdal('gdal_translate', [
        '-q',
        '--config',
        'GDAL_TIFF_INTERNAL_MASK',
        'YES',
        ...bands,
        '-mask',
        '8',
        ...creation,
        all,
        path,
      ]);
      const { valid, scene } = await readAll(path);
      expect([scene.bands, [...valid]]).toEqual([
        7,
        Array.from({ length: 1600 }, (_, p) => (half(Math.floor(p / 40), p % 40) ? 1 : 0)),
      ]);
    },
  },
  {
    name: 'a mask in a file of its own',
    source: 'brother of the internal mask',
    input: 'x.tif.msk beside x.tif',
    right: 'told that it is not read',
    async check(folder) {
      writeFileSync(join(folder, 'made.tif.msk'), makeTiff({ bands: 1 }));
      expect((await made(folder, {})).scene.warnings).toEqual([
        expect.stringMatching(/made\.tif\.msk: masks in files of their own are not read/),
      ]);
    },
  },
  {
    name: 'a loop of directories',
    source: 'brother of the internal mask: hostile files',
    input: 'the last directory points to the first',
    right: 'read, without a mask',
    async check(folder) {
      const tiff = makeTiff({});
      const first = tiff.readUInt32LE(4);
      tiff.writeUInt32LE(first, first + 2 + 12 * tiff.readUInt16LE(first));
      expect((await made(folder, tiff)).valid.every((v) => v === 1)).toBe(true);
    },
  },
  {
    name: 'an ENVI cube called .tif',
    source: 'opera-adt/COMPASS #206; a review of input files',
    input: 'scene.tif with scene.hdr, no TIFF inside',
    right: 'read as ENVI',
    async check(folder) {
      const header = 'ENVI\nsamples = 1\nlines = 1\nbands = 7\ndata type = 4\ninterleave = bip\nbyte order = 0\n';
      writeFileSync(join(folder, 'scene.hdr'), header);
      writeFileSync(join(folder, 'scene.tif'), new Uint8Array(Float32Array.from([1, 2, 3, 4, 5, 6, 7]).buffer));
      const scene = await openScene(join(folder, 'scene.tif'));
      expect([...(await scene.read({ y: 0, x: 0, height: 1, width: 1 })).values]).toEqual([1, 2, 3, 4, 5, 6, 7]);
      await scene.close();
    },
  },
  {
    name: 'nodata through predict',
    source: 'a review of input files',
    input: 'nodata text -3.39999999999999996e+38 against the lowest float',
    right: 'these pixels are nodata of the result, the others their values',
    async check(folder) {
      await sameModel(folder);
      landsatStack(join(folder, 'nd.tif'), {
        value: (y, x, b) => (x < 5 ? -3.4028234663852886e38 : reflectance(y, x, b)),
        tags: { 42113: text('-3.39999999999999996e+38') },
      });
      const { values, valid } = await predictedHere(folder, 'out', 'nd.tif');
      expect([...valid.subarray(0, 10)]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
      expect(values[9 * 7 + 3]).toBeCloseTo(reflectance(0, 9, 3), 6); // float32
    },
  },
]);
