/** ENVI headers and their data files as others write them. */
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { openEnvi, readEnvi } from '../../src/data/envi.js';
import { EnviScene } from '../../src/scenes/envi_scene.js';
import { openScene } from '../../src/scenes/open.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { braces, type CubeToWrite, enviHeader, wavelengths, writeCube } from '../support/envi_cubes.js';
import { type Quirk, quirks } from './table.js';

const SIZE = { lines: 2, samples: 3, bands: 4 } as const;
const value = (y: number, x: number, b: number) => 1 + b + 10 * x + 100 * y;
/** A cube of float32 BIP, 96 bytes, whose first number is `first`. */
const cube = (first = 1): CubeToWrite => ({ ...SIZE, value: (y, x, b) => value(y, x, b) + first - 1 });

/** Writes a header text under `name` and, where there are any, data of `bytes` bytes under `data`. */
function put(folder: string, name: string, text: string, data?: string, bytes = 96): string {
  writeFileSync(join(folder, name), text);
  if (data !== undefined) writeFileSync(join(folder, data), Buffer.alloc(bytes, 1));
  return join(folder, name);
}
const headerWith = (entries: Record<string, string | number>, description?: string) =>
  enviHeader({ ...SIZE, entries: { ...entries, ...(description ? { description } : {}) } });
const described = async (path: string) => (await openEnvi(path)).header.description;
const refused = (path: string, line: RegExp) => expect(openEnvi(path)).rejects.toThrow(line);

const PAIRS = [
  ['x', 'x.hdr'],
  ['x.img', 'x.hdr'],
  ['x.img', 'x.img.hdr'],
  ['x.dat', 'x.hdr'],
  ['a.b.c.img', 'a.b.c.hdr'],
  ['a.b.c', 'a.b.c.hdr'],
  ['x.img', 'x.HDR'],
  ['x.img', 'x.img.Hdr'],
  ['x.img', 'x.Hdr'],
  ['X.IMG', 'x.hdr'],
] as const;

