/** Why the native addon is not there or does not load, and what to do: told from facts alone, so that each case is tested. */
import { byVersion } from './shared_object.js';

/** A file that was tried. */
export interface Tried {
  readonly path: string;
  /** 'not there', or what the system's loader said. */
  readonly reason: string;
  /** What the file asks for, where it could be read: processor, highest versions, level of x86-64. */
  readonly arch?: string;
  readonly glibc?: string;
  readonly glibcxx?: string;
  readonly x86Level?: number;
}

export interface AddonFacts {
  /** Node's names: 'linux' and 'x64'. */
  readonly platform: string;
  readonly arch: string;
  /** Version of the C library in use; undefined where it is not glibc. */
  readonly glibc: string | undefined;
  /** Name of the processor; '' unknown. */
  readonly processor: string;
  /** Whether BANDLIFT_ADDON names the file. */
  readonly asked: boolean;
  /** Whether the sources are here, to build from. */
  readonly checkout: boolean;
  readonly tried: readonly Tried[];
  /** Platform packages in node_modules, and those that the lock file lists. */
  readonly installed: readonly string[];
  readonly locked: readonly string[];
}

/** Processors that packages are made for. */
const ARCHS = ['x64', 'arm64'];

/** Lowest glibc that the packages run on. */
export const GLIBC_FLOOR = '2.28';

/** The package that holds the addon for a processor. */
export const platformPackage = (arch: string): string => `@bandlift/linux-${arch}`;

/** What this machine lacks for a file that is there; undefined where nothing is known. */
function misfit(facts: AddonFacts, file: Tried): string | undefined {
  const { path } = file;
  const instead = facts.asked
    ? 'unset BANDLIFT_ADDON, or name a file that was built for this machine'
    : facts.checkout
      ? 'build it here (`npm run build`)'
      : 'use a newer system or a container, or build from a checkout on this machine';
  if (file.arch !== undefined && file.arch !== facts.arch)
    return `${path} is for the processor ${file.arch}, this Node is for ${facts.arch}: ${
      facts.asked || facts.checkout ? instead : 'remove node_modules and install again on this machine'
    }`;
  if (facts.glibc === undefined && file.glibc !== undefined)
    return `${path} needs glibc ${file.glibc}, and the C library here is another one (musl, as on Alpine): use a system or image with glibc ${GLIBC_FLOOR} or newer`;
  if (file.glibc !== undefined && byVersion(file.glibc, facts.glibc ?? '') > 0)
    return `${path} needs glibc ${file.glibc}, found glibc ${facts.glibc}: ${instead}`;
  if (/ISA level|instruction set|SIGILL/.test(file.reason)) {
    const level = file.x86Level ? `x86-64-v${file.x86Level}` : 'instructions';
    return `${path} needs ${level} that this processor lacks${facts.processor ? ` (${facts.processor})` : ''}: it was built for newer processors; ${
      facts.checkout ? 'build it here without -march' : 'use the package, which runs on every x86-64 processor'
    }`;
  }
  if (/GLIBCXX|CXXABI|libstdc\+\+/.test(file.reason))
    return `${path} needs the C++ library of a newer compiler${file.glibcxx ? ` (GLIBCXX_${file.glibcxx})` : ''}: ${instead}`;
  return undefined;
}

/** Why the platform's package is not there. */
function absent(facts: AddonFacts): string {
  const { arch } = facts;
  const name = platformPackage(arch);
  if (facts.platform !== 'linux' || !ARCHS.includes(arch))
    return `there is no package for ${facts.platform} on ${arch}, only for Linux on ${ARCHS.join(' and ')}: use such a machine or a container`;
  if (facts.glibc === undefined)
    return `the C library here is not glibc (musl, as on Alpine), and npm leaves ${name} out then: use a system or image with glibc ${GLIBC_FLOOR} or newer`;
  const others = (names: readonly string[]) => names.filter((other) => other !== name);
  if (others(facts.installed).length > 0)
    return `node_modules holds ${others(facts.installed).join(', ')} and not ${name}: it was installed on another machine or for one; remove node_modules and install again here, or add it with \`npm install --os=linux --cpu=${arch} --libc=glibc\``;
  if (others(facts.locked).length > 0 && !facts.locked.includes(name))
    return `the lock file lists ${others(facts.locked).join(', ')} and not ${name}: it was written on another platform; remove node_modules and package-lock.json and run \`npm install\` here`;
  return `${name} is not installed: optional dependencies were left out (--omit=optional, --no-optional); run \`npm install --include=optional\`, or install its file: \`npm install ./bandlift-linux-${arch}-VERSION.tgz\``;
}

/** One line: what was tried, what is wrong, what to do. */
export function addonProblem(facts: AddonFacts): string {
  const tried = facts.tried.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
  const said = `the native addon could not be loaded (${tried})`;
  const there = facts.tried.filter(({ reason }) => reason !== 'not there');
  for (const file of there) {
    const wrong = misfit(facts, file);
    if (wrong !== undefined) return `${said}; ${wrong}`;
  }
  if (facts.asked) return `${said}; correct or unset BANDLIFT_ADDON`;
  if (facts.checkout) return `${said}; run \`npm run build\``;
  return `${said}; ${there.length > 0 ? 'remove node_modules and install again' : absent(facts)}`;
}
