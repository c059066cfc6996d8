import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { BandliftError, EXIT } from '../../src/base/errors.js';
import { Random } from '../../src/base/random.js';
import { Hdf5PatchFile } from '../../src/data/hdf5_file.js';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { type PatchShape, patchDatasets, type Written, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE: PatchShape = { patches: 4, height: 3, width: 3, inBands: 2, outBands: 3 };
const at = (name: string) => join(folder, name);

/** One clear line for the user, which names the file and says all of `words`. */
async function expectRefused(action: Promise<unknown>, ...words: (string | RegExp)[]): Promise<void> {
  const error = await action.then(
    () => expect.fail('was accepted'),
    (e: Error) => e,
  );
  expect(error).toBeInstanceOf(BandliftError);
  expect((error as BandliftError).exitCode).toBe(EXIT.badInput);
  expect(error.message).not.toContain('\n');
  expect(error.message.length).toBeLessThan(600);
  for (const word of words) expect(error.message).toMatch(word);
}

/** A file that is valid but for what is given. */
async function file(name: string, change: Record<string, Written>, attributes: Record<string, number | string> = {}) {
  return writeHdf5(at(name), { ...patchDatasets(SHAPE), ...change }, attributes);
}
const zeros = (...shape: number[]): Written => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape });

describe('files that are not patch files are refused', () => {
  it('no such path, an empty folder, nothing given, the same file twice', async () => {
    await expectRefused(openPatchSet(at('nowhere')), at('nowhere'), 'no such file or folder');
    mkdirSync(at('empty'));
    await expectRefused(openPatchSet(at('empty')), at('empty'), 'holds no patch files', /expected \*\.h5/);
    await expectRefused(openPatchSet([]), 'no patch files were given');
    const path = await file('twice.h5', {});
    await expectRefused(openPatchSet([path, path]), path, 'given twice');
  });

  it('a folder called x.h5 inside a folder', async () => {
    mkdirSync(at('nested/x.h5'), { recursive: true });
    await expectRefused(openPatchSet(at('nested')), at('nested/x.h5'), 'not a regular file');
  });

  it('a text file and an empty one', async () => {
    writeFileSync(at('text.h5'), 'landsat,aviris\n'.repeat(100));
    await expectRefused(openPatchSet(at('text.h5')), at('text.h5'), 'not an HDF5 file');
    writeFileSync(at('empty.h5'), '');
    await expectRefused(openPatchSet(at('empty.h5')), at('empty.h5'), 'the file is empty');
  });

  it('truncated anywhere', async () => {
    const bytes = readFileSync(await file('whole.h5', patchDatasets(SHAPE, [1, 3, 3])));
    for (const share of [0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]) {
      writeFileSync(at('cut.h5'), bytes.subarray(0, Math.ceil(share * bytes.length)));
      await expectRefused(openPatchSet(at('cut.h5')), at('cut.h5'), /not an HDF5 file|damaged|incomplete/);
    }
    writeFileSync(at('cut.h5'), bytes.subarray(0, bytes.length - 1));
    await expectRefused(openPatchSet(at('cut.h5')), at('cut.h5'), /damaged|incomplete/);
  });
});