const lookup: Quirk[] = [
  {
    name: 'the appended name wins over the replaced one',
    source: 'OSGeo/gdal #4317, MintPy #841',
    input: 'x.img beside x.hdr and x.img.hdr',
    right: 'x.img.hdr',
    check: async (folder) => {
      put(folder, 'x.hdr', headerWith({}, '{replaced}'), 'x.img');
      put(folder, 'x.img.hdr', headerWith({}, '{appended}'));
      expect(await described(join(folder, 'x.img'))).toBe('appended');
      // a header that is named is the one that is meant
      expect(await described(join(folder, 'x.hdr'))).toBe('replaced');
      expect((await openEnvi(join(folder, 'x.img.hdr'))).dataPath).toBe(join(folder, 'x.img'));
    },
  },
  {
    name: 'each of four files side by side has its own',
    source: 'OSGeo/gdal #4317, isofit PR #247',
    input: 'test.int, test.int.hdr, test.int.mph, test.int.mph.hdr',
    right: 'each its own',
    check: async (folder) => {
      for (const name of ['test.int', 'test.int.mph']) put(folder, `${name}.hdr`, headerWith({}, `{${name}}`), name);
      for (const name of ['test.int', 'test.int.mph']) {
        expect(await described(join(folder, name))).toBe(name);
        expect((await openEnvi(join(folder, `${name}.hdr`))).dataPath).toBe(join(folder, name));
      }
    },
  },
  ...PAIRS.map(
    ([data, header]): Quirk => ({
      name: `${data} and ${header}`,
      source: 'OSGeo/gdal #3378 and usual names',
      input: 'the two alone',
      right: 'opened, given either',
      check: async (folder) => {
        put(folder, header, headerWith({}, '{mine}'), data);
        expect(await described(join(folder, data))).toBe('mine');
        expect(basename((await openEnvi(join(folder, header))).dataPath)).toBe(data);
      },
    }),
  ),
  {
    name: 'a folder of the same name',
    source: 'predict FOLDER --out FOLDER makes it',
    input: 'scene.hdr and scene.img beside a folder scene',
    right: 'scene.img',
    check: async (folder) => {
      put(folder, 'scene.hdr', headerWith({}), 'scene.img');
      mkdirSync(join(folder, 'scene'));
      expect((await openEnvi(join(folder, 'scene.hdr'))).dataPath).toBe(join(folder, 'scene.img'));
    },
  },
  {
    name: 'a foreign file of the same name',
    source: 'brother of the folder',
    input: 'scene.hdr and scene.img beside a script `scene` of 10 bytes',
    right: 'scene.img, whose size fits',
    check: async (folder) => {
      put(folder, 'scene.hdr', headerWith({}), 'scene.img');
      writeFileSync(join(folder, 'scene'), 'a script\n\n');
      expect((await openEnvi(join(folder, 'scene.hdr'))).dataPath).toBe(join(folder, 'scene.img'));
    },
  },
  {
    name: 'ENVI data called x.tif',
    source: 'OSGeo/gdal gtiff/byte_envi.hdr and its reverse',
    input: 'x.tif of ENVI data beside x.hdr',
    right: 'read as ENVI by either name; a real TIFF beside a header stays a TIFF',
    check: async (folder) => {
      writeCube(join(folder, 'x'), cube());
      renameSync(join(folder, 'x.img'), join(folder, 'x.tif'));
      for (const name of ['x.tif', 'x.hdr']) {
        const scene = await openScene(join(folder, name));
        const { values } = await scene.read({ y: 1, x: 2, height: 1, width: 1 });
        await scene.close();
        expect([...values]).toEqual([121, 122, 123, 124]);
        expect(scene.name).toBe('x');
      }
      put(folder, 'y.hdr', headerWith({}));
      writeFileSync(join(folder, 'y.tif'), Buffer.from('II*\0\x08\0\0\0', 'latin1'));
      await expect(openScene(join(folder, 'y.tif'))).rejects.toThrow(/y\.tif: .*(TIFF|cut off|ends)/i);
    },
  },
  ...(
    [
      ['TIFF', [18761, 42]],
      ['HDF5', [18569, 17988, 2573, 2586]],
      ['JPEG', [-9985, -7937]],
    ] as const
  ).map(
    ([format, numbers]): Quirk => ({
      name: `data that begin like ${format}`,
      source: 'opera-adt/COMPASS #206, OSGeo/gdal #8879',
      input: `int16 whose first values are ${numbers.join(', ')}`,
      right: `pixel 0, 0 = ${numbers[0]}`,
      check: async (folder) => {
        const stored = (_: number, x: number, b: number) => numbers[x * 4 + b] ?? 7;
        writeCube(join(folder, 'x'), { ...SIZE, value: stored, type: 2 });
        renameSync(join(folder, 'x.img'), join(folder, 'x'));
        const { data } = await readEnvi(join(folder, 'x'));
        expect([...data.subarray(0, numbers.length)]).toEqual(numbers);
      },
    }),
  ),
  {
    name: 'paths with spaces and letters of all kinds',
    source: 'usual folders',
    input: 'Flug über Köln 東京/Linie 1.img',
    right: 'opened, also through a link',
    check: async (folder) => {
      const own = join(folder, 'Flug über Köln 東京');
      mkdirSync(own);
      put(own, 'Linie 1.hdr', headerWith({}, '{mine}'), 'Linie 1.img');
      expect(await described(join(own, 'Linie 1.img'))).toBe('mine');
      for (const ending of ['hdr', 'img']) symlinkSync(join(own, `Linie 1.${ending}`), join(folder, `link.${ending}`));
      expect(await described(join(folder, 'link.img'))).toBe('mine');
    },
  },
];

