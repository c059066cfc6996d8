/**
 * Names of files that are being written: NAME.SPACE-PID-START-RANDOM.tmp, so that no two writers have the same, and the files
 * of writers that were killed are told from those of writers at work.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isRunning, processSpace, thisProcess } from './process_lock.mjs';

/** Whoever wrote a file of another machine has ended when it has not grown for so long, ms. */
const FORGOTTEN = 24 * 3600 * 1000;

/** A name beside `path` that no other writer has. What killed writers of `path` left behind is removed. */
export function temporaryName(path: string): string {
  removeLeftovers(path);
  const { pid, started } = thisProcess();
  return `${path}.${processSpace()}-${pid}-${started || 0}-${randomBytes(4).toString('hex')}.tmp`;
}

/** Removes what writers of `path` left that have ended. Failures are no matter: it is tried again at the next write. */
function removeLeftovers(path: string): void {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix)) continue;
      const match = /^([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.tmp$/.exec(name.slice(prefix.length));
      if (match === null) continue;
      const [, space, pid, started] = match;
      const file = join(folder, name);
      const ended =
        space === processSpace()
          ? !isRunning(Number(pid), started === '0' ? '' : started!)
          : Date.now() - statSync(file).mtimeMs > FORGOTTEN;
      if (ended) rmSync(file, { force: true });
    }
  } catch {
    // the folder is missing or not ours: writing will tell
  }
}
