/** Patch files of one data set: found, checked against each other, and numbered. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { oneGrid } from './assemble.js';
import { DataWorker } from './data_worker.js';
import type { CachedInput, PatchFile, PatchSet, Sides } from './types.js';
import type { PatchAddress } from './worker_protocol.js';

/** Training, validation and test need a patch each. */
const PARTS = 3;

export interface PatchSetOptions {
  /** Side in pixels of the tiles that stored patches are cut into, the remainder left out; absent: patches as stored. */
  readonly tile?: number;
  /**
   * Where input and target come from. 'auto' (the default): Landsat's own grid where every file has both of its datasets,
   * else `landsat` and `aviris` as stored.
   */
  readonly sides?: Sides | 'auto';
  /** For each file, where sides.input is 'stage1'. */
  readonly cached?: readonly CachedInput[];
}

/** The HDF5 files among and inside the given files and folders, folders sorted by name. */
export function listPatchFiles(paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => {
    try {
      if (!statSync(path).isDirectory()) return [path];
      const names = readdirSync(path).filter((name) => /\.(h5|hdf5)$/i.test(name));
      if (names.length === 0)
        throw new BandliftError('the folder holds no patch files', { file: path, expected: '*.h5 or *.hdf5' });
      return names.sort().map((name) => join(path, name));
    } catch (error) {
      throw fileError(error, path);
    }
  });
  if (files.length === 0) throw new BandliftError('no patch files were given', { expected: '*.h5 or *.hdf5' });
  const twice = files.find((file, i) => files.indexOf(file) !== i);
  if (twice !== undefined) throw new BandliftError('was given twice', { file: twice });
  return files;
}

/** How bands may lie apart between files before they are different bands, nm. */
const WAVELENGTH_TOLERANCE = 0.5;

function checkSame(first: PatchFile, file: PatchFile): void {
  const differs = (
    field: string,
    found: string | number,
    expected: string | number,
    hint = 'train on one kind of file at a time',
  ) => {
    throw new BandliftError(`differs from ${first.path}`, { file: file.path, field, found, expected, hint });
  };
  const shape = (f: PatchFile, bands: number) => `(${f.patches},${f.height},${f.width},${bands})`;
  for (const [name, key] of [
    [first.sides.target, 'outBands'],
    [first.sides.input, 'inBands'],
  ] as const)
    if (file.height !== first.height || file.width !== first.width || file[key] !== first[key])
      differs(
        name,
        shape(file, file[key]),
        `(N,${first.height},${first.width},${first[key]})`,
        'put files of different shapes into different folders',
      );
  const band =
    first.wavelength?.findIndex((w, b) => Math.abs(w - (file.wavelength?.[b] ?? w)) > WAVELENGTH_TOLERANCE) ?? -1;
  if (band >= 0) differs(`wavelength of band ${band}`, `${file.wavelength![band]} nm`, `${first.wavelength![band]} nm`);
  if (file.units !== undefined && first.units !== undefined && file.units !== first.units)
    differs('units', file.units, first.units);
  // a cube as input has no mask of its own bands
  if (first.sides.input.startsWith('landsat')) return;
  const bad = differingBand(first, file);
  if (bad >= 0) differs(`good_bands of band ${bad}`, goodBand(file, bad), goodBand(first, bad));
}

const goodBand = (file: PatchFile, b: number) => file.goodBands?.[b] ?? 1;

/** The first band that is good in one of two files only; -1 without one. */
function differingBand(first: PatchFile, file: PatchFile): number {
  for (let b = 0; b < first.outBands; b++) if (goodBand(file, b) !== goodBand(first, b)) return b;
  return -1;
}

/** Whether the patches of a file differ from the file's own list. */
const differsWithin = ({ bandMask, goodBands, outBands }: PatchFile): boolean =>
  bandMask?.some((good, i) => good !== (goodBands?.[i % outBands] ?? 1)) === true;

/** Whether two inputs are of different sensors; those that are not named may be any, and Landsat 8 and 9 see nearly the same. */
export const isOtherSensor = (a: string | undefined | null, b: string | undefined | null): boolean =>
  Boolean(a && b) && a !== b && !(/\bOLI/i.test(a!) && /\bOLI/i.test(b!));

/** What to say of files whose Landsat bands are those of different sensors. */
function mixedSensors(files: readonly PatchFile[], first: PatchFile): string[] {
  const other = files.find((file) => isOtherSensor(file.sensor, first.sensor));
  if (other === undefined || !first.sides.input.startsWith('landsat')) return [];
  return [
    `${other.path} holds bands of ${other.sensor}, ${first.path} of ${first.sensor}: they are taken for the same`,
  ];
}

