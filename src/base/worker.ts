/** Worker threads run compiled code, also when the caller is a TypeScript source under a test runner. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BandliftError, EXIT } from './errors.js';
import { projectRoot } from './version.js';

/** URL of src/<path> compiled, e.g. workerUrl('data/hdf5_worker.js'). Throws a BandliftError when it is not there. */
export function workerUrl(path: string): URL {
  const here = fileURLToPath(import.meta.url);
  // beside this file where it is compiled: dist may have been built anew since this process began
  const compiled = here.endsWith('.js') ? join(here, '../..') : join(projectRoot(), 'dist/src');
  const file = join(compiled, path);
  if (!existsSync(file))
    throw new BandliftError('is not compiled', { file: `dist/src/${path}`, hint: 'run `npm run build`' }, EXIT.failure);
  return pathToFileURL(file);
}
