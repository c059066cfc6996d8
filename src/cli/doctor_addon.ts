/** What doctor says of the native addon and the processor. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Addon } from '../../bindings/addon.js';
import { GLIBC_FLOOR } from '../../bindings/addon_problem.js';
import { addonPath, addonSource, glibcVersion } from '../../bindings/load.js';
import { highestVersion, readNeeds } from '../../bindings/shared_object.js';
import type { Finding } from './doctor_finding.js';

const LOAD = new URL('../../bindings/load.js', import.meta.url).href;

/**
 * Whether opening the addon's CPU ends a process, as an instruction that the processor lacks does: tried in one of its own.
 * The signal; undefined where it does not.
 */
export function fatalSignal(): string | undefined {
  const script = `const { loadAddon } = await import(${JSON.stringify(LOAD)}); loadAddon().createDevice({ kind: 'cpu' }).dispose();`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  return signal ?? undefined;
}

/** Lines about an addon that loads. */
export function inspectAddon(addon: Addon): Finding[] {
  const path = addonPath()!;
  const needs = readNeeds(readFileSync(path));
  const [floor, cxx] = ['GLIBC', 'GLIBCXX'].map((name) => highestVersion(needs, name));
  const cpu = addon.cpuFeatures();
  const elsewhere = cxx !== undefined ? `, and libstdc++ with GLIBCXX_${cxx}` : '';
  return [
    { what: 'addon', found: `${addon.version} (${path}), found by: ${addonSource()}`, ok: true },
    {
      what: 'glibc',
      found: `${glibcVersion() ?? 'none'}; the addon needs ${floor ?? 'none'}${elsewhere}${cxx === undefined ? ` (packages: ${GLIBC_FLOOR} at most)` : ''}`,
      ok: true,
    },
    { what: 'processor', found: `${cpu.name}, ${process.arch}, ${cpu.physicalCores} physical cores`, ok: true },
    {
      what: 'instructions',
      found: `${cpu.isa[0]} of ${cpu.isa.join(', ')}`,
      ok: true,
      ...(process.arch === 'x64' && cpu.isa[0] === 'baseline'
        ? { remedy: 'a processor with AVX2 is several times faster' }
        : {}),
    },
  ];
}
