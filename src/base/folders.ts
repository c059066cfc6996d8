/** Folders for what the program writes. */
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BandliftError } from './errors.js';
import { reasonOf } from './files.js';

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Levels from the topmost that is not there down to `path`. */
function missingLevels(path: string): string[] {
  const levels: string[] = [];
  for (let level = resolve(path); !statSync(level, { throwIfNoEntry: false }); level = dirname(level))
    levels.unshift(level);
  return levels;
}

/** False when another process has made it in the meantime. */
function makeLevel(level: string): boolean {
  try {
    mkdirSync(level);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isFolder(level)) return false;
    throw error;
  }
}

/** What another process has put something into stays. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {}
}

function whyNot(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  // the folder above is there: the file system takes none (/proc)
  if (code === 'ENOENT') return 'this file system takes no folders';
  if (code === 'EEXIST' || code === 'ENOTDIR') return 'a file is in its place or above it';
  return code === '' ? message : reasonOf(code);
}

/**
 * Makes a folder and what is missing above it, one level after the other. Node's recursive mkdir waits for ever below /proc
 * and hides the reason of the level that fails.
 * Errors: BandliftError with the first level's reason; what was made until then is removed.
 *
 * @returns the topmost folder that was made, undefined where all were there
 */
export function makeFolder(path: string, hint = 'choose another folder'): string | undefined {
  const made: string[] = [];
  try {
    for (const level of missingLevels(path)) if (makeLevel(level)) made.push(level);
    if (!isFolder(path)) mkdirSync(path);
  } catch (error) {
    for (const level of made.toReversed()) removeEmpty(level);
    throw new BandliftError(`cannot make this folder: ${whyNot(error)}`, { file: path, hint });
  }
  return made[0];
}
