// What is newer than what was built from it, told by contents: times change when a checkout is copied, contents do not.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Files below the given files and folders of `root` whose names match, sorted. */
function filesOf(root, paths, pattern) {
  const files = [];
  const visit = (path) => {
    const info = statSync(path, { throwIfNoEntry: false });
    if (info?.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else if (info && pattern.test(path)) files.push({ path, name: relative(root, path), info });
  };
  for (const path of paths) visit(join(root, path));
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const hashOf = (parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

/**
 * Sources as they are now. `seen`: hash of names, sizes and times; `content()`: hash of names and contents, which is read only
 * when asked for.
 */
export function sourcesOf(root, paths, pattern) {
  const files = filesOf(root, paths, pattern);
  let content;
  return {
    seen: hashOf(files.flatMap(({ name, info }) => [name, `${info.size} ${info.mtimeMs}`])),
    content: () => {
      content ??= hashOf(files.flatMap(({ path, name }) => [name, readFileSync(path)]));
      return content;
    },
  };
}

function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether the build that left this stamp had these sources. */
export function isUpToDate(stamp, sources) {
  const built = readStamp(stamp);
  if (built === undefined) return false;
  if (built.seen === sources.seen) return true;
  if (built.content !== sources.content()) return false;
  try {
    writeStamp(stamp, sources); // so that the next look need not read them
  } catch {
    // a checkout that cannot be written to
  }
  return true;
}

/** Notes a finished build of the sources as they were when it began. */
export function writeStamp(stamp, sources) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${JSON.stringify({ content: sources.content(), seen: sources.seen })}\n`);
}

/** Whether node_modules holds what package-lock.json asks for; packages for other platforms may be missing. */
export function packagesAreInstalled(root) {
  let wanted;
  let installed;
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    installed = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const there = installed[path];
    if (there === undefined) return entry.optional || entry.devOptional;
    return there.version === entry.version && there.integrity === entry.integrity;
  });
}
