/** Patch files in the storage forms that h5py and others write. */
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BandliftError } from '../../src/base/errors.js';
import { Hdf5PatchFile } from '../../src/data/hdf5_file.js';
import type { PatchFile } from '../../src/data/types.js';
import { openPatchScenes } from '../../src/scenes/patch_scenes.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';
import { type Quirk, quirks } from './table.js';

const work = temporaryFolder();
/** What each file is written by: Python that has the open file f, its path and the two arrays. */
const scripts: string[] = [];
const PATCHES = 4;
const PIXELS = 16;

/** 4 patches of 4 x 4 pixels, 7 -> 12 bands of small whole numbers, which every type holds. */
const WRITE = `
import json, sys, h5py, numpy as np
for i, script in enumerate(json.loads(sys.argv[2])):
    path = f'{sys.argv[1]}/{i}.h5'
    with h5py.File(path, 'w', libver='latest' if 'libver latest' in script else None) as f:
        low = (np.arange(448) + 1).astype('f4').reshape(4, 4, 4, 7)
        high = np.arange(768).astype('f4').reshape(4, 4, 4, 12)
        def both(kind='f4', **options):
            for name, data in (('landsat', low), ('aviris', high)):
                chunks = {'chunks': tuple(min(c, s) for c, s in zip(options['chunks'], data.shape))} if 'chunks' in options else {}
                f.create_dataset(name, data=data.astype(kind), **{**options, **chunks})
        exec(script)
`;

let written = false;
/** All files in one start of Python. */
function pathOf(index: number): string {
  if (!written) runPython(WRITE, [work, JSON.stringify(scripts)]);
  written = true;
  return join(work, `${index}.h5`);
}

/** In this thread: a worker takes longer to start than all of it. */
async function withPatches(index: number, use: (file: Hdf5PatchFile) => void): Promise<void> {
  const file = await Hdf5PatchFile.open(pathOf(index));
  try {
    use(file);
  } finally {
    file.close();
  }
}

const numbers = (bands: number, first: number) =>
  Array.from({ length: PATCHES }, (_, patch) =>
    Float32Array.from({ length: PIXELS * bands }, (_, i) => patch * PIXELS * bands + i + first),
  );

const REVIEW = 'review of training, report 31';

/** The numbers of the plain file, and what is said of it. */
const form = (name: string, input: string, script: string, about: Partial<PatchFile> = {}): Quirk => {
  const index = scripts.push(script) - 1;
  return {
    ...{ name, source: REVIEW, input, right: 'the same numbers', needs: 'Python' },
    check: () =>
      withPatches(index, (file) => {
        expect(file.read('input', 0, PATCHES)).toEqual(numbers(7, 1));
        expect(file.read('target', 0, PATCHES)).toEqual(numbers(12, 0));
        expect(file.info).toMatchObject(about);
      }),
  };
};

const refusal = (name: string, input: string, script: string, message: RegExp, source = REVIEW): Quirk => {
  const index = scripts.push(script) - 1;
  return {
    ...{ name, source, input, right: String(message), needs: 'Python' },
    async check() {
      const error = await Hdf5PatchFile.open(pathOf(index)).then(String, (e: BandliftError) => e);
      expect(error).toMatchObject({ message: expect.stringMatching(message), exitCode: 3 });
    },
  };
};

/** What inspect says. */
const inspection = (name: string, input: string, script: string, message: RegExp, source = REVIEW): Quirk => {
  const index = scripts.push(script) - 1;
  return {
    ...{ name, source, input, right: String(message), needs: 'Python' },
    async check(folder) {
      const result = await bandliftHere(['inspect', pathOf(index)], folder);
      expect(expectOneError(result.stderr)).toMatch(message);
      expect(result.status).toBe(3);
    },
  };
};

/** The same line where the patches are scenes for predict. */
const sceneRefusal = (name: string, input: string, script: string, message: RegExp): Quirk => {
  const index = scripts.push(script) - 1;
  return {
    ...{ name, source: `${REVIEW}: two descriptions of one file`, input, right: String(message), needs: 'Python' },
    check: async () => expect(openPatchScenes(pathOf(index))).rejects.toThrow(message),
  };
};

