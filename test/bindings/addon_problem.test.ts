/** What is said when the addon is not there or does not load: each cause told from faked facts, by a line of its own. */
import { describe, expect, it } from 'vitest';
import { type AddonFacts, addonProblem, type Tried } from '../../bindings/addon_problem.js';

const FILE = '/home/me/node_modules/@bandlift/linux-x64/bandlift.node';
const absent: Tried = { path: '@bandlift/linux-x64/bandlift.node', reason: 'not there' };

/** An installation on a RHEL 8 whose platform package is missing, but for `changes`. */
const told = (changes: Partial<AddonFacts>): string =>
  addonProblem({
    ...{ platform: 'linux', arch: 'x64', glibc: '2.28', processor: 'Xeon E5', asked: false, checkout: false },
    ...{ tried: [absent], installed: [], locked: [] },
    ...changes,
  });
const loading = (file: Partial<Tried>, changes: Partial<AddonFacts> = {}): string =>
  told({ tried: [{ path: FILE, reason: 'it failed', arch: 'x64', glibc: '2.27', ...file }], ...changes });

const CASES: [string, string, RegExp][] = [
  [
    'an optional dependency was omitted',
    told({}),
    /@bandlift\/linux-x64 is not installed: optional dependencies were left out \(--omit=optional, --no-optional\); run `npm install --include=optional`/,
  ],
  [
    'node_modules came from another platform',
    told({ installed: ['@bandlift/linux-arm64'] }),
    /node_modules holds @bandlift\/linux-arm64 and not @bandlift\/linux-x64: .*`npm install --os=linux --cpu=x64 --libc=glibc`/,
  ],
  [
    'the lock file came from another platform',
    told({ locked: ['@bandlift/linux-arm64'] }),
    /the lock file lists @bandlift\/linux-arm64 and not @bandlift\/linux-x64: .*remove node_modules and package-lock.json/,
  ],
  [
    'the C library is too old, by number and not by letter',
    loading({ glibc: '2.28', reason: "version `GLIBC_2.28' not found" }, { glibc: '2.9' }),
    /bandlift\.node needs glibc 2\.28, found glibc 2\.9: use a newer system or a container/,
  ],
  [
    'there is musl and no package',
    told({ glibc: undefined }),
    /not glibc \(musl, as on Alpine\).*glibc 2\.28 or newer/,
  ],
  [
    'there is musl under a package',
    loading({ reason: 'Error loading shared library ld-linux-x86-64.so.2' }, { glibc: undefined }),
    /needs glibc 2\.27, and the C library here is another one \(musl/,
  ],
  [
    'the file is for another processor',
    loading({ arch: 'arm64', reason: 'cannot open shared object file' }),
    /is for the processor arm64, this Node is for x64: remove node_modules and install again/,
  ],
  [
    'there is no package for the processor',
    told({ arch: 'ppc64', tried: [{ ...absent, path: '@bandlift/linux-ppc64/bandlift.node' }] }),
    /no package for linux on ppc64, only for Linux on x64 and arm64/,
  ],
  ['there is no package for the system', told({ platform: 'darwin', arch: 'arm64' }), /no package for darwin on arm64/],
  [
    'an instruction set is missing',
    loading({ reason: 'CPU ISA level is lower than required', x86Level: 4 }),
    /needs x86-64-v4 that this processor lacks \(Xeon E5\): .*use the package, which runs on every x86-64 processor/,
  ],
  [
    'the C++ library is too old',
    loading({ reason: "libstdc++.so.6: version `GLIBCXX_3.4.30' not found", glibcxx: '3.4.30' }, { checkout: true }),
    /the C\+\+ library of a newer compiler \(GLIBCXX_3\.4\.30\): build it here \(`npm run build`\)/,
  ],
  [
    'BANDLIFT_ADDON names a file of another machine',
    loading({ glibc: '2.34', reason: "version `GLIBC_2.34' not found" }, { asked: true }),
    /needs glibc 2\.34, found glibc 2\.28: unset BANDLIFT_ADDON, or name a file that was built for this machine/,
  ],
  ['BANDLIFT_ADDON names no file', told({ asked: true }), /; correct or unset BANDLIFT_ADDON$/],
  ['a checkout was not built', told({ checkout: true }), /\(.*: not there\); run `npm run build`$/],
  ['a file is damaged', loading({ reason: 'file too short' }), /remove node_modules and install again$/],
];

describe('what is said where the addon does not load because', () => {
  it.each(CASES)('%s', (_cause, line, expected) => {
    expect(line).toMatch(/^the native addon could not be loaded \(.*: .*\); /);
    expect(line).toMatch(expected);
    expect(line).not.toContain('\n');
    // each cause has words that no other has
    expect(CASES.filter(([, , other]) => other.test(line)).length).toBe(1);
  });
});
