/** What doctor says of memory: the machine's, and what control groups and `ulimit` leave of it. */
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { formatBytes } from '../base/bytes.js';
import { memoryLimit } from '../base/memory_limit.js';
import type { Finding } from './doctor_finding.js';

/** A network of the default size trains in less. */
const ENOUGH = 4 * 2 ** 30;

/**
 * Bytes of address space that `ulimit -v` leaves a process; undefined: as many as there are.
 *
 * @param limits /proc/self/limits
 */
export function addressSpaceLimit(limits: string): number | undefined {
  const soft = /^Max address space +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function ownLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}

/** @param group what the control groups leave; @param space what `ulimit -v` leaves: bytes, undefined for no limit */
export function inspectMemory(group = memoryLimit(), space = addressSpaceLimit(ownLimits())): Finding[] {
  const total = totalmem();
  const findings: Finding[] = [
    { what: 'memory', found: `${formatBytes(total)}, ${formatBytes(freemem())} free`, ok: true },
  ];
  const remedy = (how: string): { remedy?: string } => (how === '' ? {} : { remedy: how });
  const limited = group !== undefined && group < total;
  findings.push({
    what: 'memory limit',
    found: limited ? `${formatBytes(group)} (control group: container or job)` : 'unlimited (control group)',
    ok: true,
    ...remedy(limited && group < ENOUGH ? 'ask for more (SLURM: --mem=16G), or train with a smaller --batch-size' : ''),
  });
  // Node reserves tens of GiB of addresses that it never fills
  if (space !== undefined)
    findings.push({
      what: 'address space',
      found: `${formatBytes(space)} (ulimit -v)`,
      ok: space >= total,
      ...remedy(space < total ? 'ulimit -v unlimited' : ''),
    });
  return findings;
}