const masked = (name: string, mask: string): Quirk => {
  const index = scripts.push(`both(); m = np.ones((4, 4, 4), 'u1'); m[1, 2, 3] = 0; ${mask}`) - 1;
  return {
    ...{ name: `mask, ${name}`, source: REVIEW, input: '0 at patch 1, row 2, column 3', needs: 'Python' },
    right: 'that pixel alone is not valid',
    check: () =>
      withPatches(index, (file) => {
        for (let patch = 0; patch < PATCHES; patch++) {
          const expected = new Uint8Array(PIXELS).fill(1);
          if (patch === 1) expected[2 * 4 + 3] = 0;
          expect(file.mask('target', patch)).toEqual(expected);
        }
      }),
  };
};

const LZF = /not part of HDF5 itself; found lzf \(32000\), expected gzip, szip or none; h5repack/;
const centres = Float64Array.from({ length: 12 }, (_, i) => 400 + 50 * i);
const CENTRES = 'w = 400 + 50.0 * np.arange(12)';
const external = (file: string) =>
  `f["landsat"] = low; o = h5py.File(path + ".other", "w"); o["x"] = high; o.close(); f["aviris"] = h5py.ExternalLink(${file}, "/x")`;
const LINKED =
  /aviris: is a link to another file; found \/x of .*, expected a dataset of this file; copy the data into one/;

