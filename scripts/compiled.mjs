// dist/: a link to a folder of one version of the compiled sources. A new version is compiled beside it and the link is turned
// at once, so that nobody sees half of one, and what is running keeps the version that it was started with.
import {
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** Versions kept for what is running: these many, and all younger than a day. */
const KEPT = 10;
const DAY = 24 * 3600 * 1000;

/**
 * Compiles into build/typescript (again only what has changed), copies that to build/dist-CONTENT and points dist there.
 * `compile` runs tsc with the given arguments, `stamp` marks the folder as complete.
 */
export function compileTypeScript(root, content, compile, stamp) {
  const staging = join(root, 'build/typescript');
  const info = join(staging, '.tsbuildinfo');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  compile([tsc, '-p', 'tsconfig.build.json', '--outDir', staging, '--tsBuildInfoFile', info]);
  removeStale(staging, root);
  const version = join(root, 'build', `dist-${content.slice(0, 16)}`);
  const fresh = `${version}.new`;
  rmSync(fresh, { recursive: true, force: true });
  cpSync(staging, fresh, { recursive: true, filter: (path) => path !== info });
  stamp(fresh);
  rmSync(version, { recursive: true, force: true });
  renameSync(fresh, version);
  pointTo(root, version);
  removeOld(root, basename(version));
}

/** Removes what was compiled from sources that have gone. */
function removeStale(staging, root) {
  for (const entry of readdirSync(staging, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name);
    const match = /^(.*)\.(m?)js(\.map)?$/.exec(name.slice(staging.length + 1));
    if (!entry.isFile() || match === null) continue;
    const [, stem, m] = match;
    if (![`.${m}ts`, `.${m}js`].some((ending) => existsSync(join(root, `${stem}${ending}`)))) rmSync(name);
  }
}

function pointTo(root, version) {
  const dist = join(root, 'dist');
  const old = lstatSync(dist, { throwIfNoEntry: false });
  if (old?.isDirectory()) {
    // of an earlier version of this script
    const away = join(root, 'build', 'dist-before');
    rmSync(away, { recursive: true, force: true });
    renameSync(dist, away);
  }
  const link = join(root, 'build', 'dist.link');
  rmSync(link, { force: true });
  symlinkSync(join('build', basename(version)), link);
  renameSync(link, dist);
  const now = new Date();
  utimesSync(version, now, now);
}

function removeOld(root, current) {
  const versions = readdirSync(join(root, 'build'))
    .filter((name) => /^dist-[0-9a-z]+(\.new)?$/.test(name) && name !== current)
    .map((name) => ({ path: join(root, 'build', name), time: statSync(join(root, 'build', name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path, time } of versions.slice(KEPT - 1))
    if (Date.now() - time > DAY) rmSync(path, { recursive: true, force: true });
}
