/** A system as old as the packages promise to run on: Debian 11's C library, this Node, npm, and nothing else. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { byVersion, highestVersion, readNeeds } from '../../bindings/shared_object.js';
import { projectRoot } from '../../src/base/version.js';

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface OldSystem {
  /** The folder of its user, seen from here. */
  readonly home: string;
  /** Runs Node there, in the user's folder. */
  node(args: readonly string[]): Ran;
  remove(): void;
}

/** Version of bullseye's glibc. */
const GLIBC = '2.31';
const HOME = '/home/user';
const NPM = '/usr/lib/node_modules/npm';
/** The only variables a process there has. */
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME };

/** Why packages for old systems cannot be built here; undefined where they can. Downloads what they are built against. */
export function whyNoSysroot(): string | undefined {
  const { status, stderr } = spawnSync(join(projectRoot(), 'scripts/sysroot'), [process.arch], { encoding: 'utf8' });
  return status === 0
    ? undefined
    : (/^error: (.*?)(?:;|: run this|$)/m.exec(stderr ?? '')?.[1] ?? 'scripts/sysroot failed');
}

/** Why there can be no such system here, where packages for it can be built; undefined where there can. */
export function whyNoOldSystem(): string | undefined {
  if (spawnSync('unshare', ['-m', 'chroot', '/', 'true']).status !== 0) return 'mounts and chroot are not permitted';
  const needed = highestVersion(readNeeds(readFileSync(process.execPath)), 'GLIBC');
  if (needed !== undefined && byVersion(needed, GLIBC) > 0) return `this Node needs glibc ${needed}`;
  return npmFolder() === undefined ? 'npm was not found' : undefined;
}

function npmFolder(): string | undefined {
  const paths = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'npm'));
  const found = paths.find((path) => existsSync(path));
  const folder = found === undefined ? undefined : dirname(dirname(realpathSync(found)));
  return folder !== undefined && existsSync(join(folder, 'bin/npm-cli.js')) ? folder : undefined;
}

/** Arguments of Node that are npm there. */
export const npmThere = (...args: string[]): string[] => [`${NPM}/bin/npm-cli.js`, ...args];

export function makeOldSystem(): OldSystem {
  const root = mkdtempSync(join(tmpdir(), 'bandlift-debian11-'));
  // /proc, /dev and an empty /tmp in mounts of its own, which go with the process
  const enter = `mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" /usr/bin/env -C ${HOME} /usr/bin/node "$@"`;
  const packages = ['libc6', 'libgcc-s1', 'libstdc++6', 'base-files', 'coreutils', 'libselinux1', 'libpcre2-8-0'];
  const fetched = spawnSync(
    join(projectRoot(), 'scripts/debian-packages'),
    ['bullseye', process.arch === 'arm64' ? 'arm64' : 'amd64', root, ...packages],
    { encoding: 'utf8' },
  );
  if (fetched.status !== 0) throw new Error(fetched.stderr);
  for (const folder of ['proc', 'dev', 'tmp', HOME, dirname(NPM)]) mkdirSync(join(root, folder), { recursive: true });
  cpSync(process.execPath, join(root, 'usr/bin/node'), { dereference: true });
  cpSync(npmFolder()!, join(root, NPM), { recursive: true, dereference: true });
  return {
    home: join(root, HOME),
    node: (args) => {
      const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', enter, root, ...args], {
        ...{ encoding: 'utf8', maxBuffer: 1 << 26 },
        env,
      });
      return { status, stdout, stderr };
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
