/** What writers leave beside a file. */
import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Names of the temporary files of `path`. */
export const temporariesOf = (path: string): string[] =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith('.tmp'));
