/** Lock files as other processes would leave them. */
import { type Owner, thisProcess } from '../../src/base/process_lock.mjs';

/** The content of a lock of this machine's process `pid`, or of another owner. */
export function lockOf(owner: Partial<Owner>): string {
  const { pid: _, started: __, ...here } = thisProcess();
  const made = { ...here, pid: 1, started: '1', time: '2026-01-02T03:04:05.678Z', nonce: '0123456789abcdef' };
  return `${JSON.stringify({ ...made, ...owner })}\n`;
}