/** Combines described files into a set. Throws a BandliftError naming the file, the field and both values. */
export function makePatchSet(files: readonly PatchFile[], extraWarnings: readonly string[] = []): PatchSet {
  // the first file that knows its bands is what the others are held against
  const first = files.find((f) => f.wavelength) ?? files[0]!;
  for (const file of files) checkSame(first, file);
  const plain = files.filter((f) => !f.wavelength).map((f) => f.path);
  const more = plain.length > 1 ? ` and ${plain.length - 1} more` : '';
  const warnings = [
    ...extraWarnings,
    ...mixedSensors(files, first),
    ...(plain.length > 0
      ? [`${plain[0]}${more}: wavelengths unknown (plain layout); bands are told apart by number only`]
      : []),
  ];
  const { height, width, inputHeight, inputWidth, sides, inBands, outBands } = first;
  const count = files.reduce((sum, f) => sum + f.patches, 0);
  const bandMasks = files.some((file) => differingBand(first, file) >= 0 || differsWithin(file));
  return {
    ...{ files, count, height, width, inputHeight, inputWidth, sides, inBands, outBands, warnings },
    ...(bandMasks && { bandMasks }),
  };
}

/** The file as tiles of `side` pixels, numbered patch by patch, row by row. */
export function cutIntoTiles(file: PatchFile, side: number): PatchFile {
  const [rows, columns] = [Math.floor(file.height / side), Math.floor(file.width / side)];
  if (!Number.isSafeInteger(side) || side < 1 || rows < 1 || columns < 1)
    throw new BandliftError('cannot be cut into tiles', {
      file: file.path,
      field: 'tile',
      found: side,
      expected: `1 to ${Math.min(file.height, file.width)} pixels`,
      hint: 'a crop (--crop) is no larger than the smallest patch',
    });
  const each = rows * columns;
  const patches = file.patches * each;
  // the tiles of a single patch lie beside each other wherever it lies
  const origins = file.origins ?? (file.patches === 1 ? new Int32Array(2) : undefined);
  const tiled: PatchFile = {
    ...file,
    patches,
    height: side,
    width: side,
    inputHeight: side,
    inputWidth: side,
    tiles: { storedHeight: file.height, storedWidth: file.width, rows, columns },
  };
  if (!origins) return tiled;
  const own = new Int32Array(2 * patches);
  for (let p = 0; p < patches; p++) {
    const [stored, tile] = [Math.floor(p / each), p % each];
    own[2 * p] = origins[2 * stored]! + Math.floor(tile / columns) * side;
    own[2 * p + 1] = origins[2 * stored + 1]! + (tile % columns) * side;
  }
  return { ...tiled, origins: own };
}

/**
 * Opens files or folders of patches and checks them; nothing but headers and small lists is read. Fewer than 3 patches are
 * cut into tiles, with a warning, so that there is something to validate and test on. Throws a BandliftError that names
 * file, dataset, what was found and what was expected.
 */
export async function openPatchSet(
  paths: string | readonly string[],
  options: PatchSetOptions = {},
): Promise<PatchSet> {
  const list = listPatchFiles(typeof paths === 'string' ? [paths] : paths);
  const worker = new DataWorker();
  try {
    const { cached } = options;
    const { files, coarse } = await worker.ask('open', {
      paths: list,
      cacheBytes: 0,
      sides: options.sides ?? 'auto',
      ...(cached && { cached }),
    });
    const made = makePatchSet(files, coarse);
    const stored: PatchSet = cached ? { ...made, cached } : made;
    if (!oneGrid(stored)) return stored;
    if (options.tile !== undefined)
      return makePatchSet(
        files.map((file) => cutIntoTiles(file, options.tile!)),
        coarse,
      );
    if (stored.count >= PARTS || Math.min(stored.height, stored.width) < 2) return stored;
    const side = Math.floor(Math.min(stored.height, stored.width) / 2);
    const tiled = files.map((file) => cutIntoTiles(file, side));
    const number = `${stored.count} patch${stored.count === 1 ? '' : 'es'} of ${stored.height} x ${stored.width} pixels`;
    return makePatchSet(tiled, [
      ...coarse,
      `only ${number}: cut into tiles of ${side} x ${side}, so that there is something to validate and test on`,
    ]);
  } finally {
    await worker.close();
  }
}

/** Where a patch of the set is stored. */
export function locate(set: PatchSet, patch: number): PatchAddress {
  let rest = patch;
  for (let file = 0; file < set.files.length; file++) {
    const { patches, tiles } = set.files[file]!;
    if (rest >= 0 && rest < patches) {
      if (!tiles) return { file, patch: rest, y: 0, x: 0 };
      const tile = rest % (tiles.rows * tiles.columns);
      return {
        file,
        patch: Math.floor(rest / (tiles.rows * tiles.columns)),
        y: Math.floor(tile / tiles.columns) * set.height,
        x: (tile % tiles.columns) * set.width,
      };
    }
    rest -= patches;
  }
  throw new RangeError(`patch ${patch} of ${set.count}`);
}
