/** What a run was made with: kept beside it so that a result can be traced. */
import { cpus, totalmem } from 'node:os';
import type { Session } from '../engine/types.js';
import { version } from '../support/version.js';

export function environment(session: Session): Record<string, unknown> {
  return {
    bandlift: version(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    device: session.deviceName,
    processor: cpus()[0]?.model ?? 'unknown',
    memory_bytes: totalmem(),
    plan: session.plan,
  };
}
