/** Wavelengths of ENVI headers in every unit, and files that are no ENVI cubes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEnvi } from '../../src/raster/envi.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { braces, wavelengths, writeCube } from '../support/envi_cubes.js';
import { bare, cube, put, refused } from './envi_files.js';
import { type Quirk, quirks } from './table.js';

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
  {
    name: 'widths in nm beside wavelengths in um',
    source: 'found by trying',
    input: 'fwhm of 20, read as 20,000 nm; and of 2000',
    right: 'read as nm and told; refused',
    async check(folder) {
      const header = (width: number) =>
        withWavelengths(folder, 1e-3, `wavelength units = Micrometers\nfwhm = ${braces(CENTRES.map(() => width))}`);
      const { header: read } = await openEnvi(header(20));
      expect([...new Set(read.fwhm)]).toEqual([20]);
      expect(read.remarks).toEqual(['fwhm: is not in Micrometers, as the wavelengths are; taken as nm']);
      expect((await openEnvi(header(0.02))).header.fwhm![0]).toBeCloseTo(20, 9);
      await refused(header(2000), /x\.hdr: fwhm: .*found 2000000/);
    },
  },
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
  ['emit.nc', '\x89HDF\r\n\x1a\n', /emit\.nc: cannot be read as HDF5: .*; it is damaged or incomplete/],
  ['neon.h5', '\x89HDF\r\n\x1a\n', /neon\.h5: cannot be read as HDF5/],
  ['prisma.he5', '\x89HDF\r\n\x1a\n', /prisma\.he5: cannot be read as HDF5/],
  ['old.nc', 'CDF\x01', /old\.nc: is a netCDF file, not an ENVI cube/],
  ['modis.hdf', '\x0e\x03\x13\x01', /modis\.hdf: is an HDF4 file/],
  ['enmap.TIF', 'II*\0', /enmap\.TIF: directory: cannot be read as TIFF; .*the file is damaged or incomplete/],
  ['mosaic.vrt', '<VRTDataset>', /mosaic\.vrt: is a GDAL virtual raster, not an ENVI cube/],
  [
    'LC08_MTL.txt',
    'GROUP = LANDSAT_METADATA_FILE',
    /MTL\.txt: is no cube to make patches of; found a Landsat product, expected an ENVI cube/,
  ],
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

quirks('wavelengths', units);
quirks('files that are no ENVI cubes', foreign);
