/**
 * The files that a prediction will write: their names, and whether they may be written. All of it is settled before a device
 * is opened or a pixel is read, so that nothing is computed for a result that has no place.
 */
import { accessSync, constants, existsSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { cubePaths } from '../scenes/cube_description.js';
import { isWorkFolder, workFolder } from './work_folder.js';

/** Endings that name other formats than ENVI's. */
const FOREIGN = /\.(tiff?|cog|vrt|nc4?|h5|hdf5?|he5|jp2|zarr|png|jpe?g|gpkg|csv|npy|mat|safetensors|pth)$/i;
/** Endings that name the order of the values. */
const INTERLEAVES = /\.(bip|bil|bsq)$/i;

/** Undefined for what is not there. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw fileError(error, path);
  }
}

/**
 * The path of a result, made of what the user gave as its name: a folder (with a slash at its end, or one that is there)
 * gets SCENE_predicted. Throws a usage error for names that promise another format.
 *
 * @param interleave order of the values in the file
 */
export function outputPath(given: string, sceneName: string, interleave: 'bip' | 'bil'): string {
  if (/[/\\]$/.test(given) || statOf(given)?.isDirectory()) return resolve(join(given, `${sceneName}_predicted`));
  const ending = extname(given);
  const stem = given.slice(0, given.length - ending.length);
  const fail = (message: string, hint: string) => new BandliftError(message, { file: given, hint }, EXIT.usage);
  if (FOREIGN.test(given)) {
    const convert = /^\.tiff?$/i.test(ending)
      ? `; then gdal_translate -of GTiff ${stem}.img ${given} makes a GeoTIFF of it`
      : '';
    throw fail('results are ENVI cubes, NAME.img with NAME.hdr', `give --out ${stem}.img${convert}`);
  }
  const order = INTERLEAVES.exec(given)?.[1]?.toLowerCase();
  if (order !== undefined && order !== interleave)
    throw fail(
      `the result would be ${interleave}, not ${order}`,
      order === 'bsq' ? `give --out ${stem}.img` : `give --interleave ${order}, or --out ${stem}.img`,
    );
  return resolve(given);
}

/** Throws unless the folder is there and files can be made in it. */
function checkFolder(folder: string): void {
  if (!statOf(folder)) throw new BandliftError('no such folder', { file: folder }, EXIT.usage);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (!statOf(folder)!.isDirectory())
      throw new BandliftError('is not a folder', { file: folder, hint: 'give another --out' }, EXIT.usage);
  } catch (error) {
    throw fileError(error, folder);
  }
}

/** Whether two paths name one file: through links of either kind, or in a file system that ignores case. */
function isSameFile(a: string, b: string): boolean {
  const [one, other] = [statOf(a), statOf(b)];
  if (one && other && one.dev === other.dev && one.ino === other.ino) return true;
  // names that differ in case alone are mistaken for each other by programs that look for a header
  const place = (path: string) => (existsSync(dirname(path)) ? realpathSync(dirname(path)) : resolve(dirname(path)));
  return basename(a).toLowerCase() === basename(b).toLowerCase() && place(a) === place(b);
}

/** Cubes that went with an older result of this name, and would be taken for those of the new one. */
function leftBeside(out: string, cubes: readonly string[]): string[] {
  const { dataPath, headerPath } = cubePaths(out);
  if (!existsSync(dataPath)) return [];
  const written = cubes.map((cube) => cubePaths(cube).dataPath);
  return ['_stage1', '_uncertainty', '_distance']
    .map((suffix) => headerPath.replace(/\.hdr$/, `${suffix}.img`))
    .filter((path) => existsSync(path) && !written.includes(path))
    .map((path) => `${path} stays, and belongs to the older result: remove it`);
}

export interface OutputCheck {
  /** Names of the cubes that stay: the result, and stage 1's where it is kept. */
  readonly cubes: readonly string[];
  /** Of these, those that may be replaced in any case. */
  readonly replaced: readonly string[];
  /** The result's name, beside which the work folder lies. */
  readonly out: string;
  /** Every file that the prediction reads. */
  readonly inputs: readonly string[];
  readonly overwrite: boolean;
  /** An unfinished prediction of this name is there and goes on: what it has finished is in its place. */
  readonly resumes: boolean;
}

/**
 * Throws a BandliftError when a file that would be written is one of the input, exists and may not be replaced, or has no
 * folder that can be written to. Returns what the user should know as sentences.
 */
export function checkOutputs({ cubes, replaced, out, inputs, overwrite, resumes }: OutputCheck): string[] {
  const warnings: string[] = [];
  const fail = (file: string, message: string, hint: string) => new BandliftError(message, { file, hint }, EXIT.usage);
  checkFolder(dirname(out));
  for (const cube of cubes) {
    const { dataPath, headerPath } = cubePaths(cube);
    for (const path of [dataPath, headerPath]) {
      const input = inputs.find((other) => isSameFile(path, other));
      if (input !== undefined)
        throw fail(path, 'is a file of the input, which is never written over', 'give another --out');
      const found = statOf(path);
      if (found?.isDirectory()) throw fail(path, 'is a folder', 'give another --out');
      if (found && !overwrite && !resumes && !replaced.includes(cube))
        throw fail(path, 'exists already', 'give another name, or --overwrite');
    }
    // GDAL and ENVI look for NAME.img.hdr before NAME.hdr
    const before = `${dataPath}.hdr`;
    if (existsSync(before))
      throw fail(before, 'would be taken for the header of the result', 'remove it, or give another --out');
    if (existsSync(`${dataPath}.aux.xml`))
      warnings.push(
        `${dataPath}.aux.xml belongs to an older file, and GDAL would believe it before the new header: remove it`,
      );
  }
  warnings.push(...leftBeside(out, cubes));
  const work = workFolder(out);
  if (existsSync(work) && !isWorkFolder(work))
    throw fail(work, 'is needed for what is unfinished, and holds something else', 'move it, or give another --out');
  return warnings;
}
