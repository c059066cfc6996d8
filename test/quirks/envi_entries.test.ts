/** Entries of ENVI headers as others write them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEnvi, readEnvi } from '../../src/raster/envi.js';
import { EnviScene } from '../../src/scenes/envi_scene.js';
import { braces, writeCube } from '../support/envi_cubes.js';
import { bare, cube, described, put, refused } from './envi_files.js';
import { type Quirk, quirks } from './table.js';

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

quirks('entries', entries);
