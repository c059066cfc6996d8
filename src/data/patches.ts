/** Patch files of one data set, checked against each other. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError } from '../errors.js';
import { fileError } from '../io/files.js';
import { Hdf5PatchFile } from './hdf5_file.js';
import type { PatchFile, PatchSet } from './types.js';

/** The HDF5 files below the given files and folders, folders sorted by name. */
export function listPatchFiles(paths: readonly string[]): string[] {
  const files: string[] = [];
  for (const path of paths) {
    try {
      if (!existsSync(path)) throw new BandliftError('no such file or folder', { file: path, hint: 'check --data-dir' });
      if (!statSync(path).isDirectory()) {
        files.push(path);
        continue;
      }
      const names = readdirSync(path).filter((name) => /\.(h5|hdf5|hdf)$/i.test(name));
      if (names.length === 0) throw new BandliftError('the folder holds no HDF5 files', { file: path, expected: '*.h5, *.hdf5 or *.hdf' });
      files.push(...names.sort().map((name) => join(path, name)));
    } catch (error) {
      throw fileError(error, path);
    }
  }
  return files;
}

function checkSame(first: PatchFile, file: PatchFile): void {
  const where = { file: file.path };
  for (const field of ['height', 'width', 'inBands', 'outBands'] as const) {
    if (file[field] !== first[field])
      throw new BandliftError(`does not match ${first.path}`, {
        ...where,
        field: field === 'inBands' ? 'landsat bands' : field === 'outBands' ? 'aviris bands' : `patch ${field}`,
        found: file[field],
        expected: first[field],
        hint: 'put files of different shapes into different folders',
      });
  }
  if (file.wavelength && first.wavelength) {
    const band = first.wavelength.findIndex((w, b) => Math.abs(w - file.wavelength![b]!) > 0.5);
    if (band >= 0)
      throw new BandliftError(`band ${band} lies elsewhere than in ${first.path}`, {
        ...where,
        field: 'wavelength',
        found: `${file.wavelength[band]} nm`,
        expected: `${first.wavelength[band]} nm`,
      });
  }
  if (file.units !== undefined && first.units !== undefined && file.units !== first.units)
    throw new BandliftError(`does not match ${first.path}`, { ...where, field: 'units', found: file.units, expected: first.units });
}

/** Combines described files into a set. */
export function makePatchSet(files: readonly PatchFile[]): PatchSet {
  const first = files[0]!;
  const warnings: string[] = [];
  for (const file of files) {
    checkSame(first, file);
    if (!file.wavelength) warnings.push(`${file.path} has no wavelengths (plain layout): spectra are drawn over band numbers and regions cannot be told apart`);
  }
  const { height, width, inBands, outBands } = first;
  return { files, count: files.reduce((sum, f) => sum + f.patches, 0), height, width, inBands, outBands, warnings };
}

/**
 * Opens files or folders of patches and checks them; nothing but headers and small vectors is read. Throws a BandliftError
 * naming file, dataset, what was found and what was expected.
 */
export async function openPatchSet(paths: readonly string[]): Promise<PatchSet> {
  const files: PatchFile[] = [];
  for (const path of listPatchFiles(paths)) {
    const file = await Hdf5PatchFile.open(path);
    files.push(file.info);
    file.close();
  }
  return makePatchSet(files);
}

/** Number of a patch in the set -> file and number in the file. */
export function locate(set: PatchSet, patch: number): { file: number; patch: number } {
  let rest = patch;
  for (let file = 0; file < set.files.length; file++) {
    if (rest < set.files[file]!.patches) return { file, patch: rest };
    rest -= set.files[file]!.patches;
  }
  throw new RangeError(`patch ${patch} of ${set.count}`);
}
