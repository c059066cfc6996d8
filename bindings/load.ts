/**
 * Finds and loads the native addon: BANDLIFT_ADDON, then the builds of a checkout, then the package of this platform. Every
 * failure is remembered and told at once, with what to do (addon_problem.ts).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BandliftError, EXIT } from '../src/base/errors.js';
import type { Addon } from './addon.js';
import { addonProblem, platformPackage, type Tried } from './addon_problem.js';
import { highestVersion, readNeeds } from './shared_object.js';

/** Which step of the search a file belongs to. */
export type AddonSource = 'BANDLIFT_ADDON' | 'build of this checkout' | 'platform package';

interface Candidate {
  readonly source: AddonSource;
  readonly path: string;
}

let loaded: (Candidate & { readonly addon: Addon }) | undefined;

const require = createRequire(import.meta.url);

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'bandlift') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('bandlift is not inside its own package');
    folder = parent;
  }
}

/** Whether the sources are here, to build from. */
export const isCheckout = (): boolean => existsSync(join(packageRoot(), 'CMakeLists.txt'));

/**
 * Builds with CUDA come first, this machine's own, then that of the packages: the same engine with more devices. One of other
 * sources than the plain build is left.
 */
function checkoutBuilds(): string[] {
  const build = (kind: string) => join(packageRoot(), `build/${kind}/Release/bandlift.node`);
  const plain = build('release');
  const sources = (path: string): string | undefined => {
    try {
      return JSON.parse(readFileSync(join(path, '../../.built'), 'utf8')).content;
    } catch {
      return undefined; // built by hand
    }
  };
  const withCuda = [build('cuda'), build(`portable-${process.arch}-cuda`)].filter((path) => existsSync(path));
  if (withCuda.length === 0) return [plain];
  const current = sources(plain);
  const same = (path: string) => current === undefined || [current, undefined].includes(sources(path));
  return [...withCuda.filter(same), plain];
}

/** The file of the platform's package; where it would be, if it is not there. */
function packaged(): string {
  const name = `${platformPackage(process.arch)}/bandlift.node`;
  try {
    return require.resolve(name);
  } catch {
    return name;
  }
}

function candidates(): Candidate[] {
  const asked = process.env.BANDLIFT_ADDON;
  if (asked) return [{ source: 'BANDLIFT_ADDON', path: asked }];
  // the archive for GPU machines has a build and no sources
  const hasBuilds = isCheckout() || existsSync(join(packageRoot(), 'build'));
  const builds = hasBuilds ? checkoutBuilds() : [];
  const path = packaged();
  return [
    ...builds.map((build) => ({ source: 'build of this checkout' as const, path: build })),
    // a checkout has it only where somebody put it there
    ...(builds.length === 0 || existsSync(path) ? [{ source: 'platform package' as const, path }] : []),
  ];
}

/** Folders of node_modules that may hold cuDNN or NCCL: side packages named after them. */
export function libraryFolders(): string[] {
  // beside an installed package are the others
  const above = dirname(packageRoot());
  const modules = basename(above) === 'node_modules' ? above : join(packageRoot(), 'node_modules');
  if (!existsSync(modules)) return [];
  const packages = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => join(name, inner)) : [name],
  );
  return packages.filter((name) => /cudnn|nccl/i.test(name)).map((name) => join(modules, name));
}

/** Names of platform packages in the node_modules that are looked through from here, and in their lock files. */
function platformPackages(): { installed: string[]; locked: string[] } {
  const installed = new Set<string>();
  const locked = new Set<string>();
  for (const modules of require.resolve.paths('@bandlift/any') ?? []) {
    const scope = join(modules, '@bandlift');
    if (existsSync(scope))
      for (const name of readdirSync(scope)) if (name.startsWith('linux-')) installed.add(`@bandlift/${name}`);
    try {
      const lock = JSON.parse(readFileSync(join(modules, '../package-lock.json'), 'utf8'));
      for (const path of Object.keys(lock.packages ?? {})) {
        const name = /(?:^|\/)node_modules\/(@bandlift\/[^/]+)$/.exec(path)?.[1];
        if (name !== undefined) locked.add(name);
      }
    } catch {
      // no lock file there
    }
  }
  return { installed: [...installed].sort(), locked: [...locked].sort() };
}

/** Version of the glibc that this process runs on; undefined with another C library. */
export function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  report.excludeNetwork = true; // it looks up the names of addresses otherwise
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

/** A file that did not load, with what it asks for. */
function tried(path: string, error: unknown): Tried {
  const reason = (error as Error).message.split('\n')[0]!;
  try {
    const needs = readNeeds(readFileSync(path));
    const [glibc, glibcxx] = ['GLIBC', 'GLIBCXX'].map((name) => highestVersion(needs, name));
    return {
      ...{ path, reason, arch: needs.arch, x86Level: needs.x86Level },
      ...(glibc === undefined ? {} : { glibc }),
      ...(glibcxx === undefined ? {} : { glibcxx }),
    };
  } catch {
    return { path, reason };
  }
}

/** The addon; loaded once per process (and once per worker). */
export function loadAddon(): Addon {
  if (loaded) return loaded.addon;
  const failures: Tried[] = [];
  for (const candidate of candidates()) {
    const { path } = candidate;
    if (!existsSync(path)) {
      failures.push({ path, reason: 'not there' });
      continue;
    }
    try {
      loaded = { addon: require(path) as Addon, ...candidate };
      return loaded.addon;
    } catch (error) {
      failures.push(tried(path, error));
    }
  }
  throw new BandliftError(
    addonProblem({
      ...{ platform: process.platform, arch: process.arch, glibc: glibcVersion() },
      ...{ processor: cpus()[0]?.model ?? '', asked: Boolean(process.env.BANDLIFT_ADDON), checkout: isCheckout() },
      ...{ tried: failures, ...platformPackages() },
    }),
    {},
    EXIT.failure,
  );
}

/** The file the addon came from; undefined before loadAddon(). */
export function addonPath(): string | undefined {
  return loaded?.path;
}

/** The step of the search that found it; undefined before loadAddon(). */
export function addonSource(): AddonSource | undefined {
  return loaded?.source;
}
