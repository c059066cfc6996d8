/** Which file system a folder is on. */
import { readFileSync, realpathSync } from 'node:fs';

export interface Mount {
  /** Where it is mounted. */
  readonly folder: string;
  /** The kernel's name: 'ext4', 'nfs4', 'lustre', 'fuse.sshfs'. */
  readonly type: string;
  /** Device, or server and its folder. */
  readonly source: string;
}

/** Space, tab, newline and backslash are written as three octal digits. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));

/**
 * The mount that holds an absolute path.
 *
 * @param table /proc/self/mountinfo (proc(5)): '36 35 98:0 /root /folder options - type source options'; of two mounts at the same
 *   folder the later one is seen
 */
export function mountOf(path: string, table: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of table.split('\n')) {
    const [before, after] = line.split(' - ');
    const [folder, type, source] = [before!.split(' ')[4], ...(after ?? '').split(' ')];
    if (folder === undefined || type === undefined || source === undefined) continue;
    const at = unescaped(folder);
    const inside = path === at || path.startsWith(at.endsWith('/') ? at : `${at}/`);
    if (inside && (found === undefined || at.length >= found.folder.length))
      found = { folder: at, type, source: unescaped(source) };
  }
  return found;
}

/** The mount that holds an existing path; undefined where the system does not say. */
export function mountHere(path: string): Mount | undefined {
  try {
    return mountOf(realpathSync(path), readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return undefined;
  }
}
