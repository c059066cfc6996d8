/** Runs the compiled command line as a user would, in a folder of the test's own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { runCommandLine } from '../../src/cli/program.js';

export const cliPath = join(projectRoot(), 'dist/src/cli/main.js');

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

function requireBuilt(): void {
  if (!existsSync(cliPath)) throw new Error('the command line is not compiled; run `npm run build` first');
}

/** Runs `bandlift ARGS` to its end. */
export function bandlift(args: string[], cwd: string, env: Record<string, string> = {}): CliResult {
  requireBuilt();
  const result = spawnSync(process.execPath, [cliPath, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 300_000,
    maxBuffer: 1 << 26,
  });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

/**
 * Runs `bandlift ARGS` in this process, which saves the second that a process takes to start. Not for what depends on a
 * process of its own: signals, exits in the middle, memory, the exit code of a crash.
 */
export async function bandliftHere(args: readonly string[], cwd: string): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const before = { cwd: process.cwd(), stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = ((chunk: string | Uint8Array) => {
      written[name] += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
      return true;
    }) as typeof process.stdout.write;
  }
  process.chdir(cwd);
  try {
    return { status: await runCommandLine(args), ...written };
  } finally {
    process.chdir(before.cwd);
    process.stdout.write = before.stdout;
    process.stderr.write = before.stderr;
    process.exitCode = undefined; // the test's own
  }
}

/** Starts `bandlift ARGS`; `exited` settles with exit code and signal. */
export function startBandlift(
  args: string[],
  cwd: string,
): { child: ChildProcess; exited: Promise<{ code: number | null; signal: string | null }>; stderr: () => string } {
  requireBuilt();
  const child = spawn(process.execPath, [cliPath, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, exited, stderr: () => text };
}

/** A folder that is removed when the test file is done. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'bandlift-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Options of a network and a run that take a second. */
export const TINY = [
  '--blocks',
  '1',
  '--hidden',
  '6',
  '--batch-size',
  '2',
  '--image-every',
  '0',
  '--patience',
  '0',
  '--lr',
  '1e-3',
];
