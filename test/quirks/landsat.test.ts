/** Landsat products as they come: places, scale and fill, names, what belongs to them and what does not. Files are made byte by byte. */
import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { openScene } from '../../src/scenes/open.js';
import type { Scene } from '../../src/scenes/types.js';
import { metadataText } from '../support/landsat.js';
import { predictedHere, predictHere, refusedHere, sameModel } from '../support/predictions.js';
import { describeShared } from '../support/shared.js';
import { makeTiff, type TiffToMake } from '../support/tiff_bytes.mjs';
import { type Quirk, quirks } from './table.js';

const ID = 'LC08_L2SP_098084_20210503_20210508_02_T1';
const [HEIGHT, WIDTH] = [6, 8];

interface Product {
  readonly id?: string;
  /** Stored number. */
  readonly dn?: (band: number, y: number, x: number) => number;
  readonly quality?: (y: number, x: number) => number;
  readonly metadata?: Record<string, string>;
  /** Centre of the first pixel, and the zone's code. */
  readonly centre?: readonly [number, number];
  readonly epsg?: number;
  /** Files beside those that are read: their endings. */
  readonly more?: readonly string[];
  readonly without?: readonly string[];
}

/** Writes a product with the coordinates of pixel centres, as the USGS does. */
function product(folder: string, options: Product = {}): string {
  const {
    id = ID,
    dn = (b) => 8000 + 1000 * b,
    quality = () => 21824,
    metadata = { 'MTL.json': metadataText('json', HEIGHT, WIDTH) },
  } = options;
  const { centre = [60900, 115800], epsg = 32620, more = [], without = [] } = options;
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: TiffToMake['value']) => {
    if (without.includes(name)) return;
    const tags = {
      33922: [12, [0, 0, 0, ...centre, 0]],
      34735: [3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, epsg]],
    } as TiffToMake['tags'];
    writeFileSync(
      join(folder, `${id}_${name}`),
      makeTiff({
        width: WIDTH,
        height: HEIGHT,
        bands: 1,
        bits: 16,
        format: 1,
        compression: 8,
        value: value!,
        tags: tags!,
      }),
    );
  };
  for (let b = 1; b <= 7; b++) write(`SR_B${b}.TIF`, (y, x) => dn(b, y, x));
  write('QA_PIXEL.TIF', quality);
  for (const name of more) write(name, () => 60000);
  for (const [name, text] of Object.entries(metadata)) writeFileSync(join(folder, `${id}_${name}`), text);
  return folder;
}

async function read(scene: Scene) {
  const pixels = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
  await scene.close();
  return { ...pixels, scene };
}

const opened = async (input: string | string[], options = {}) => read(await openScene(input, options));
const failed = (input: string | string[]): Promise<string> =>
  opened(input).then(
    () => 'opened',
    (error: Error) => error.message,
  );
const filesIn = (folder: string) =>
  readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));

const SURPLUS = ['ST_B10.TIF', 'ST_QA.TIF', 'QA_RADSAT.TIF', 'SR_QA_AEROSOL.TIF', 'SR_B10.TIF', 'SR_B11.TIF'];

/** An L2SP file holds the keys of level 1 once more, after those of level 2. */
const doubled = (kind: 'json' | 'txt' | 'xml') => metadataText(kind, HEIGHT, WIDTH);
const oldGroup = (text: string) => text.replaceAll('LANDSAT_METADATA_FILE', 'L1_METADATA_FILE');

