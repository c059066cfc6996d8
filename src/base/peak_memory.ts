/** The most memory this process has held. */
import { readFileSync } from 'node:fs';

/**
 * Bytes. From the kernel's account of this process's own memory (VmHWM), since getrusage hands on what the process that
 * started this one had held: a small run started by a large program would look large.
 */
export function peakMemory(): number {
  try {
    const found = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (found) return Number(found[1]) * 1024;
  } catch {
    // not Linux
  }
  return process.resourceUsage().maxRSS * 1024;
}
