import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PatchFileInfo, PatchWriter, writeFailure } from '../../src/data/patch_writer.js';
import { describePython, runPython } from '../support/python.js';
import { temporariesOf } from '../support/temporaries.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const INFO: PatchFileInfo = {
  height: 70,
  width: 5,
  inBands: 2,
  outBands: 3,
  downsamplingFactor: 7.5,
  wavelength: Float64Array.of(400, 500, 600),
  fwhm: Float64Array.of(5, 6, 7),
  goodBands: Uint8Array.of(1, 0, 1),
  units: 'uW cm-2 sr-1 nm-1',
  scale: 1,
  sensor: 'toy',
  responseHash: 'abc',
  sourceScene: 'line_1',
  crsWkt: 'PROJCS["somewhere"]',
  nodata: -9999,
  seed: 42,
  lowResolution: { height: 4, width: 1 },
  masked: true,
};

/** Patch n: every value tells where it is. */
function patch(n: number, info = INFO) {
  const count = info.height * info.width;
  return {
    aviris: Float32Array.from({ length: count * info.outBands }, (_, i) => n + i / 1024),
    landsat: Float32Array.from({ length: count * info.inBands }, (_, i) => -n - i / 1024),
    landsatLr: Float32Array.from({ length: 4 * info.inBands }, (_, i) => 10 * n + i),
    mask: Uint8Array.from({ length: count }, (_, i) => (i + n) % 2),
    origin: [70 * n, 5 * n] as const,
    geotransform: [n, 30, 0, -n, 0, -30],
  };
}

// Says the whole file as JSON, with h5py's own words for types.
const READ = `
import h5py, json, sys
with h5py.File(sys.argv[1]) as h:
    a = {k: (v.decode() if isinstance(v, bytes) else v.tolist() if hasattr(v, 'tolist') else v) for k, v in h.attrs.items()}
    d = {k: [list(v.shape), str(v.dtype), v.compression, v.compression_opts, list(v.chunks) if v.chunks else None] for k, v in h.items()}
    v = {k: h[k][:].ravel()[:4000].tolist() for k in h}
    types = {k: str(h.attrs[k].dtype) for k in ('n_patches', 'aviris_shape', 'downsampling_factor')}
    print(json.dumps({'attrs': a, 'sets': d, 'values': v, 'types': types}))
`;

describePython('patch files read by h5py', () => {
  it('have the documented layout and ours', async () => {
    const path = join(folder, 'two.h5');
    const writer = await PatchWriter.create(path, INFO);
    writer.append(patch(1));
    writer.append(patch(2));
    expect(existsSync(path)).toBe(false);
    writer.close();
    expect(temporariesOf(path).length > 0).toBe(false);
    const { attrs, sets, values, types } = JSON.parse(runPython(READ, [path]));
    expect(attrs).toEqual({
      n_patches: 2,
      aviris_shape: [70, 5, 3],
      landsat_shape: [70, 5, 2],
      downsampling_factor: 7.5,
      bandlift_format: 1,
      scale: 1,
      nodata: -9999,
      seed: 42,
      units: INFO.units,
      sensor: 'toy',
      response_hash: 'abc',
      source_scene: 'line_1',
      crs_wkt: INFO.crsWkt,
    });
    // as in the files of the documented layout
    expect(types).toEqual({ n_patches: 'int64', aviris_shape: 'int64', downsampling_factor: 'float64' });
    expect(sets).toEqual({
      aviris: [[2, 70, 5, 3], 'float32', 'gzip', 4, [1, 64, 5, 3]],
      landsat: [[2, 70, 5, 2], 'float32', 'gzip', 4, [1, 64, 5, 2]],
      landsat_lr: [[2, 4, 1, 2], 'float32', 'gzip', 4, [1, 4, 1, 2]],
      mask: [[2, 70, 5], 'uint8', 'gzip', 4, [1, 64, 5]],
      origins: [[2, 2], 'int32', 'gzip', 4, [1, 2]],
      geotransforms: [[2, 6], 'float64', 'gzip', 4, [1, 6]],
      wavelength: [[3], 'float64', null, null, null],
      fwhm: [[3], 'float64', null, null, null],
      good_bands: [[3], 'uint8', null, null, null],
    });
    const both = [patch(1), patch(2)];
    expect(values.aviris).toEqual(both.flatMap((p) => [...p.aviris]));
    expect(values.landsat).toEqual(both.flatMap((p) => [...p.landsat]));
    expect(values.landsat_lr).toEqual(both.flatMap((p) => [...p.landsatLr]));
    expect(values.mask).toEqual(both.flatMap((p) => [...p.mask]));
    expect(values.origins).toEqual([70, 5, 140, 10]);
    expect(values.geotransforms).toEqual(both.flatMap((p) => p.geotransform));
    expect(values.good_bands).toEqual([1, 0, 1]);
  });

  it('do without mask, low resolution and good-band list', async () => {
    const { lowResolution: _, masked: __, goodBands: ___, ...info } = INFO;
    const path = join(folder, 'plain.h5');
    const writer = await PatchWriter.create(path, { ...info, note: 'made by hand' });
    const { landsatLr: _low, mask: _mask, ...plain } = patch(3);
    writer.append(plain);
    writer.close();
    const { attrs, sets, values } = JSON.parse(runPython(READ, [path]));
    expect(attrs.note).toBe('made by hand');
    expect(Object.keys(sets).sort()).toEqual([
      'aviris',
      'fwhm',
      'geotransforms',
      'good_bands',
      'landsat',
      'origins',
      'wavelength',
    ]);
    expect(values.good_bands).toEqual([1, 1, 1]);
  });
});