quirks('Landsat products: place', [
  {
    name: 'corners of the metadata are centres',
    source: 'stac-utils/stactools #117; acolite #17; deck.gl-raster #110',
    input: 'tie-point 60900, 115800, PixelIsPoint',
    right: 'map info {UTM, 1, 1, 60885, 115815, 30, 30, 20, North} and 4 m from the same corner',
    async check(folder) {
      product(join(folder, 'p'));
      await sameModel(folder);
      const one = await predictedHere(folder, 'one', 'p');
      expect(one.scene.georeference!.mapInfo!.join(', ')).toMatch(
        /^UTM, 1, 1, 60885, 115815, 30, 30, 20, North, WGS-84/,
      );
      const two = await predictedHere(folder, 'two', 'p', '--stage2', 'bicubic');
      expect(two.scene.georeference!.mapInfo!.join(', ')).toMatch(/^UTM, 1, 1, 60885, 115815, 4, 4, 20, North, WGS-84/);
    },
  },
  ...(
    [
      [32653, -3713985, '53, North'],
      [32753, 6286015, '53, South'],
    ] as const
  ).map(
    ([epsg, north, zone]): Quirk => ({
      name: `southern hemisphere, ${zone}`,
      source: 'USGS-EROS/espa-product-formatter #20; GFZ/arosics #6; SciTools/cartopy #867',
      input: `origin 609585, ${north}, EPSG:${epsg}`,
      right: `${zone} and ${north} together, at 30 m and at 4 m`,
      async check(folder) {
        product(join(folder, 'p'), { epsg, centre: [609600, north - 15] });
        await sameModel(folder);
        for (const more of [[], ['--stage2', 'bicubic']]) {
          const { scene } = await predictedHere(folder, 'out', 'p', '--overwrite', ...more);
          const step = more.length === 0 ? 30 : 4;
          expect(scene.georeference!.mapInfo!.join(', ')).toMatch(
            `UTM, 1, 1, 609585, ${north}, ${step}, ${step}, ${zone}, WGS-84`,
          );
        }
      },
    }),
  ),
]);

quirks('Landsat products: numbers', [
  ...(
    [
      ['json', { 'MTL.json': doubled('json') }],
      ['txt', { 'MTL.txt': doubled('txt') }],
      ['xml', { 'MTL.xml': doubled('xml') }],
      ['txt with CRLF', { 'MTL.txt': doubled('txt').replaceAll('\n', '\r\n') }],
      ['L1_METADATA_FILE', { 'MTL.txt': oldGroup(doubled('txt')) }],
      ['no metadata', {}],
    ] as [string, Record<string, string>][]
  ).map(
    ([name, metadata]): Quirk => ({
      name: `keys twice, ${name}`,
      source: 'dankelley/oce #2101; i.landsat8.swlst #10; rio-toa #35; OSGeo/gdal #15172',
      input: 'DN 10000, the factors of level 1 after those of level 2',
      right: '0.075 (with those of level 1: 0.1)',
      async check(folder) {
        const { values } = await opened(product(join(folder, 'p'), { metadata, dn: () => 10000 }));
        for (const value of values) expect(value).toBeCloseTo(0.075, 7); // float32
      },
    }),
  ),
  {
    name: 'offset and fill',
    source: 'geocompx/geocompy #218; digitalearthafrica/config #95; awesome-spectral-indices #2',
    input: 'DN 7273, 0, 1, 65535, 6000; 0 in one band alone',
    right: '0.0000075, nodata, -0.1999725, 1.6022125, -0.035; a pixel with 0 in any of the seven bands is nodata',
    async check(folder) {
      const row = [7273, 0, 1, 65535, 6000, 10000, 10000, 10000];
      const dn = (b: number, y: number, x: number) => (y === 0 ? row[x]! : y === 1 && x === 2 && b === 5 ? 0 : 10000);
      const { values, valid } = await opened(product(join(folder, 'p'), { dn }));
      expect([...valid.subarray(0, 5)]).toEqual([1, 0, 1, 1, 1]);
      const expected = [0.0000075, 0, -0.1999725, 1.6022125, -0.035];
      expected.forEach((value, x) => {
        expect(values[x * 7]).toBeCloseTo(value, 7); // float32
      });
      expect([...valid.subarray(8, 16)]).toEqual([1, 1, 0, 1, 1, 1, 1, 1]);
    },
  },
  {
    name: 'slightly negative reflectance',
    source: 'davidfrantz/force #191; MarcYin/SIAC #22; remicres/sr4rs #60',
    input: 'DN 6000 in all bands',
    right: 'valid and finite through predict, -0.035',
    async check(folder) {
      product(join(folder, 'p'), { dn: () => 6000 });
      await sameModel(folder);
      const { values, valid } = await predictedHere(folder, 'out', 'p');
      expect(valid.every((v) => v === 1)).toBe(true);
      for (const value of values) expect(value).toBeCloseTo(-0.035, 7); // float32
    },
  },
  {
    name: 'bits of QA_PIXEL',
    source: 'a review of input files',
    input: 'fill, dilated cloud, cirrus, cloud, shadow, snow, water, clear by column',
    right: 'bits 0 to 4 are masked, snow and water kept; --clouds keep masks fill alone',
    async check(folder) {
      const bits = [0, 1, 2, 3, 4, 5, 7, 6];
      product(join(folder, 'p'), { quality: (_, x) => 1 << bits[x]! });
      expect([...(await opened(join(folder, 'p'))).valid.subarray(0, 8)]).toEqual([0, 0, 0, 0, 0, 1, 1, 1]);
      expect([...(await opened(join(folder, 'p'), { clouds: 'keep' })).valid.subarray(0, 8)]).toEqual([
        0, 1, 1, 1, 1, 1, 1, 1,
      ]);
    },
  },
  {
    name: 'bands by number, thermal ones left',
    source: 'GeoscienceAustralia/wagl #92',
    input: 'B10, B11, ST and QA files in the folder, names sorted as text',
    right: 'bands 1 to 7 in order',
    async check(folder) {
      const { values } = await opened(product(join(folder, 'p'), { more: SURPLUS }));
      for (let b = 1; b <= 7; b++) expect(values[b - 1]).toBeCloseTo((8000 + 1000 * b) * 2.75e-5 - 0.2, 7); // float32
    },
  },
]);

