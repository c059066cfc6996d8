/** What goes wrong with a patch file between the first look at it and the reading of its pixels. */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { type PatchShape, patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE: PatchShape = { patches: 3, height: 16, width: 16, inBands: 2, outBands: 3 };
const at = (name: string) => join(folder, name);

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => expect.fail('was accepted'),
    (e: Error) => e,
  );
  expect(error).toBeInstanceOf(BandliftError);
  return error.message;
}

describe('a patch file', () => {
  it('that is a pipe is not waited for', async () => {
    execFileSync('mkfifo', [at('pipe.h5')]);
    expect(await messageOf(openPatchSet(at('pipe.h5')))).toMatch(/pipe\.h5: is not a regular file/);
  });

  it('with a chunk that does not inflate is named when its patch is read; the others can be read', async () => {
    const path = await writeHdf5(at('chunk.h5'), patchDatasets(SHAPE, [1, 16, 16]));
    const bytes = readFileSync(path);
    // a zlib stream of level 4 begins with 78 5e
    const stream = bytes.lastIndexOf(Buffer.of(0x78, 0x5e));
    expect(stream).toBeGreaterThan(0);
    bytes.fill(0xff, stream + 2, stream + 34);
    writeFileSync(path, bytes);
    const reader = await openReader(await openPatchSet(path));
    const messages: string[] = [];
    for (let patch = 0; patch < SHAPE.patches; patch++)
      messages.push(
        await reader.readPatch(patch).then(
          () => '',
          (e: Error) => e.message,
        ),
      );
    await reader.close();
    const bad = messages.filter((m) => m !== '');
    expect(bad.length).toBe(1);
    // the innermost of the library's messages, not the outermost
    expect(bad[0]).toMatch(/chunk\.h5: (aviris|landsat): patch \d cannot be read: (inflate|filter|data).*damaged/);
  });

  it('that changes, shrinks or vanishes after it was opened', async () => {
    const path = await writeHdf5(at('changes.h5'), patchDatasets(SHAPE));
    const set = await openPatchSet(path);
    await writeHdf5(path, patchDatasets({ ...SHAPE, patches: 4 }));
    expect(await messageOf(openReader(set))).toMatch(/changes\.h5: has changed since it was opened/);
    truncateSync(path, 4000);
    expect(await messageOf(openReader(set))).toMatch(/changes\.h5: cannot be read as HDF5: truncated file: eof = 4000/);
    rmSync(path);
    expect(await messageOf(openReader(set))).toMatch(/changes\.h5: no such file/);
  });
});

const WRITE = `
import h5py, numpy as np, sys
with h5py.File(sys.argv[1], 'w') as h:
    layout = h5py.VirtualLayout((3, 4, 4, 3), 'f4')
    layout[:] = h5py.VirtualSource('elsewhere.h5', 'x', shape=(3, 4, 4, 3))
    h.create_virtual_dataset('aviris', layout)
    h['landsat'] = np.zeros((3, 4, 4, 2), 'f4')
with h5py.File(sys.argv[2], 'w') as h:
    h.create_dataset('aviris', shape=(10**6, 4, 4, 3), dtype='f4')
    h['landsat'] = np.zeros((3, 4, 4, 2), 'f4')
`;

describePython('a patch file of h5py', () => {
  it('that holds its pixels elsewhere or nowhere', async () => {
    runPython(WRITE, [at('virtual.h5'), at('unwritten.h5')]);
    expect(await messageOf(openPatchSet(at('virtual.h5')))).toMatch(/virtual\.h5: aviris: is a virtual dataset/);
    expect(await messageOf(openPatchSet(at('unwritten.h5')))).toMatch(
      /unwritten\.h5: aviris: claims more data than the file can hold/,
    );
  });
});