describe('wrong datasets are refused with the dataset, what was found and what was expected', () => {
  it('missing ones', async () => {
    const { aviris, landsat } = patchDatasets(SHAPE);
    const a = await writeHdf5(at('no_landsat.h5'), { aviris });
    await expectRefused(openPatchSet(a), a, "dataset 'landsat' is missing", 'found aviris', 'expected');
    const b = await writeHdf5(at('no_aviris.h5'), { landsat, other: zeros(2) });
    await expectRefused(openPatchSet(b), b, "dataset 'aviris' is missing", /found .*landsat/);
  });

  it('wrong number of dimensions, another number of patches, another size', async () => {
    const rank = await file('rank.h5', { aviris: zeros(4, 9, 3) });
    await expectRefused(openPatchSet(rank), rank, 'aviris', /found \(4,9,3\), expected \(N,H,W,bands\)/);
    const count = await file('count.h5', { landsat: zeros(3, 3, 3, 2) });
    await expectRefused(openPatchSet(count), count, 'landsat', /found \(3,3,3,2\), expected \(4,3,3,bands\)/);
    const size = await file('size.h5', { landsat: zeros(4, 3, 1, 2) });
    await expectRefused(openPatchSet(size), size, 'landsat', /found \(4,3,1,2\), expected \(4,3,3,bands\)/);
  });

  it('types of numbers that are none of ours', async () => {
    const text = await file('text_type.h5', { landsat: { data: ['a', 'b'], shape: [2, 1, 1, 1] } });
    await expectRefused(openPatchSet(text), text, 'landsat', /found text, expected float32, float64, int16 or uint16/);
    const long = await file('int64.h5', { aviris: { data: new BigInt64Array(108), shape: [4, 3, 3, 3], dtype: '<q' } });
    await expectRefused(openPatchSet(long), long, 'aviris', /found int64, expected float32/);
  });

  it('an attribute n_patches, a scale or a nodata value that is wrong', async () => {
    const count = await file('n_patches.h5', {}, { n_patches: 36 });
    await expectRefused(openPatchSet(count), count, 'attribute n_patches', /found 36, expected 4/);
    const scale = await file('scale.h5', {}, { scale: 0 });
    await expectRefused(openPatchSet(scale), scale, 'attribute scale', /found 0, expected a number > 0/);
    const nodata = await file('nodata.h5', {}, { nodata: 'none' });
    await expectRefused(openPatchSet(nodata), nodata, 'attribute nodata', 'is not a number', 'found none');
  });

  it('lists of the wrong length or with holes', async () => {
    const length = await file('fwhm.h5', { fwhm: zeros(2) });
    await expectRefused(openPatchSet(length), length, 'fwhm', /found \(2\), expected \(3\)/);
    const hole = await file('hole.h5', { wavelength: { data: Float32Array.of(1, 2, Number.NaN), shape: [3] } });
    await expectRefused(openPatchSet(hole), hole, 'wavelength', 'entry 2 is not a finite number');
    const origins = await file('origins.h5', { origins: zeros(4, 3) });
    await expectRefused(openPatchSet(origins), origins, 'origins', /found \(4,3\), expected \(4,2\)/);
    const mask = await file('mask.h5', { mask: { data: new Uint8Array(12), shape: [4, 3, 1] } });
    await expectRefused(openPatchSet(mask), mask, 'mask', /found \(4,3,1\), expected \(4,3,3\)/);
    const float = await file('float_mask.h5', { mask: zeros(4, 3, 3) });
    await expectRefused(openPatchSet(float), float, 'mask', /found float32, expected uint8/);
    const dead = await file('no_good.h5', { good_bands: { data: new Uint8Array(3), shape: [3] } });
    await expectRefused(openPatchSet(dead), dead, 'good_bands', 'no good band');
  });
});

describe('files that do not belong together are refused with both', () => {
  const other = async (name: string, shape: Partial<PatchShape>, more: Record<string, Written> = {}, units = 'uW') =>
    writeHdf5(at(name), { ...patchDatasets({ ...SHAPE, ...shape }), ...more }, { units });
  const bands = (...values: number[]): Record<string, Written> => ({
    wavelength: { data: Float64Array.from(values), shape: [values.length] },
  });
  let first: string;
  beforeAll(async () => {
    first = await other('first.h5', {}, bands(400, 500, 600));
  });

  it('sizes, band counts, wavelengths, units', async () => {
    const size = await other('other_size.h5', { height: 5 });
    await expectRefused(openPatchSet([first, size]), size, first, /found \(4,5,3,3\), expected \(N,3,3,3\)/);
    const count = await other('other_bands.h5', { outBands: 4 });
    await expectRefused(openPatchSet([first, count]), count, first, 'aviris', /found \(4,3,3,4\)/);
    const inputs = await other('other_inputs.h5', { inBands: 1 });
    await expectRefused(openPatchSet([first, inputs]), inputs, first, 'landsat', /found \(4,3,3,1\)/);
    const moved = await other('other_wavelengths.h5', {}, bands(400, 507, 600));
    await expectRefused(openPatchSet([first, moved]), moved, first, 'band 1', /found 507 nm, expected 500 nm/);
    const units = await other('other_units.h5', {}, {}, 'reflectance');
    await expectRefused(openPatchSet([first, units]), units, first, 'units', /found reflectance, expected uW/);
    const good = await other('other_good.h5', {}, { good_bands: { data: Uint8Array.of(1, 0, 1), shape: [3] } });
    // each patch has its own mask of bands then
    expect(await openPatchSet([first, good])).toMatchObject({ count: 8, bandMasks: true });
    const list = await other('other_mask.h5', {}, { band_mask: { data: new Uint8Array(8), shape: [4, 2] } });
    await expectRefused(openPatchSet([first, list]), list, 'band_mask', /found \(4,2\), expected \(4,3\)/);
  });

  it('but um beside nm and a file without wavelengths are fine', async () => {
    const um = await other('um.h5', {}, bands(0.4, 0.5, 0.6));
    expect((await openPatchSet([first, um])).count).toBe(8);
    const plain = await other('plain.h5', {});
    expect((await openPatchSet([plain, first])).warnings.join()).toContain('plain.h5: wavelengths unknown');
  });
});

describe('invalid pixels without a mask are refused with their place', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('%s', async (value) => {
    const { aviris } = patchDatasets(SHAPE);
    (aviris.data as Float32Array)[2 * 27 + 1 * 9 + 2 * 3 + 1] = value; // patch 2, row 1, column 2, band 1
    const path = await file('invalid.h5', { aviris });
    const reader = await openReader(await openPatchSet(path));
    const read = async () => {
      for await (const batch of reader.batches({ patches: [1, 2], batchSize: 1 })) batch.release();
    };
    await expectRefused(read(), path, 'aviris', 'patch 2, row 1, column 2, band 1', `found ${value}`, 'nodata');
    await reader.close();
  });
});

