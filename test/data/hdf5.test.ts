import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { openPatchSet } from '../../src/data/patches.js';
import { avirisValue, landsatValue, type PatchShape, patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { sharedPath } from '../support/shared.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE: PatchShape = { patches: 5, height: 6, width: 4, inBands: 2, outBands: 3 };

/** Every number of every patch, read through the loader, is the formula's. */
async function expectFormula(path: string, shape = SHAPE, exact = Math.fround): Promise<void> {
  const set = await openPatchSet(path);
  expect(set).toMatchObject({
    count: shape.patches,
    height: shape.height,
    width: shape.width,
    inBands: shape.inBands,
    outBands: shape.outBands,
  });
  const reader = await openReader(set);
  try {
    for (let n = shape.patches - 1; n >= 0; n--) {
      const { input, target } = await reader.readPatch(n);
      const expected = (bands: number, value: typeof landsatValue) =>
        Float32Array.from({ length: shape.height * shape.width * bands }, (_, i) => {
          const pixel = Math.floor(i / bands);
          return exact(value(n, Math.floor(pixel / shape.width), pixel % shape.width, i % bands));
        });
      expect(input).toEqual(expected(shape.inBands, landsatValue));
      expect(target).toEqual(expected(shape.outBands, avirisValue));
    }
  } finally {
    await reader.close();
  }
}

describe('patch files', () => {
  it('of h5wasm, contiguous and in chunks that span patches', async () => {
    await expectFormula(await writeHdf5(join(folder, 'plain.h5'), patchDatasets(SHAPE)));
    await expectFormula(await writeHdf5(join(folder, 'chunked.h5'), patchDatasets(SHAPE, [2, 4, 3])));
    await expectFormula(await writeHdf5(join(folder, 'one.h5'), patchDatasets(SHAPE, [5, 6, 4])));
  });

  it('of PatchWriter, with everything it adds', async () => {
    const path = join(folder, 'written.h5');
    const writer = await PatchWriter.create(path, {
      height: 2,
      width: 2,
      inBands: 1,
      outBands: 2,
      downsamplingFactor: 7.5,
      wavelength: Float64Array.of(450, 550),
      fwhm: Float64Array.of(5, 6),
      goodBands: Uint8Array.of(1, 0),
      units: 'uW',
      scale: 2,
      sensor: 'toy',
      responseHash: 'abc',
      sourceScene: 'line_7',
      crsWkt: '',
      nodata: -9999,
      seed: 1,
      masked: true,
    });
    for (const n of [0, 1, 2])
      writer.append({
        landsat: Float32Array.of(n, 2, -9999, 4),
        aviris: Float32Array.of(10, Number.NaN, 12, 13, 14, 15, 16, 17),
        mask: Uint8Array.of(1, 255, 1, 0),
        origin: [3 * n, 5],
        geotransform: [0, 1, 0, 0, 0, -1],
      });
    writer.close();
    const set = await openPatchSet([path]);
    expect(set.warnings).toEqual([]);
    expect(set.files[0]).toEqual({
      path,
      patches: 3,
      height: 2,
      width: 2,
      inputHeight: 2,
      inputWidth: 2,
      sides: { input: 'landsat', target: 'aviris' },
      ratio: { up: 15, down: 2 },
      inBands: 1,
      outBands: 2,
      wavelength: Float64Array.of(450, 550),
      fwhm: Float64Array.of(5, 6),
      goodBands: Uint8Array.of(1, 0),
      units: 'uW',
      sensor: 'toy',
      responseHash: 'abc',
      scene: 'line_7',
      origins: Int32Array.of(0, 5, 3, 5, 6, 5),
      nodata: -9999,
      scale: 2,
      masked: true,
    });
    const reader = await openReader(set);
    // stored / scale; the NaN is in a bad band, so that the pixel stays valid; pixel 2 is nodata, pixel 3 is masked
    const { input, target, valid } = await reader.readPatch(1);
    expect(valid).toEqual(Uint8Array.of(1, 1, 0, 0));
    expect(input).toEqual(Float32Array.of(0.5, 1, 0, 0));
    expect(target).toEqual(Float32Array.of(5, 0, 6, 6.5, 0, 0, 0, 0));
    await reader.close();
  });

  it('cut into tiles hold the same pixels', async () => {
    const path = await writeHdf5(join(folder, 'tiles.h5'), {
      ...patchDatasets(SHAPE),
      origins: { data: Int32Array.from({ length: 10 }, (_, i) => 100 * i), shape: [5, 2] },
    });
    const set = await openPatchSet(path, { tile: 3 });
    // 6 x 4 holds two tiles of 3 x 3, one below the other
    expect(set).toMatchObject({ count: 10, height: 3, width: 3 });
    expect([...set.files[0]!.origins!.subarray(4, 8)]).toEqual([200, 300, 203, 300]);
    const reader = await openReader(set);
    const { input } = await reader.readPatch(3);
    expect(Array.from({ length: 9 }, (_, p) => input[2 * p]!)).toEqual(
      Array.from({ length: 9 }, (_, p) => landsatValue(1, 3 + Math.floor(p / 3), p % 3, 0)),
    );
    await reader.close();
  });

  it('fewer than three are cut into tiles with a warning', async () => {
    const set = await openPatchSet(await writeHdf5(join(folder, 'two.h5'), patchDatasets({ ...SHAPE, patches: 2 })));
    expect(set).toMatchObject({ count: 2 * 3 * 2, height: 2, width: 2 });
    expect(set.warnings[0]).toMatch(/^only 2 patches of 6 x 4 pixels: cut into tiles of 2 x 2/);
  });

  it('wavelengths out of order and in um are taken as they are', async () => {
    for (const [name, wavelength] of [
      ['order', [900, 400, 650]],
      ['um', [0.4, 0.5, 0.6]],
    ] as const) {
      const path = await writeHdf5(join(folder, `${name}.h5`), {
        ...patchDatasets(SHAPE),
        wavelength: { data: Float64Array.from(wavelength), shape: [3] },
      });
      await expectFormula(path);
    }
    // in nm from here on, whatever the file says
    expect((await openPatchSet(join(folder, 'um.h5'))).files[0]!.wavelength).toEqual(Float64Array.of(400, 500, 600));
    expect((await openPatchSet(join(folder, 'order.h5'))).files[0]!.wavelength).toEqual(Float64Array.of(900, 400, 650));
  });
});

const WRITE = `
import h5py, numpy as np, sys
folder = sys.argv[1]
n, y, x, b = np.ogrid[0:5, 0:6, 0:4, 0:3]
aviris = 1024 + n * 64 + y * 8 + x + b / 16
landsat = (n * 64 + y * 8 + x + b / 16)[..., :2]
def write(name, dtype, **options):
    with h5py.File(f'{folder}/{name}.h5', 'w') as h:
        h.create_dataset('aviris', data=aviris.astype(dtype), **options)
        h.create_dataset('landsat', data=landsat.astype(dtype), **options)
        h.attrs['n_patches'] = 5
        return h['aviris'].chunks
write('f4', 'f4')
write('auto', 'f4', compression='gzip', compression_opts=4, chunks=True)
write('spanning', 'f4', compression='gzip', chunks=(3, 4, 3, 2), shuffle=True, fletcher32=True)
write('f8', 'f8', compression='gzip')
write('big_endian', '>f4')
write('i2', 'i2')
write('big_endian_u2', '>u2', compression='gzip')
write('old', 'f4')
with h5py.File(f'{folder}/user_block.h5', 'w', userblock_size=512, libver='latest') as h:
    h['aviris'] = aviris.astype('f4')
    h['landsat'] = landsat.astype('f4')
with h5py.File(f'{folder}/bool.h5', 'w') as h:
    h['aviris'] = aviris.astype('f4')
    h['landsat'] = landsat.astype('f4')
    h['mask'] = np.broadcast_to((y + x)[..., 0] % 2 == 0, (5, 6, 4))
    h['good_bands'] = np.array([True, True, False])
    h['wavelength'] = np.array([400, 500, 600])
    h.attrs['source_scene'] = 'from_h5py'
    h.attrs['units'] = np.bytes_('reflectance')
`;

describePython('patch files of h5py', () => {
  it('of every type, order and chunking hold the same numbers', async () => {
    runPython(WRITE, [folder]);
    for (const name of ['f4', 'auto', 'spanning', 'f8', 'big_endian', 'user_block'])
      await expectFormula(join(folder, `${name}.h5`));
    for (const name of ['i2', 'big_endian_u2']) await expectFormula(join(folder, `${name}.h5`), SHAPE, Math.trunc);
  });

  it('have masks and lists of any integer type', async () => {
    const set = await openPatchSet(join(folder, 'bool.h5'));
    expect(set.files[0]).toMatchObject({
      goodBands: Uint8Array.of(1, 1, 0),
      wavelength: Float64Array.of(400, 500, 600),
      scene: 'from_h5py',
      units: 'reflectance',
      masked: true,
    });
    const reader = await openReader(set);
    const { valid } = await reader.readPatch(4);
    expect([...valid]).toEqual(Array.from({ length: 24 }, (_, p) => ((Math.floor(p / 4) + p) % 2 === 0 ? 1 : 0)));
    await reader.close();
  });
});

// Sums, quantiles and shapes of a real file, with numpy's arithmetic.
const DESCRIBE = `
import h5py, json, numpy as np, sys
with h5py.File(sys.argv[1]) as h:
    a, l = h['aviris'][:].astype('f8'), h['landsat'][:].astype('f8')
print(json.dumps({
    'shape': list(a.shape), 'inBands': l.shape[3],
    'mean': [v.mean((0, 1, 2)).tolist() for v in (l, a)],
    'all': [np.percentile(v, [1, 99]).tolist() for v in (l, a)],
    'each': [np.percentile(v, [1, 99], axis=(0, 1, 2)).T.tolist() for v in (l, a)],
}))
`;

describePython('the original layout', () => {
  const names = ['aviris_ng_2017', 'neon_sjer', 'santa_barbara'];
  for (const name of names) {
    const path = sharedPath(`data/original_layout/${name}`);
    it.skipIf(path === undefined)(`${name}: shape, mean and percentiles are numpy's`, async () => {
      const numpy = JSON.parse(runPython(DESCRIBE, [join(path!, 'test_patches.h5')]));
      const stored = await openPatchSet([path!]);
      expect(stored.warnings.at(-1)).toContain('wavelengths unknown');
      const [patches, height, width, outBands] = numpy.shape;
      expect(stored).toMatchObject({ inBands: numpy.inBands, outBands });
      expect(stored.files[0]!.tiles?.storedHeight ?? stored.height).toBe(height);
      // as one tile per patch, so that all pixels count
      const set = patches >= 3 ? stored : await openPatchSet(path!, { tile: Math.min(height, width) });
      expect(set.count).toBe(patches);
      const reader = await openReader(set);
      try {
        const all = Array.from({ length: set.count }, (_, p) => p);
        const mean = await reader.meanSpectra(all);
        const overall = await reader.quantiles(all, [0.01, 0.99], false);
        const each = await reader.quantiles(all, [0.01, 0.99], true);
        ['input', 'target'].forEach((side, i) => {
          const s = side as 'input' | 'target';
          near([...mean[s]], numpy.mean[i]);
          near(overall[s].flat(), numpy.all[i]);
          near(each[s].flat(), numpy.each[i].flat());
        });
      } finally {
        await reader.close();
      }
    });
  }
});

/** Both sides compute in double precision from the same float32 numbers. */
function near(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((v, i) => {
    expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(1e-9 * Math.abs(expected[i]!) + 1e-12);
  });
}
