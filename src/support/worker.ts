/** Worker threads run compiled code, also when the caller is a TypeScript source under a test runner. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BandliftError, EXIT } from '../errors.js';
import { projectRoot } from './version.js';

/** URL of src/<path> compiled, e.g. workerUrl('data/hdf5_worker.js'). Throws a BandliftError when it is not there. */
export function workerUrl(path: string): URL {
  const file = join(projectRoot(), 'dist', 'src', path);
  if (!existsSync(file))
    throw new BandliftError('is not compiled', { file: `dist/src/${path}`, hint: 'run `npm run build`' }, EXIT.failure);
  return pathToFileURL(file);
}