const WRITE = `
import h5py, numpy as np, sys
folder = sys.argv[1]
def write(name, **sets):
    with h5py.File(f'{folder}/{name}.h5', 'w') as h:
        for key in ('aviris', 'landsat'):
            if key not in sets: h[key] = np.zeros((4, 3, 3, 2), 'f4')
        for key, options in sets.items(): h.create_dataset(key, **options)
write('float16', aviris=dict(data=np.zeros((4, 3, 3, 2), 'f2')))
write('none', aviris=dict(shape=(0, 3, 3, 2), dtype='f4'), landsat=dict(shape=(0, 3, 3, 2), dtype='f4'))
write('no_bands', aviris=dict(shape=(4, 3, 3, 0), dtype='f4'))
write('absurd', aviris=dict(shape=(1000, 1000, 1000, 1000), dtype='f4', chunks=(1, 64, 64, 64), compression='gzip'))
write('many', aviris=dict(shape=(10**6, 100, 100, 100), dtype='f4', chunks=(1, 64, 64, 64), compression='gzip'))
write('lzf', aviris=dict(data=np.zeros((4, 3, 3, 2), 'f4'), compression='lzf'))
write('compound', aviris=dict(data=np.zeros((4, 3, 3, 2), [('a', 'f4'), ('b', 'f4')])))
write('object', aviris=dict(data=np.full((4, 3, 3, 2), 'x', object), dtype=h5py.string_dtype()))
write('scalar', aviris=dict(data=3.0))
with h5py.File(f'{folder}/group.h5', 'w') as h:
    h.create_group('aviris')
with h5py.File(f'{folder}/link.h5', 'w') as h:
    h['aviris'] = h5py.ExternalLink('missing.h5', 'aviris')
    h['landsat'] = h5py.SoftLink('/nowhere')
`;

describePython('files of h5py that are not patch files are refused', () => {
  beforeAll(() => runPython(WRITE, [folder]));
  it.each([
    ['float16', 'aviris', /found float16, expected float32/],
    ['none', 'aviris', /holds no patches; found \(0,3,3,2\)/],
    ['no_bands', 'aviris', /empty dimension; found \(4,3,3,0\)/],
    ['absurd', 'aviris', /too large; found 1000 x 1000 x 1000 numbers/],
    ['many', 'aviris', /claims more data than the file can hold; found .*4000000000000 bytes in a file of \d+/],
    ['lzf', 'aviris', /filter that is not part of HDF5 itself; found lzf/],
    ['compound', 'aviris', /wrong type of numbers/],
    ['object', 'aviris', /wrong type of numbers; found text|HDF5 type class/],
    ['scalar', 'aviris', /wrong number of dimensions; found \(\)/],
    ['group', 'aviris', /is a group; found nothing in it, expected a dataset/],
    ['link', 'aviris', /is a link to another file; found aviris of missing\.h5/],
  ] as const)('%s', async (name, field, wanted) => {
    await expectRefused(openPatchSet(at(`${name}.h5`)), at(`${name}.h5`), field, wanted);
  });
});

describe('damaged bytes', () => {
  /** Opens and reads everything. */
  async function readAll(path: string): Promise<void> {
    const open = await Hdf5PatchFile.open(path);
    try {
      const { patches } = open.info;
      open.read('target', 0, patches);
      open.read('input', 0, patches);
      for (let p = 0; p < patches; p++) open.mask('target', p);
    } finally {
      open.close();
    }
  }

  it.each([
    ['contiguous', undefined],
    ['in chunks', [2, 3, 2]],
  ] as const)('of a file that is %s end in numbers or in one line, 300 times', async (name, chunks) => {
    const good = await file(`good_${name}.h5`, {
      ...patchDatasets(SHAPE, chunks),
      mask: { data: new Uint8Array(36).fill(1), shape: [4, 3, 3] },
      wavelength: { data: Float64Array.of(1, 2, 3), shape: [3] },
    });
    const bytes = readFileSync(good);
    const random = new Random(chunks ? 1 : 2);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const damaged = Buffer.from(bytes);
      for (let i = 0; i <= random.integer(4); i++) damaged[random.integer(bytes.length)]! ^= 1 + random.integer(255);
      writeFileSync(at('damaged.h5'), damaged);
      const error = await readAll(at('damaged.h5')).then(
        () => undefined,
        (e: Error) => e,
      );
      if (error === undefined) continue;
      refused++;
      expect(error, `round ${round}: ${error.stack}`).toBeInstanceOf(BandliftError);
      expect(error.message).not.toContain('\n');
      // the library is none the worse
      await readAll(good);
    }
    expect(refused).toBeGreaterThan(0);
  });
});