const NOT_PLAIN = [
  ['file type', 'PCI', 'spectralpython/spectral #72, #74'],
  ['file type', 'TIFF', 'brother of PCI'],
  ['file type', 'ENVI Classification', 'brother of PCI'],
  ['file type', 'ENVI Spectral Library', 'brother of PCI'],
  ['file compression', '1', 'OSGeo/gdal envi/aea_compressed.hdr'],
  ['major frame offsets', '{8, 8}', 'spectralpython/spectral #35'],
  ['minor frame offsets', '{4, 4}', 'spectralpython/spectral #35'],
  ['major frame offsets', '{0, 8}', 'spectralpython/spectral #35'],
] as const;

const plainPixels: Quirk[] = [
  ...NOT_PLAIN.map(
    ([entry, found, source]): Quirk => ({
      name: `${entry} = ${found}`,
      source,
      input: 'a data file whose size would fit, and one whose size would not',
      right: 'refused, naming the entry',
      check: async (folder) => {
        for (const bytes of [96, 50]) {
          const path = put(folder, 'x.hdr', headerWith({ [entry]: found }), 'x.img', bytes);
          await refused(
            path,
            new RegExp(`x\\.hdr: ${entry}: the data are not plain pixels; found ${found.replace(/[{}]/g, '')}`),
          );
        }
        const run = await bandliftHere(['inspect', 'x.img'], folder);
        expect(run.status).toBe(3);
        expect(expectOneError(run.stderr)).toContain(entry);
      },
    }),
  ),
  ...(
    [
      ['file type', 'ENVI Standard'],
      ['file type', 'envi standard'],
      ['file type', ''],
      ['file compression', '0'],
      ['major frame offsets', '{0, 0}'],
      ['minor frame offsets', '{0,0}'],
      ['interleave', 'BIP'],
    ] as const
  ).map(
    ([entry, text]): Quirk => ({
      name: `${entry} = ${text || '(nothing)'}`,
      source: 'spectralpython/spectral #35, #72',
      input: 'plain pixels',
      right: 'opened',
      check: async (folder) => {
        const path = writeCube(join(folder, 'x'), { ...cube(), entries: { [entry]: text } });
        expect([...(await readEnvi(path)).data.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
      },
    }),
  ),
];

const EMPTY = [
  'data ignore value =',
  'reflectance scale factor =',
  'header offset =',
  'byte order =',
  'file type =',
  'fwhm = {}',
  'fwhm = { }',
  'bbl = {}',
  'band names = {}',
  'map info = {}',
  'coordinate system string = {}',
  'description =',
  'wavelength units =',
  'wavelength = {}',
  'major frame offsets = {}',
  'file compression =',
];

const bare = `ENVI\nsamples = 3\nlines = 2\nbands = 4\ndata type = 4\ninterleave = bip\n`;

const entries: Quirk[] = [
  ...EMPTY.map(
    (line): Quirk => ({
      name: `'${line}'`,
      source: 'spectralpython/spectral #6, #67, #95',
      input: 'an entry with nothing after its =',
      right: 'as if it were absent',
      check: async (folder) => {
        const path = put(folder, 'x.hdr', `${bare}${line}\n`, 'x.img');
        expect((await openEnvi(path)).header).toEqual((await openEnvi(put(folder, 'x.hdr', bare))).header);
      },
    }),
  ),
  ...['samples', 'lines', 'bands', 'data type', 'interleave'].map(
    (name): Quirk => ({
      name: `without ${name}`,
      source: 'spectralpython/spectral #42, plantcv #1151',
      input: `no ${name}, or nothing after it`,
      right: 'refused, naming it',
      check: async (folder) => {
        const line = new RegExp(`x\\.hdr: ${name}: the header cannot be used; found nothing`);
        const without = bare.replace(new RegExp(`^${name} = .*\n`, 'm'), '');
        await refused(put(folder, 'x.hdr', without, 'x.img'), line);
        await refused(put(folder, 'x.hdr', `${without}${name} =\n`), line);
      },
    }),
  ),
  {
    name: 'without byte order, header offset and file type',
    source: 'plantcv #1151, corn-kernel-hyperspectral.hdr',
    input: 'the five required entries alone',
    right: 'little endian, offset 0',
    check: async (folder) => {
      writeCube(join(folder, 'x'), cube());
      const { header, data } = await readEnvi(put(folder, 'x.hdr', bare));
      expect(header).toMatchObject({ byteOrder: 0, headerOffset: 0 });
      expect([...data.subarray(20)]).toEqual([121, 122, 123, 124]);
    },
  },
  {
    name: 'comments, floats in bbl, a mark of UTF-8, other characters',
    source: 'spectralpython/spectral #6, #67, #95, plantcv darkReference4',
    input: '; lines with =, bbl = {1.0, 0.0, ...}, BOM and CRLF, latin-1',
    right: 'read; one bad band',
    check: async (folder) => {
      const text = `\ufeff${bare}; samples = 99\n;Pixel0 = 12.3658\nbbl = {1.0, 0.0, 1.0, 1.0}\n`.replaceAll(
        '\n',
        '\r\n',
      );
      put(folder, 'x.hdr', text, 'x.img');
      const { header } = await openEnvi(join(folder, 'x.hdr'));
      expect(header.samples).toBe(3);
      expect([...header.bbl!]).toEqual([1, 0, 1, 1]);
      writeFileSync(
        join(folder, 'x.hdr'),
        Buffer.concat([Buffer.from(bare), Buffer.from('description = {Flug \xfcber}\n', 'latin1')]),
      );
      expect(await described(join(folder, 'x.hdr'))).toMatch(/^Flug .ber$/);
    },
  },
  {
    name: 'band names that hold commas',
    source: 'as A10 of the public reports: names are not needed',
    input: '8 names by commas for 4 bands',
    right: 'read without names, told',
    check: async (folder) => {
      const path = writeCube(join(folder, 'x'), {
        ...cube(),
        entries: { 'band names': braces(Array.from({ length: 4 }, (_, b) => `Band ${b}, ${b} nm`)) },
      });
      const scene = await EnviScene.open(path);
      await scene.close();
      expect(scene.bandNames).toBeUndefined();
      expect(scene.warnings.join()).toMatch(/x\.hdr: band names: 8 for 4 bands; they are left out/);
    },
  },
  ...(
    [
      ['wavelengths', braces([400, 500, 600, 700]), 'wavelength'],
      ['wave length', braces([400, 500, 600, 700]), 'wavelength'],
      ['data_ignore_value', '-1', 'data ignore value'],
      ['data ignore values', '-1', 'data ignore value'],
      ['reflectance_scale_factor', '10000', 'reflectance scale factor'],
      ['scale factor', '10000', 'reflectance scale factor'],
      ['map_info', '{UTM, 1, 1, 0, 0, 4, 4, 11, North}', 'map info'],
      ['mapinfo', '{UTM, 1, 1, 0, 0, 4, 4, 11, North}', 'map info'],
      ['bad bands list', braces([1, 1, 0, 1]), 'bbl'],
      ['header_offset', '8', 'header offset'],
      ['byteorder', '1', 'byte order'],
    ] as const
  ).map(
    ([wrong, text, meant]): Quirk => ({
      name: `'${wrong}'`,
      source: 'isofit/isofit #784, EnMAP-Box #25, #933',
      input: 'a name that ENVI does not have, for one that the header lacks',
      right: `refused with the right name, '${meant}'`,
      check: async (folder) => {
        const lacks = bare.replace(/^byte order.*\n/m, '');
        await refused(
          put(folder, 'x.hdr', `${lacks}${wrong} = ${text}\n`, 'x.img'),
          new RegExp(
            `x\\.hdr: ${wrong}: this entry does not exist in ENVI headers, expected ${meant}; correct its name`,
          ),
        );
        // beside the right one it is an entry of somebody's own
        if (meant === 'wavelength')
          await openEnvi(put(folder, 'x.hdr', `${lacks}${wrong} = ${text}\nwavelength = ${text}\n`));
      },
    }),
  ),
  {
    name: 'names of others that resemble none',
    source: 'headers of AVIRIS-NG, NEON, EMIT, ENVI 5',
    input: 'default bands, smoothing factors, correction factors, solar irradiance, data units, z plot range, ...',
    right: 'kept as they are',
    check: async (folder) => {
      const names = [
        'default bands',
        'smoothing factors',
        'correction factors',
        'solar irradiance',
        'data units',
        'z plot range',
        'sensor type',
        'acquisition time',
        'pixel size',
        'crosstrack scan',
        'geotransform',
        'bandlift version',
        'raw_data_file',
        'timing',
        'row averaged flight',
      ];
      const path = put(folder, 'x.hdr', bare + names.map((name) => `${name} = 1\n`).join(''), 'x.img');
      const { header } = await openEnvi(path);
      expect(Object.keys(header.other!)).toEqual(names);
      expect(header.remarks).toBeUndefined();
    },
  },
];

/** 107 bands from 376.86 nm on, 20 nm apart; a spectrum that the unit must not change. */
const CENTRES = wavelengths(107).map((w) => w - 23.14);
const oliOf = (centres: ArrayLike<number>) =>
  bandWeights(LANDSAT8_OLI, centres).map((weights) => weights.reduce((sum, w, b) => sum + w * (0.1 + 0.001 * b), 0));
const withWavelengths = (folder: string, scale: number, line: string, list?: string) => {
  const values = CENTRES.map((w) => Number((w * scale).toPrecision(9)));
  const text = `ENVI\nsamples = 1\nlines = 1\nbands = 107\ndata type = 4\ninterleave = bip\n${line}\nwavelength = ${list ?? braces(values)}\n`;
  return put(folder, 'x.hdr', text, 'x.img', 428);
};

const units: Quirk[] = [
  ...(
    [
      ['nm', 1, 'wavelength units = Nanometers'],
      ['nm', 1, 'wavelength units = Nanometer'],
      ['nm', 1, 'wavelength units = nm'],
      ['nm', 1, 'wavelength units = Unknown'],
      ['nm', 1, 'wavelength units ='],
      ['nm', 1, 'wavelength_unts = Nanometers'],
      ['nm', 1, ''],
      ['um', 1e-3, 'wavelength units = Micrometers'],
      ['um', 1e-3, 'wavelength units = um'],
      ['um', 1e-3, 'wavelength units = Unknown'],
      ['um', 1e-3, ''],
      ['m', 1e-9, 'wavelength units = Meters'],
      ['angstrom', 10, 'wavelength units = Angstroms'],
      ['mm', 1e-6, 'wavelength units = Millimeters'],
      ['cm', 1e-7, 'wavelength units = cm'],
    ] as const
  ).map(
    ([unit, scale, line]): Quirk => ({
      name: `values in ${unit}, '${line}'`,
      source: 'isofit #784, EnMAP-Box #25, WISER #14, #91, cubus_gamsberg_subset',
      input: '107 bands from 376.86 nm',
      right: 'the same seven OLI values',
      check: async (folder) => {
        const { header } = await openEnvi(withWavelengths(folder, scale, line));
        expect(header.wavelength![0]).toBeCloseTo(376.86, 6);
        const right = oliOf(CENTRES);
        // nine digits in the file
        oliOf(header.wavelength!).forEach((v, i) => {
          expect(v).toBeCloseTo(right[i]!, 8);
        });
        if (line.includes('unts'))
          expect(header.remarks).toEqual([`'wavelength_unts' is not read; the entry is called 'wavelength units'`]);
      },
    }),
  ),
  ...(
    [
      ['nm', 1, 'Micrometers', /found 376\.86 Micrometers, expected 100 to 100000 nm; check the units/],
      ['um', 1e-3, 'Nanometers', /found 0\.37686 Nanometers, expected 100 to 100000 nm; check the units/],
      ['nm', 1, 'Meters', /found 376\.86 Meters, expected 100 to 100000 nm; check the units/],
      ['nm', 1, 'Wavenumber', /wavelength units: cannot be used; found Wavenumber, expected Nanometers/],
      ['nm', 1, 'GHz', /wavelength units: cannot be used; found GHz/],
      ['nm', 1, 'Index', /wavelength units: cannot be used; found Index.*or remove them if they only number the bands/],
    ] as const
  ).map(
    ([unit, scale, word, line]): Quirk => ({
      name: `values in ${unit}, wavelength units = ${word}`,
      source: 'brothers of EnMAP-Box #25',
      input: 'a unit that the values cannot be in, or that is no length',
      right: 'refused, naming file and entry',
      check: (folder) =>
        refused(withWavelengths(folder, scale, `wavelength units = ${word}`), new RegExp(`x\\.hdr: .*${line.source}`)),
    }),
  ),
  ...(
    [
      ['[ 365.9 375.6 ]', /x\.hdr: wavelength: .*found 1 entries, expected 107/],
      ['[ 365.9\n375.6 ]', /x\.hdr: line 9: not an entry/],
      [`{${CENTRES.join(' ')}}`, /x\.hdr: wavelength: .*found 1 entries, expected 107/],
      [braces(CENTRES.slice(1)), /x\.hdr: wavelength: .*found 106 entries, expected 107/],
      [braces(CENTRES.map((w, b) => (b === 3 ? 0 : w))), /x\.hdr: wavelength 4: not a wavelength; found 0/],
    ] as const
  ).map(
    ([list, line]): Quirk => ({
      name: `wavelength = ${list.slice(0, 18).replace('\n', '\\n')}...`,
      source: 'gref4hsi #10, HyTools-sandbox #4',
      input: 'a list that cannot be read',
      right: 'refused, never "no wavelengths"',
      check: (folder) => refused(withWavelengths(folder, 1, 'wavelength units = Nanometers', list), line),
    }),
  ),
];

const FOREIGN = [
  [
    'emit.nc',
    '\x89HDF\r\n\x1a\n',
    /emit\.nc: is a netCDF file \(such as products of EMIT.*not an ENVI cube; write it as/,
  ],
  ['neon.h5', '\x89HDF\r\n\x1a\n', /neon\.h5: is an HDF5 file \(such as products of NEON/],
  ['prisma.he5', '\x89HDF\r\n\x1a\n', /prisma\.he5: is an HDF5 file/],
  ['old.nc', 'CDF\x01', /old\.nc: is a netCDF file, not an ENVI cube/],
  ['modis.hdf', '\x0e\x03\x13\x01', /modis\.hdf: is an HDF4 file/],
  ['enmap.TIF', 'II*\0', /enmap\.TIF: is a TIFF file, not an ENVI cube.*gdal_translate -of ENVI/],
  ['mosaic.vrt', '<VRTDataset>', /mosaic\.vrt: is a GDAL virtual raster, not an ENVI cube/],
  ['LC08_MTL.txt', 'GROUP = LANDSAT_METADATA_FILE', /MTL\.txt: is a Landsat product's metadata, not an ENVI cube/],
  [
    'LC09.tar',
    'a',
    /LC09\.tar: is a tar archive, not an ENVI cube; unpack it \(mkdir \S*LC09 && tar -xf \S*LC09\.tar -C \S*LC09\)/,
  ],
  [
    'line.tar.gz',
    '\x1f\x8b',
    /line\.tar\.gz: is a compressed tar archive, not an ENVI cube; unpack it \(mkdir \S*line && tar -xf/,
  ],
  ['line.zip', 'PK\x03\x04', /line\.zip: is a zip archive, not an ENVI cube; unpack it/],
  ['quick.png', '\x89PNG', /quick\.png: is a picture, not an ENVI cube/],
] as const;

const foreign: Quirk[] = [
  ...FOREIGN.map(
    ([name, start, line]): Quirk => ({
      name: `${name} as a cube`,
      source: "products as delivered: EMIT, NEON, PRISMA, EnMAP, USGS's archives",
      input: 'given to prepare',
      right: 'told what it is, never "the header is missing"',
      check: async (folder) => {
        writeFileSync(join(folder, name), Buffer.from(start.padEnd(600, '\0'), 'latin1'));
        const run = await bandliftHere(['prepare', name, '--out', 'patches'], folder);
        expect(run.status).toBe(3);
        expect(expectOneError(run.stderr)).toMatch(line);
      },
    }),
  ),
  {
    name: 'a folder',
    source: 'a new user',
    input: 'prepare FOLDER, of two cubes',
    right: 'told to give the cubes',
    check: async (folder) => {
      mkdirSync(join(folder, 'd1'));
      writeCube(join(folder, 'd1/a'), cube());
      const run = await bandliftHere(['prepare', 'd1', '--out', 'patches'], folder);
      expect(run.status).toBe(3);
      expect(expectOneError(run.stderr)).toMatch(/d1: is a folder; give the ENVI cubes in it: d1\/\*\.hdr$/);
    },
  },
  {
    name: 'other .hdr files, other interleaves, lists of other cubes',
    source: 'plantcv arcgis.hdr, darkReference4 (bup), darkReference2 (no data)',
    input: 'NROWS 3, interleave = bup, 35 wavelengths for 978 bands, a header alone',
    right: 'one line each',
    check: async (folder) => {
      await refused(put(folder, 'arcgis.hdr', 'NROWS 3\nNCOLS 4\n'), /arcgis\.hdr: line 1: not an ENVI header/);
      await refused(
        put(folder, 'x.hdr', bare.replace('bip', 'bup'), 'x.img'),
        /x\.hdr: interleave: .*found bup, expected bil, bip or bsq/,
      );
      await refused(
        put(folder, 'x.hdr', `${bare}wavelength = {513.342}\n`),
        /wavelength: .*found 1 entries, expected 4/,
      );
      await refused(put(folder, 'alone.hdr', bare), /alone\.hdr: the data file of this header is missing, expected/);
    },
  },
];

const sizes: Quirk[] = [
  ...(['bsq', 'bip', 'bil'] as const).map(
    (interleave): Quirk => ({
      name: `5.1 GB, ${interleave}`,
      source: 'OSGeo/gdal #915, spectral #61, nodejs #55864',
      input: 'a sparse cube with one known pixel, the last',
      right: '0.1, 0.3, 0.5; one byte less or more is told with both sizes',
      check: async (folder) => {
        // 17 million pixels of 75 float32
        const [lines, samples, bands] = [17_000, 1000, 75];
        const bytes = lines * samples * bands * 4;
        const text = `ENVI\nsamples = ${samples}\nlines = ${lines}\nbands = ${bands}\ndata type = 4\ninterleave = ${interleave}\n`;
        const path = put(folder, 'x.hdr', text, 'x.img', 0);
        const data = join(folder, 'x.img');
        truncateSync(data, bytes);
        const file = openSync(data, 'r+');
        const at = (b: number) =>
          ({
            bip: (lines * samples - 1) * bands + b,
            bil: ((lines - 1) * bands + b) * samples + samples - 1,
            bsq: (b * lines + lines - 1) * samples + samples - 1,
          })[interleave] * 4;
        [0.1, 0.3, 0.5].forEach((v, i) => {
          writeSync(file, Buffer.from(Float32Array.of(v).buffer), 0, 4, at([0, 37, 74][i]!));
        });
        closeSync(file);
        const scene = await EnviScene.open(path);
        const { values, valid } = await scene.read({ y: lines - 1, x: samples - 1, height: 1, width: 1 });
        await scene.close();
        expect([values[0], values[37], values[74], valid[0]]).toEqual([...Float32Array.of(0.1, 0.3, 0.5), 1]);
        truncateSync(data, bytes - 1);
        await refused(path, /x\.img: .*found 5099999999 bytes, expected 5100000000 \(17000 lines x 1000 samples/);
        truncateSync(data, bytes + 1);
        await refused(path, /found 5100000001 bytes, expected 5100000000/);
      },
    }),
  ),
];

quirks('which header and data file', lookup);
quirks('data that are not plain pixels', plainPixels);
quirks('entries', entries);
quirks('wavelengths', units);
quirks('files that are no ENVI cubes', foreign);
quirks('large cubes', sizes);
