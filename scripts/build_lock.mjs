// One process at a time installs and builds in a checkout; what starts meanwhile waits for it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeHolder, holderHint, tryLock } from '../src/base/process_lock.mjs';

/** Between looks at whether the other is done, ms. */
const LOOK = 300;
/** A build takes minutes; who waits for longer waits for a machine that is gone. */
const PATIENCE = 30 * 60 * 1000;

const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/**
 * The lock of the checkout `root`; it is given free when the process ends, too. Undefined where nothing can be written.
 * `say` is told who is waited for, `stop` must end the process.
 */
export function lockBuild(root, say, stop) {
  const file = join(root, 'build/.lock');
  let told = '';
  for (const began = Date.now(); ; pause(LOOK)) {
    let found;
    try {
      mkdirSync(join(root, 'build'), { recursive: true });
      found = tryLock(file);
    } catch (error) {
      if (['EACCES', 'EPERM', 'EROFS'].includes(error.code)) return undefined;
      return stop(`the build cannot take its lock ${file}: ${error.message}`);
    }
    if (!('holder' in found)) {
      process.once('exit', found.release);
      return found;
    }
    const holder = describeHolder(found.holder);
    const hint = holderHint(found.holder, file);
    if (Date.now() - began > PATIENCE)
      return stop(`another process has been building bandlift for half an hour: ${holder}; ${hint}`);
    if (holder !== told) say(`waiting for ${holder}, which builds bandlift here (${hint})`);
    told = holder;
  }
}
