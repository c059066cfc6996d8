/** Which header belongs to which ENVI data, what is not plain pixels, and cubes beyond 4 GB. */
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
import { openEnvi, readEnvi } from '../../src/raster/envi.js';
import { EnviScene } from '../../src/scenes/envi_scene.js';
import { openScene } from '../../src/scenes/open.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { writeCube } from '../support/envi_cubes.js';
import { cube, described, headerWith, put, refused, SIZE } from './envi_files.js';
import { type Quirk, quirks } from './table.js';

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
quirks('large cubes', sizes);
