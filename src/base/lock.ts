/** Locks of commands: refused with a line that names the holder, or waited for. See process_lock.mjs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BandliftError, EXIT } from './errors.js';
import { writeError } from './files.js';
import { describeHolder, holderHint, type Lock, type Owner, tryLock } from './process_lock.mjs';

export type { Lock } from './process_lock.mjs';

/** Roughly what a lock takes on the disk, bytes. */
const LOCK_BYTES = 512;
/** Between looks at whether the holder is done, ms. */
const LOOK = 200;

function attempt(file: string, subject: string): Lock | { readonly holder: Owner | 'unreadable' } {
  try {
    return tryLock(file);
  } catch (error) {
    throw writeError(error, subject, LOCK_BYTES);
  }
}

/**
 * Takes the lock `file`, a name in an existing folder.
 *
 * @param what a sentence about the holder: 'another process is training in this folder'
 * @param subject the file or folder that the error names
 * @param way another way out than waiting: 'give another --output-dir'
 * @throws BandliftError when another process holds it (exit 1) or the file cannot be written
 */
export function takeLock(file: string, what: string, subject: string, way: string): Lock {
  const found = attempt(file, subject);
  if (!('holder' in found)) return found;
  throw new BandliftError(
    what,
    {
      file: subject,
      found: describeHolder(found.holder),
      hint: `${holderHint(found.holder, file)}, or ${way}`,
    },
    EXIT.failure,
  );
}

/**
 * Takes the lock `file` as soon as nobody else holds it.
 *
 * @param waiting told once who is waited for, in words, and what to do when that is in vain
 * @param interrupted asked now and then; must throw to stop
 */
export async function waitForLock(
  file: string,
  waiting: (holder: string, hint: string) => void,
  interrupted: () => void,
): Promise<Lock> {
  let told = '';
  for (;;) {
    const found = attempt(file, file);
    if (!('holder' in found)) return found;
    const holder = describeHolder(found.holder);
    if (holder !== told) waiting(holder, holderHint(found.holder, file));
    told = holder;
    interrupted();
    await sleep(LOOK);
  }
}