quirks('HDF5 patch files', [
  form('szip', 'both datasets, refused once with an untrue reason', 'both(compression="szip")'),
  form('filters', 'gzip, shuffle and fletcher32', 'both(compression="gzip", shuffle=True, fletcher32=True)'),
  ...['>f4', '<f8', '>f8', '<i2', '>i2', '<u2', '>u2'].map((type) => form('type', type, `both("${type}")`)),
  form('scale-offset', 'int16', 'both("i2", scaleoffset=0)'),
  form('scale-offset', 'float32 with no decimals', 'both("f4", scaleoffset=0)'),
  form('contiguous', 'both, beside a third dataset', 'both(); f["notes"] = np.zeros(3)'),
  form('chunks', 'of (3, 2, 3, 5), which divide nothing', 'both(compression="gzip", chunks=(3, 2, 3, 5))'),
  form('chunks', 'one for all patches', 'both(compression="gzip", chunks=(4, 4, 4, 12))'),
  form('newest format', "h5py's libver latest", 'both() # libver latest'),
  form(
    'compact',
    'the pixels within the header',
    `plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE); plist.set_layout(h5py.h5d.COMPACT)
for name, data in ((b"landsat", low), (b"aviris", high)):
    d = h5py.h5d.create(f.id, name, h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple(data.shape), plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, data)`,
  ),
  form(
    'soft link',
    'aviris -> /cube within the file',
    'f["landsat"] = low; f["cube"] = high; f["aviris"] = h5py.SoftLink("/cube")',
  ),
  form('attributes', 'units as bytes', 'both(); f.attrs["units"] = np.bytes_("reflectance")', { units: 'reflectance' }),
  form('attributes', 'units as str', 'both(); f.attrs["units"] = "reflectance"', { units: 'reflectance' }),
  form('attributes', 'nodata as an array of one', 'both(); f.attrs["nodata"] = np.array([-1.0])', { nodata: -1 }),
  form('wavelength', 'big-endian float32', `both(); ${CENTRES}; f["wavelength"] = w.astype(">f4")`, {
    wavelength: centres,
  }),
  form(
    'wavelength',
    'szip',
    `both(); ${CENTRES}; f.create_dataset("wavelength", data=w, chunks=(12,), compression="szip")`,
    {
      wavelength: centres,
    },
  ),
  form('wavelength', 'um', `both(); ${CENTRES}; f["wavelength"] = w / 1000`, { wavelength: centres }),
  form('wavelength', 'descending', `both(); ${CENTRES}; f["wavelength"] = w[::-1]`, {
    wavelength: centres.toReversed(),
  }),
  masked('gzip', 'f.create_dataset("mask", data=m, compression="gzip")'),
  masked('szip', 'f.create_dataset("mask", data=m, compression="szip")'),
  masked('bool', 'f["mask"] = m > 0'),
  masked('255 for valid', 'f["mask"] = m * 255'),
  masked('-1 for valid', 'f["mask"] = -m.astype("i1")'),
  refusal('LZF', 'both datasets', 'both(compression="lzf")', LZF, 'usnistgov/h5wasm #79'),
  refusal(
    'LZF on the mask',
    'mask alone',
    'both(); f.create_dataset("mask", data=np.ones((4, 4, 4), "u1"), compression="lzf")',
    new RegExp(`mask: .*${LZF.source}`),
  ),
  refusal(
    'LZF on the wavelengths',
    'wavelength alone',
    `both(); ${CENTRES}; f.create_dataset("wavelength", data=w, chunks=(12,), compression="lzf")`,
    new RegExp(`wavelength: .*${LZF.source}`),
  ),
  sceneRefusal('LZF, as scenes', 'both datasets', 'both(compression="lzf")', LZF),
  sceneRefusal(
    'external link, as scenes',
    'landsat in another file',
    'f["aviris"] = high; o = h5py.File(path + ".other", "w"); o["x"] = low; o.close(); f["landsat"] = h5py.ExternalLink(path + ".other", "/x")',
    /landsat: is a link to another file; found \/x of /,
  ),
  refusal('external link', 'aviris in another file, which is there', external('path + ".other"'), LINKED),
  refusal('external link', 'aviris in another file, which is not there', external('"gone.h5"'), LINKED),
  refusal(
    'dangling soft link',
    'aviris -> /cube, which is not there',
    'f["landsat"] = low; f["aviris"] = h5py.SoftLink("/cube")',
    /aviris: is a soft link whose target is missing; found \/cube, expected a dataset of this file/,
  ),
  refusal(
    'dangling soft link of a mask',
    'mask -> /m, which would count as no mask',
    'both(); f["mask"] = h5py.SoftLink("/m")',
    /mask: is a soft link whose target is missing; found \/m/,
    'brother of the former',
  ),
  refusal(
    'virtual dataset',
    'aviris, of another file',
    `v = h5py.VirtualLayout((4, 4, 4, 12), "f4"); v[:] = h5py.VirtualSource("gone.h5", "x", (4, 4, 4, 12))
f["landsat"] = low; f.create_virtual_dataset("aviris", v)`,
    /aviris: is a virtual dataset; .*h5repack/,
  ),
  inspection(
    'in a group',
    'data/aviris',
    'f["data/aviris"] = high; f["data/landsat"] = low',
    /it has no dataset 'aviris'; found data; if it is/,
  ),
  refusal(
    'a group of that name',
    'aviris/data',
    'f["aviris/data"] = high; f["landsat"] = low',
    /aviris: is a group; found data in it, expected a dataset; the datasets must lie at the root/,
    'brother of the former',
  ),
  refusal(
    'channels first',
    '(4,12,4,4) and (4,7,4,4)',
    'f["aviris"] = np.moveaxis(high, -1, 1); f["landsat"] = np.moveaxis(low, -1, 1)',
    /landsat: .*channels first; found \(4,7,4,4\), and \(4,12,4,4\) of 'aviris', expected \(N,H,W,bands\); .*moveaxis\(x, 1, -1\)/,
  ),
  refusal(
    'wholly reversed',
    '(12,4,4,4) and (7,4,4,4)',
    'f["aviris"] = high.T; f["landsat"] = low.T',
    /landsat: .*MATLAB.*; found \(7,4,4,4\), and \(12,4,4,4\) of 'aviris', expected \(N,H,W,bands\); .*transpose/,
  ),
  refusal(
    'float16',
    'both',
    'both("f2")',
    /wrong type of numbers; found float16, expected float32, float64, int16 or uint16/,
  ),
  inspection('nothing in it', 'no datasets', 'pass', /it has no dataset 'aviris'; found nothing; if it is/),
  inspection(
    'half a patch file',
    'aviris alone',
    'f["aviris"] = high',
    /dataset 'landsat' is missing; found aviris, expected 'aviris' \(N,H,W,B\) and 'landsat' \(N,H,W,C\)/,
    'inspect said that aviris was missing',
  ),
  refusal(
    'no patches',
    'N = 0',
    'f["aviris"] = high[:0]; f["landsat"] = low[:0]',
    /aviris: holds no patches; found \(0,4,4,12\), expected N >= 1/,
  ),
  refusal(
    'null dataspace',
    'aviris = h5py.Empty',
    'f["aviris"] = h5py.Empty("f4"); f["landsat"] = low',
    /aviris: wrong number of dim/,
  ),
]);
