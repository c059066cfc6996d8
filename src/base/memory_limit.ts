/** What control groups leave a process of the machine's memory; a job of SLURM or a container is such a group. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A limit file's number of bytes; undefined for 'max', for the "no limit" of version 1 (near 2^63), and where there is none. */
function limitIn(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
  const bytes = Number(text);
  return /^\d+$/.test(text) && bytes > 0 && bytes < 2 ** 60 ? bytes : undefined;
}

/**
 * The least limit of a process's groups and of those around them, in bytes; undefined where there is none.
 *
 * @param groups /proc/self/cgroup: lines '0::/a/b' (version 2) or '4:memory:/a/b' (version 1)
 * @param root where control groups are mounted: /sys/fs/cgroup
 */
export function groupMemoryLimit(groups: string, root: string): number | undefined {
  const limits: number[] = [];
  for (const line of groups.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, controllers, path] = match as unknown as [string, string, string];
    const version2 = controllers === '';
    if (!version2 && !controllers.split(',').includes('memory')) continue;
    const mounts = version2 ? [root, join(root, 'unified')] : [join(root, controllers), join(root, 'memory')];
    const names = path.split('/').filter((name) => name !== '');
    for (let length = names.length; length >= 0; length--)
      for (const mount of mounts) {
        const folder = join(mount, ...names.slice(0, length));
        limits.push(limitIn(join(folder, version2 ? 'memory.max' : 'memory.limit_in_bytes')) ?? Infinity);
      }
  }
  const least = Math.min(...limits);
  return Number.isFinite(least) ? least : undefined;
}

/** The limit of this process's groups, bytes; undefined where there is none. */
export function memoryLimit(): number | undefined {
  try {
    return groupMemoryLimit(readFileSync('/proc/self/cgroup', 'utf8'), '/sys/fs/cgroup');
  } catch {
    return undefined; // no such groups here
  }
}
