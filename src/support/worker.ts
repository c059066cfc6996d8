/** Worker threads run compiled code, also when the caller is a TypeScript source under a test runner. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './version.js';

/** URL of src/<path> compiled, e.g. workerUrl('data/hdf5_worker.js'). */
export function workerUrl(path: string): URL {
  const file = join(projectRoot(), 'dist/src', path);
  if (!existsSync(file)) throw new Error(`${path} is not compiled; run \`npm run build\``);
  return pathToFileURL(file);
}
