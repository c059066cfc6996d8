/** `inspect` of whatever a user has. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { metadataText } from '../support/landsat.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { makeTiff } from '../support/tiff_bytes.mjs';
import { type Quirk, quirks } from './table.js';

/** What inspect says, entry by entry. */
async function facts(folder: string, path: string): Promise<Record<string, string>> {
  const run = await bandliftHere(['inspect', path], folder);
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  return Object.fromEntries(
    run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, 22).trim(), line.slice(23)]),
  );
}

async function error(folder: string, path: string): Promise<string> {
  const run = await bandliftHere(['inspect', path], folder);
  expect(run.status).toBe(3);
  return expectOneError(run.stderr);
}

const rows: Quirk[] = [
  {
    name: 'an ENVI cube',
    source: 'a new user',
    input: 'a turned cube with a bad band',
    right: 'size, bands, place, warnings',
    check: async (folder) => {
      writeCube(join(folder, 'x'), {
        lines: 2,
        samples: 3,
        bands: 4,
        value: (_y, _x, b) => (b === 2 ? 0 : 0.1 + b),
        entries: { 'map info': utm(4, 'rotation=30'), wavelength: braces(wavelengths(4)), 'data units': 'reflectance' },
      });
      expect(await facts(folder, 'x.img')).toMatchObject({
        kind: 'ENVI cube',
        size: '2 x 3 pixels',
        bands: '4, 1 of them bad',
        wavelengths: '400.0 to 460.0 nm',
        units: 'reflectance',
        place: 'outer corner 300000, 3900000; pixels of 4 x 4 map units, turned',
        coordinate_system: 'EPSG:32611',
        interleave: 'bip',
      });
    },
  },
  {
    name: 'a Landsat product',
    source: 'a new user',
    input: 'its folder, its MTL.txt, one of its bands',
    right: 'the same words for each',
    check: async (folder) => {
      const product = join(folder, 'product');
      mkdirSync(product);
      const id = 'LC08_L2SP_231060_20200112_20200824_02_T1';
      const band = makeTiff({ width: 3, height: 2, bands: 1, bits: 16, format: 1, value: () => 10000 });
      const bands = Array.from({ length: 7 }, (_, b) => `${id}_SR_B${b + 1}.TIF`);
      for (const name of [...bands, `${id}_QA_PIXEL.TIF`]) writeFileSync(join(product, name), band);
      writeFileSync(join(product, `${id}_MTL.txt`), metadataText('txt', 2, 3));
      const whole = await facts(folder, 'product');
      expect(whole).toMatchObject({ kind: 'Landsat product', bands: '7', units: 'reflectance' });
      expect(whole.sensor).toMatch(/^Landsat [89] OLI/);
      for (const name of [`${id}_MTL.txt`, bands[3]!])
        expect(await facts(folder, join('product', name))).toEqual(whole);
    },
  },
  {
    name: 'a GeoTIFF stack, and other TIFFs',
    source: 'a new user',
    input: '7 bands of float32; 3 bands of uint16',
    right: 'described; why predict refuses the second',
    check: async (folder) => {
      writeFileSync(join(folder, 'stack.tif'), makeTiff({ width: 3, height: 2, bands: 7, bits: 32, format: 3 }));
      expect(await facts(folder, 'stack.tif')).toMatchObject({
        kind: 'GeoTIFF stack',
        size: '2 x 3 pixels',
        bands: '7',
      });
      writeFileSync(join(folder, 'rgb.tif'), makeTiff({ width: 3, height: 2, bands: 3, bits: 16, format: 1 }));
      const rgb = await facts(folder, 'rgb.tif');
      expect(rgb).toMatchObject({ kind: 'GeoTIFF', size: '2 x 3 pixels', bands: '3', type: 'uint16' });
      expect(rgb.predict).toMatch(/rgb\.tif: .*found 3/);
    },
  },
  {
    name: 'patches of different bands',
    source: 'a new user',
    input: 'a folder of two patch files, 5 and 6 bands',
    right: 'both listed, and why they do not belong together',
    check: async (folder) => {
      mkdirSync(join(folder, 'p'));
      const shape = { patches: 2, height: 4, width: 4, inBands: 3 };
      await writeHdf5(join(folder, 'p/a.h5'), patchDatasets({ ...shape, outBands: 5 }));
      await writeHdf5(join(folder, 'p/b.h5'), patchDatasets({ ...shape, outBands: 6 }));
      const run = await bandliftHere(['inspect', 'p'], folder);
      expect(run.status).toBe(0);
      expect(run.stdout).toMatch(/kind +patches that do not belong together/);
      expect(run.stdout).toMatch(/p\/a\.h5 +\d+ patches of .*-> 5,/);
      expect(run.stdout).toMatch(/p\/b\.h5 +\d+ patches of .*-> 6,/);
    },
  },
  {
    name: 'a folder of cubes',
    source: 'brother of a folder of patches',
    input: 'one good cube, one header that is none',
    right: 'listed, with the reason of the second',
    check: async (folder) => {
      mkdirSync(join(folder, 'd'));
      writeCube(join(folder, 'd/a'), { lines: 2, samples: 3, bands: 4, value: () => 1 });
      writeFileSync(join(folder, 'd/b.hdr'), 'JPEG');
      const run = await bandliftHere(['inspect', 'd'], folder);
      expect(run.stdout).toMatch(/a\.hdr +2 x 3 pixels, 4 bands, unknown, unknown/);
      expect(run.stdout).toMatch(/b\.hdr +.*line 1: not an ENVI header/);
    },
  },
  ...(
    [
      ['neon.h5', '\x89HDF\r\n\x1a\n', /neon\.h5: /],
      ['emit.nc', '\x89HDF\r\n\x1a\n', /emit\.nc: cannot be read as HDF5: .*; it is damaged or incomplete/],
      ['LC09.tar', 'x', /LC09\.tar: is a tar archive, not an ENVI cube; unpack it/],
      ['mosaic.vrt', '<VRTDataset>', /mosaic\.vrt: is a GDAL virtual raster/],
    ] as const
  ).map(
    ([name, start, line]): Quirk => ({
      name: `${name}, which cannot be read`,
      source: 'products as delivered',
      input: 'given to inspect',
      right: 'told what it is',
      check: async (folder) => {
        writeFileSync(join(folder, name), Buffer.from(start.padEnd(600, '\0'), 'latin1'));
        expect(await error(folder, name)).toMatch(line);
      },
    }),
  ),
  {
    name: 'an HDF5 product',
    source: 'NEON, PRISMA',
    input: 'an HDF5 file with other datasets',
    right: 'told that it is no patch file',
    check: async (folder) => {
      await writeHdf5(join(folder, 'neon.h5'), { Reflectance: { data: Float32Array.of(1, 2), shape: [1, 2] } });
      expect(await error(folder, 'neon.h5')).toMatch(
        /neon\.h5: is not a patch file: it has no dataset 'aviris'; found Reflectance; if it is a product of an instrument/,
      );
    },
  },
];

quirks('inspect', rows);
