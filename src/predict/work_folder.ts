/**
 * NAME.work beside the result: the settings and tiles a prediction was begun with, its scratch, and stage 1's output. It is
 * what makes a prediction resumable, and is removed when the result is whole.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { makeFolder } from '../base/folders.js';
import { type Lock, takeLock } from '../base/lock.js';
import { cubePaths } from '../scenes/cube_description.js';
import type { Scene } from '../scenes/types.js';

const size = z.int().min(1);
const settingsSchema = z.strictObject({
  format: z.literal(1),
  key: z.string(),
  /** Height and width of the tiles of every segment of every stage: a resumed prediction has the same. */
  tiles: z.array(z.array(z.tuple([size, size]))),
});
export type Settings = z.infer<typeof settingsSchema>;

export const workFolder = (out: string): string => cubePaths(out).headerPath.replace(/\.hdr$/, '.work');

/** What a work folder holds, finished or not. */
const WORK_ENTRY = /^(settings\.json|stage[12]|uncertainty|distance|lock)/;

/** Whether what is at this place was made by a prediction (or is empty), so that it may be removed. */
export const isWorkFolder = (folder: string): boolean =>
  statSync(folder).isDirectory() && readdirSync(folder).every((name) => WORK_ENTRY.test(name));

/** The settings of an unfinished prediction; undefined where there is none or it cannot be read. */
export async function readSettings(folder: string): Promise<Settings | undefined> {
  try {
    return settingsSchema.parse(JSON.parse(await readFile(join(folder, 'settings.json'), 'utf8')));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== undefined && code !== 'ENOENT' && code !== 'ENOTDIR') throw fileError(error, folder);
    return undefined;
  }
}

/**
 * The settings to go on with, undefined where the prediction has to begin. Throws for an unfinished prediction of something
 * else: its work would be lost.
 */
export async function unfinished(
  out: string,
  key: string,
  resume: 'auto' | 'require' | 'restart',
): Promise<Settings | undefined> {
  const folder = workFolder(out);
  const settings = existsSync(folder) ? await readSettings(folder) : undefined;
  if (settings === undefined || resume === 'restart') {
    if (resume === 'require')
      throw new BandliftError('there is no unfinished prediction to resume', { file: folder }, EXIT.usage);
    return undefined;
  }
  if (settings.key === key) return settings;
  throw new BandliftError('holds the unfinished prediction of another input, model or option', {
    file: folder,
    hint: 'finish it with the settings it was begun with, give another --out, or begin again with --restart',
  });
}

/** Only one process works on a result. Throws a BandliftError when that is another one. */
export function lockWork(out: string): Lock {
  const { dataPath } = cubePaths(out);
  return takeLock(`${workFolder(out)}.lock`, 'another process is writing this result', dataPath, 'give another --out');
}

/** Removes everything of a prediction but its result; first what makes it an unfinished one. */
export async function endWork(out: string): Promise<void> {
  const folder = workFolder(out);
  await rm(join(folder, 'settings.json'), { force: true });
  await rm(folder, { recursive: true, force: true });
}

/** Begins with an empty folder. */
export async function beginWork(out: string, settings: Settings): Promise<void> {
  const folder = workFolder(out);
  try {
    await rm(folder, { recursive: true, force: true });
    makeFolder(folder);
    await writeFileAtomic(join(folder, 'settings.json'), `${JSON.stringify(settings)}\n`);
  } catch (error) {
    throw fileError(error, folder);
  }
}

/** Says whether a file or folder is the one it was: its place, size and time of change. */
export async function sceneIdentity(scene: Scene): Promise<unknown> {
  const info = await stat(scene.path).catch(() => undefined); // a scene may be no file
  const { height, width, bands, georeference, units } = scene;
  return [scene.path, info?.size, info?.mtimeMs, height, width, bands, georeference?.geotransform, units];
}

export const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
