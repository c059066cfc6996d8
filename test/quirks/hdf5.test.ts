/** Patch files in the storage forms that h5py and others write. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { runPython } from '../support/python.js';
import { type Quirk, quirks } from './table.js';

/** 4 patches of 4 x 4 pixels, 7 -> 12 bands; `change` is Python that has the open file f. */
function write(folder: string, change: string): void {
  const code = `
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1], 'w')
low = np.ones((4, 4, 4, 7), 'f4'); high = np.ones((4, 4, 4, 12), 'f4')
${change}
f.close()`;
  runPython(code, [join(folder, 'p.h5')]);
}
const WHOLE = 'f["landsat"] = low; f["aviris"] = high';

const refusal = (name: string, input: string, change: string, message: RegExp, source = 'review'): Quirk => ({
  ...{ name, source, input, needs: 'Python' },
  right: String(message),
  async check(folder) {
    write(folder, change);
    const result = await bandliftHere(['inspect', 'p.h5'], folder);
    expect(expectOneError(result.stderr)).toMatch(message);
    expect(result.status).toBe(3);
  },
});

const LZF = /not part of HDF5 itself; found lzf \(32000\), expected gzip, szip or none; h5repack/;

/** The target of a patch as the loader gives it. */
async function targetOf(folder: string, patch: number): Promise<Float32Array> {
  const reader = await openReader(await openPatchSet([join(folder, 'p.h5')]));
  try {
    return (await reader.readPatch(patch)).target;
  } finally {
    await reader.close();
  }
}

quirks('HDF5 patch files', [
  {
    name: 'szip',
    source: 'review: refused with an untrue reason',
    input: 'both datasets in szip, values 0, 1/4, 1/2, ...',
    right: 'the same values',
    needs: 'Python',
    async check(folder) {
      write(
        folder,
        `high = (np.arange(high.size) / 4).astype('f4').reshape(high.shape)
f.create_dataset("landsat", data=low, compression="szip"); f.create_dataset("aviris", data=high, compression="szip")`,
      );
      const first = 2 * 4 * 4 * 12;
      const expected = Float32Array.from({ length: 4 * 4 * 12 }, (_, i) => (first + i) / 4);
      expect(await targetOf(folder, 2)).toEqual(expected);
    },
  },
  refusal(
    'LZF',
    'both datasets',
    'f.create_dataset("landsat", data=low, compression="lzf"); f.create_dataset("aviris", data=high, compression="lzf")',
    LZF,
    'usnistgov/h5wasm #79',
  ),
  refusal(
    'LZF on the mask',
    'mask alone',
    `${WHOLE}; f.create_dataset("mask", data=np.ones((4, 4, 4), 'u1'), compression="lzf")`,
    new RegExp(`mask: .*${LZF.source}`),
  ),
  refusal(
    'LZF on the wavelengths',
    'wavelength alone',
    `${WHOLE}; f.create_dataset("wavelength", data=np.linspace(400, 900, 12), chunks=(12,), compression="lzf")`,
    new RegExp(`wavelength: .*${LZF.source}`),
  ),
]);