quirks('Landsat products: names', [
  ...['LO08_L2SP', 'LO09_L2SR', 'LC09_L2SR', 'LC08_L2SR'].map(
    (start): Quirk => ({
      name: `${start} without thermal bands`,
      source: 'allenai/rslearn #645; torchgeo #1169; sertit/eoreader #99',
      input: 'seven bands and QA_PIXEL',
      right: 'read; the sensor by its name',
      async check(folder) {
        const { scene } = await opened(product(folder, { id: ID.replace('LC08_L2SP', start), metadata: {} }));
        expect([scene.bands, scene.sensor]).toEqual([7, start.includes('09') ? 'Landsat 9 OLI-2' : 'Landsat 8 OLI']);
      },
    }),
  ),
  ...['LE07_L2SP', 'LT05_L2SP', 'LM05_L2SP', 'LC10_L2SP'].map(
    (start): Quirk => ({
      name: `${start}`,
      source: 'a review of input files',
      input: 'a product of another satellite',
      right: 'refused in one line',
      check: async (folder) =>
        expect(await failed(product(folder, { id: ID.replace('LC08_L2SP', start), metadata: {} }))).toMatch(
          /is not of Landsat 8 or 9; found Landsat (7|5|10)/,
        ),
    }),
  ),
  {
    name: 'level 1',
    source: 'opendatacube/eo-datasets LC08_L1GT_089074, LC09_L1TP_112081',
    input: 'a folder of *_B1.TIF without metadata',
    right: 'refused: the elevation of the sun is needed',
    async check(folder) {
      for (let b = 1; b <= 7; b++)
        writeFileSync(join(folder, `LC08_L1TP_098084_20210503_20210508_02_T1_B${b}.TIF`), makeTiff({ bands: 1 }));
      expect(await failed(folder)).toMatch(
        /LC08_L1TP.*_MTL\.txt: the metadata of a level-1 product is missing; its scale factors and the sun's elevation/,
      );
    },
  },
  {
    name: 'every name of a product',
    source: 'a review of input files',
    input: 'folder, folder/, metadata, a band, QA_PIXEL, a list in any order, lower-case endings, a linked folder',
    right: 'the same values',
    async check(folder) {
      const at = product(join(folder, 'p'), { more: SURPLUS });
      symlinkSync('p', join(folder, 'linked'));
      mkdirSync(join(folder, 'lower'));
      for (const path of filesIn(at)) copyFileSync(path, join(folder, 'lower', basename(path).replace('.TIF', '.tif')));
      const first = (await opened(at)).values;
      const part = (name: string) => join(at, `${ID}_${name}`);
      const inputs = [
        `${at}/`,
        part('MTL.json'),
        part('SR_B4.TIF'),
        part('QA_PIXEL.TIF'),
        join(folder, 'linked'),
        join(folder, 'lower'),
      ];
      for (const input of inputs) expect((await opened(input)).values).toEqual(first);
      const listed = [7, 2, 1, 5, 3, 6, 4].map((b) => part(`SR_B${b}.TIF`));
      expect((await opened([part('QA_PIXEL.TIF'), ...listed])).values).toEqual(first);
    },
  },
  {
    name: 'folder/* from the shell',
    source: 'a review of input files',
    input: 'all files of the product, ST, QA_RADSAT, AEROSOL, ANG and statistics among them; *.TIF alone',
    right: 'the product',
    async check(folder) {
      const at = product(join(folder, 'p'), { more: SURPLUS });
      writeFileSync(join(at, `${ID}_ANG.txt`), 'GROUP');
      writeFileSync(join(at, `${ID}_SR_B1.TIF.aux.xml`), '<PAMDataset/>');
      await sameModel(folder);
      const given = filesIn(at).map((path) => path.slice(folder.length + 1));
      const all = await predictedHere(folder, 'all', ...given);
      const tifs = await predictedHere(folder, 'tifs', ...given.filter((path) => path.endsWith('.TIF')));
      const whole = await predictedHere(folder, 'whole', 'p');
      expect([all.values, tifs.values]).toEqual([whole.values, whole.values]);
    },
  },
  {
    name: 'folder/* with something else',
    source: 'brother of folder/*',
    input: 'a README and a picture among the files',
    right: 'refused; the surplus is named, not every path',
    async check(folder) {
      const at = product(join(folder, 'p'));
      for (const name of ['README.txt', 'quick.jpg']) writeFileSync(join(at, name), 'x');
      const line = await failed(filesIn(at));
      expect(line).toMatch(
        /README\.txt, \S*quick\.jpg: is not a file of the Landsat product beside it; found 2 of 11 files/,
      );
      expect(line).not.toMatch(/SR_B3/);
    },
  },
  {
    name: 'two products',
    source: 'a review of input files: only MTL.txt was there, the hint asked for _MTL.json',
    input: 'two products with _MTL.txt in one folder',
    right: 'refused; the hint names a file that is there and opens',
    async check(folder) {
      for (const id of [ID, ID.replace('098084', '098085')])
        product(folder, { id, metadata: { 'MTL.txt': doubled('txt') } });
      const line = await failed(folder);
      expect(line).toMatch(/holds more than one Landsat product; found LC08_L2SP_098084_\S+, LC08_L2SP_098085_/);
      const named = /for instance (\S+)$/.exec(line)![1]!;
      expect(named).toMatch(/_MTL\.txt$/);
      expect((await opened(named)).scene.name).toBe(ID);
    },
  },
  {
    name: 'no QA_PIXEL',
    source: 'a review of input files',
    input: 'seven bands alone',
    right: 'read, and told that clouds are not left out',
    async check(folder) {
      const { scene } = await opened(product(folder, { without: ['QA_PIXEL.TIF'] }));
      expect(scene.warnings).toEqual([
        expect.stringMatching(/QA_PIXEL\.TIF is missing: fill is left out, clouds and their shadows are not/),
      ]);
    },
  },
  {
    name: 'a band is missing',
    source: 'a review of input files',
    input: 'no SR_B5',
    right: 'refused by its name',
    check: async (folder) =>
      expect(await failed(product(folder, { without: ['SR_B5.TIF'] }))).toMatch(/_SR_B5\.TIF: a band is missing/),
  },
  ...(
    [
      ['empty', '', /LEVEL2_SURFACE_REFLECTANCE_PARAMETERS: .*found nothing/],
      ['a page of the web', '<html>', /LEVEL2_SURFACE_REFLECTANCE_PARAMETERS/],
      [
        'of level 1',
        'GROUP = LANDSAT_METADATA_FILE\n  GROUP = PRODUCT_CONTENTS\n    PROCESSING_LEVEL = "L1TP"\n  END_GROUP = PRODUCT_CONTENTS\n',
        /found a product of level L1TP/,
      ],
      [
        'cut',
        metadataText('txt', HEIGHT, WIDTH).replace(/REFLECTANCE_ADD_BAND_4 = -0\.2[\s\S]*$/, ''),
        /REFLECTANCE_ADD_BAND_\d|LEVEL2_SURFACE/,
      ],
    ] as [string, string, RegExp][]
  ).map(
    ([name, text, message]): Quirk => ({
      name: `metadata ${name}`,
      source: 'a review of input files',
      input: 'a damaged _MTL.txt',
      right: 'refused, naming file and entry',
      check: async (folder) => {
        const line = await failed(product(folder, { metadata: { 'MTL.txt': text } }));
        expect(line).toMatch(/_MTL\.txt/);
        expect(line).toMatch(message);
      },
    }),
  ),
  ...(['--input-scale', '--input-offset', '--patch', '--dataset'] as const).map(
    (option): Quirk => ({
      name: `${option} of a product`,
      source: 'a review of input files',
      input: `a folder and ${option}`,
      right: 'refused by name',
      async check(folder) {
        product(join(folder, 'p'));
        await sameModel(folder);
        const value = option === '--dataset' ? 'landsat' : '2';
        const message = new RegExp(`p: ${option}: is for a (stacked GeoTIFF|patch file); found a Landsat product`);
        expect(await refusedHere(folder, 2, 'p', '--out', 'out', option, value)).toMatch(message);
      },
    }),
  ),
  ...(
    [
      ['p.tar', 'x', /p\.tar: is a tar archive.*unpack it \(mkdir p && tar -xf p\.tar -C p\)/],
      ['p.tar.gz', '\x1f\x8b', /p\.tar\.gz: is a compressed tar archive.*tar -xf p\.tar\.gz -C p/],
      ['b.TIF.gz', '\x1f\x8b', /b\.TIF\.gz: is a gzip-compressed file.*gunzip b\.TIF\.gz/],
      ['e.nc', '\x89HDF\r\n\x1a\n', /e\.nc: cannot be read as HDF5: .*; it is damaged or incomplete/],
      ['v.vrt', '<VRTDataset>', /v\.vrt: is a GDAL virtual raster.*gdal_translate/],
    ] as [string, string, RegExp][]
  ).map(
    ([name, start, message]): Quirk => ({
      name: `predict ${name}`,
      source: 'opendatacube/eo-datasets LC09_L1TP...tar; WISER EMIT crop; a review of input files',
      input: 'a file of a format that is not read',
      right: 'told what it is and what to do, never "the header is missing"',
      async check(folder) {
        writeFileSync(join(folder, name), Buffer.from(start.padEnd(600, '\0'), 'latin1'));
        await sameModel(folder);
        const line = await refusedHere(folder, 3, name, '--out', 'out');
        expect(line).toMatch(message);
        expect(line).not.toMatch(/header of this data file/);
      },
    }),
  ),
]);

