/** One process at a time in a folder: a file that holds its number. A lock left by a process that is gone is taken over. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isDiskFull, writeError } from '../io/files.js';

export interface Lock {
  release(): void;
}

function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The lock, or the number of the process that holds it. Throws a BandliftError when the file cannot be written. */
export function tryLock(file: string): Lock | number {
  const content = `${process.pid}`;
  try {
    writeFileSync(file, content, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      if (isDiskFull(error)) rmSync(file, { force: true }); // made, but empty
      throw writeError(error, file, content.length);
    }
    const pid = Number(readHolder(file));
    if (pid !== process.pid && Number.isInteger(pid) && pid > 0 && processIsAlive(pid)) return pid;
    writeFileSync(file, content);
  }
  return { release: () => rmSync(file, { force: true }) };
}

/** Nothing where the lock has just been released. */
function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