describe('patch files', () => {
  it('of no patch are not written', async () => {
    const path = join(folder, 'none.h5');
    const writer = await PatchWriter.create(path, INFO);
    expect(() => writer.close()).toThrow(/none\.h5: no patch was written/);
    expect(existsSync(path) || temporariesOf(path).length > 0).toBe(false);
  });

  it('given up leave nothing, however often', async () => {
    const path = join(folder, 'given_up.h5');
    const writer = await PatchWriter.create(path, INFO);
    writer.append(patch(1));
    writer.discard();
    writer.discard();
    expect(existsSync(path) || temporariesOf(path).length > 0).toBe(false);
  });

  it('refuse a patch of another size and leave nothing', async () => {
    const path = join(folder, 'wrong.h5');
    const writer = await PatchWriter.create(path, INFO);
    writer.append(patch(1));
    expect(() => writer.append({ ...patch(2), landsat: new Float32Array(3) })).toThrow(
      /patch 1, landsat: 3 values, expected 700/,
    );
    expect(existsSync(path) || temporariesOf(path).length > 0).toBe(false);
  });

  it('in a folder that is not there', async () => {
    await expect(PatchWriter.create(join(folder, 'nowhere/x.h5'), INFO)).rejects.toThrow(
      /nowhere\/x\.h5: the patch file cannot be written; .*ENOENT/,
    );
  });

  it('tell a full disk in one line', () => {
    // as HDF5 2.0.0 told it when a limit on the size of files was met (shortened)
    const trace = (words: string) =>
      new Error(
        `HDF5-DIAG: Error detected in HDF5 (2.0.0):\n  #000: H5D.c line 477 in H5Dclose(): can't decrement count\n    major: Dataset\n  #016: H5FDsec2.c line 775: file write failed: filename = 'a.h5.tmp', errno = 22, error message = '${words}', buf = 0x15f8425`,
      );
    const path = join(folder, 'a.h5');
    expect(writeFailure(trace('File too large'), path, 1e6).message).toMatch(
      /a\.h5: the disk is full; found .* expected room for 1,000,000 bytes/,
    );
    expect(writeFailure(trace('No space left on device'), path, 1e6).message).toMatch(/the disk is full/);
    expect(writeFailure(trace('Input/output error'), path, 1e6).message).toMatch(
      /a\.h5: the patch file could not be written; Input\/output error$/,
    );
  });
});