describeShared('a real product', `data/landsat_c2/${ID}`, (path) => {
  quirks('Landsat 8, Australia, 60 x 60 pixels', [
    {
      name: 'place, values and the size of its pixels',
      source: 'opendatacube/eo-datasets tests/integration/data',
      input: 'zone 53N with negative northing, PixelIsPoint, 3945.5 x 3970.5 m',
      right: 'origin 609585, -3713985; B4 from 3129 to 48223; told that pixels are not 30 m',
      async check(folder) {
        const { values, valid, scene } = await opened(path, { clouds: 'keep' });
        // the file itself holds 3945.5000000000005
        const place = scene.georeference!.geotransform.map((value) => Number(value.toFixed(9)));
        expect(place).toEqual([609585, 3945.5, 0, -3713985, 0, -3970.5]);
        const red = [...valid.keys()].filter((p) => valid[p] === 1).map((p) => values[p * 7 + 3]!);
        // valid pixels of all bands, within what the band holds
        expect(Math.min(...red)).toBeGreaterThanOrEqual(3129 * 2.75e-5 - 0.2 - 1e-7);
        expect(Math.max(...red)).toBeLessThanOrEqual(48223 * 2.75e-5 - 0.2 + 1e-7);
        await sameModel(folder);
        const { status, stderr } = await predictHere(folder, path, '--out', 'out');
        expect([status, stderr]).toEqual([0, expect.stringMatching(/pixels of the input are 3945\.5 x 3970\.5 m/)]);
        rmSync(join(folder, 'out.img'));
      },
    },
  ]);
});
