/** What doctor says of a folder for runs: its file system, its room, and whether what bandlift relies on works there. */
import {
  linkSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '../base/bytes.js';
import { mountHere } from '../base/mounts.js';
import { tryLock } from '../base/process_lock.mjs';
import type { Finding } from './doctor_finding.js';

/** File systems that several machines see: what works here may be seen late there. */
const SHARED = /^(nfs\d*|lustre|beegfs|gpfs|ceph|cifs|smb\d*|9p|afs|panfs|pvfs2|orangefs|glusterfs|fuse\..*)$/;

const messageOf = (error: unknown): string => (error as Error).message.split('\n')[0]!;

/** What does not work in a folder, in words; nothing where all does. */
function problems(folder: string): string[] {
  const wrong: string[] = [];
  const attempt = (what: string, test: () => boolean): void => {
    try {
      if (!test()) wrong.push(what);
    } catch (error) {
      wrong.push(`${what} (${messageOf(error)})`);
    }
  };
  const file = (name: string): string => join(folder, name);
  attempt('a lock is given twice', () => {
    const first = tryLock(file('lock'));
    const second = tryLock(file('lock'));
    const refused = !('holder' in first) && 'holder' in second && second.holder !== 'unreadable';
    if (!('holder' in first)) first.release();
    return refused;
  });
  attempt('a second name for a file takes the place of another', () => {
    writeFileSync(file('one'), '1');
    writeFileSync(file('two'), '2');
    try {
      linkSync(file('one'), file('two'));
    } catch {
      // EEXIST as it should be, or there are no hard links: a lock is then a file that must not be there yet
      return readFileSync(file('two'), 'utf8') === '2';
    }
    return false;
  });
  attempt('renaming over a file does not replace it', () => {
    writeFileSync(file('new'), 'new');
    writeFileSync(file('old'), 'old');
    renameSync(file('new'), file('old'));
    return readFileSync(file('old'), 'utf8') === 'new';
  });
  return wrong;
}

/**
 * Lines about a folder; writes a few bytes below it and removes them.
 *
 * @param folder as the user gave it
 */
export function inspectStorage(folder: string): Finding[] {
  const what = 'folder';
  let trial: string;
  try {
    trial = mkdtempSync(join(folder, '.bandlift-doctor-'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [
      code === 'ENOENT'
        ? { what, found: `${folder} is not there`, ok: false, remedy: 'make it, or name one that is there' }
        : { what, found: `${folder}: not writable (${code})`, ok: false, remedy: 'name a folder you may write to' },
    ];
  }
  try {
    const mount = mountHere(folder);
    const { bavail, bsize } = statfsSync(folder);
    const system = mount === undefined ? 'unknown file system' : `${mount.type} (${mount.source} on ${mount.folder})`;
    const wrong = problems(trial);
    const shared = mount !== undefined && SHARED.test(mount.type);
    return [
      { what, found: `${realpathSync(folder)}: writable, ${formatBytes(bavail * bsize)} free, ${system}`, ok: true },
      wrong.length === 0
        ? {
            what: 'locks, renames',
            found: `work${shared ? '; other machines may see a change some seconds later, so one command writes a run folder' : ''}`,
            ok: true,
          }
        : {
            what: 'locks, renames',
            found: wrong.join('; '),
            ok: false,
            remedy: 'write runs to another file system (scratch), and copy them afterwards',
          },
    ];
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}
