/** `inspect` of patch files. */
import { BandliftError } from '../base/errors.js';
import { listPatchFiles, openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { notEnvi } from '../raster/foreign_files.js';
import { type Facts, range, size, told } from './inspect_facts.js';

function patchFacts(set: PatchSet): Facts {
  const first = set.files[0]!;
  return {
    kind: 'patches',
    patches: set.count,
    size: `${size(set.height, set.width)}${set.sides.target === 'aviris_lr' ? " of Landsat's grid (and the fine grid beside it)" : ''}`,
    bands: `${set.inBands} -> ${set.outBands}`,
    wavelengths: range(first.wavelength),
    units: first.units ?? 'unknown',
    sensor: first.sensor ?? 'unknown',
    scenes: [...new Set(set.files.map((f) => f.scene))].join(', '),
    origins: set.files.every((f) => f.origins) ? 'known' : 'unknown',
    files: set.files.map((f) => `${f.path} (${f.patches})`).join(', '),
    ...told(set.warnings),
  };
}

/** Patch files; those that cannot be trained on together are listed one by one, with the reason. */
export async function inspectPatches(path: string): Promise<Facts> {
  const files = listPatchFiles([path]);
  if (files.length === 1) return patchFacts(await openPatchSet(files));
  try {
    return patchFacts(await openPatchSet(files));
  } catch (error) {
    if (!(error instanceof BandliftError)) throw error;
    const facts: Facts = { kind: 'patches that do not belong together', why: error.message };
    for (const file of files)
      facts[file] = await openPatchSet([file]).then(
        (set) =>
          `${set.count} patches of ${size(set.height, set.width)}, bands ${set.inBands} -> ${set.outBands}, ${range(set.files[0]!.wavelength)}`,
        (reason: Error) => reason.message,
      );
    return facts;
  }
}

/** One HDF5 file; of one that holds no patches it is told what it may be. */
export async function inspectPatchFile(path: string): Promise<Facts> {
  try {
    return await inspectPatches(path);
  } catch (error) {
    const missing =
      error instanceof BandliftError && /dataset 'aviris' is missing; found (.*), exp/.exec(error.message);
    const foreign = missing ? notEnvi(path) : undefined;
    if (!missing || foreign === undefined) throw error;
    throw new BandliftError("is not a patch file: it has no dataset 'aviris'", {
      file: path,
      found: missing[1]!,
      hint: `if it is a product of an instrument, it is none of those that are read (docs/reference/products.md): ${foreign.detail.hint}`,
    });
  }
}
