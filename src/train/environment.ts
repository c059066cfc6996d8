/**
 * environment.json: what a run was made with, and every start of it, so that a result can be traced. The file is brought up to
 * date when a run starts, goes on and ends.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { projectRoot, version } from '../base/version.js';
import type { Session } from '../engine/types.js';

interface Start {
  readonly started: string;
  /** Absent where the process was killed. */
  ended?: string;
  readonly command: readonly string[];
  readonly host: string;
  readonly process: number;
  /** The step from which it went on. */
  readonly resumed_at_step?: number;
}

/** The commit of a checkout, with '-dirty' where files were changed; undefined outside one or without git. */
function commit(): string | undefined {
  const root = projectRoot();
  if (!existsSync(join(root, '.git'))) return undefined;
  try {
    const args = ['-C', root, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude', '*'];
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 }).trim();
  } catch {
    return undefined;
  }
}

function describe(session: Session): Record<string, unknown> {
  return {
    bandlift: version(),
    ...(commit() === undefined ? {} : { commit: commit() }),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    device: session.deviceName,
    processor: cpus()[0]?.model ?? 'unknown',
    memory_bytes: totalmem(),
    plan: session.plan,
  };
}

function earlierStarts(path: string): Start[] {
  try {
    const { starts } = JSON.parse(readFileSync(path, 'utf8')) as { starts?: Start[] };
    return Array.isArray(starts) ? starts : [];
  } catch {
    return []; // of an older version, or lost
  }
}

export class EnvironmentRecord {
  readonly #path: string;
  readonly #facts: Record<string, unknown>;
  readonly #starts: Start[];

  private constructor(path: string, facts: Record<string, unknown>, starts: Start[]) {
    this.#path = path;
    this.#facts = facts;
    this.#starts = starts;
  }

  /** Writes that a run starts now, or with `resumedAt` (a step) goes on. */
  static async begin(path: string, session: Session, resumedAt: number | undefined): Promise<EnvironmentRecord> {
    const start: Start = {
      started: new Date().toISOString(),
      command: process.argv.slice(1),
      host: hostname(),
      process: process.pid,
      ...(resumedAt === undefined ? {} : { resumed_at_step: resumedAt }),
    };
    const starts = [...(resumedAt === undefined ? [] : earlierStarts(path)), start];
    const record = new EnvironmentRecord(path, describe(session), starts);
    await record.#write();
    return record;
  }

  /** Writes that it ends now, for whatever reason. */
  async end(): Promise<void> {
    this.#starts.at(-1)!.ended = new Date().toISOString();
    await this.#write().catch(() => undefined); // on a full disk the error that ended the run is the one to tell
  }

  async #write(): Promise<void> {
    await writeFileAtomic(this.#path, `${JSON.stringify({ ...this.#facts, starts: this.#starts }, null, 1)}\n`);
  }
}
