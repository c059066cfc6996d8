/** Runs the command line on something broken and holds it to the promise: one line that helps, and nothing lost. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bandliftHere, type CliResult } from './cli.js';

export interface BrokenCase {
  readonly name: string;
  /** Run in a folder of the case's own, in which `prepare` has made what is broken. */
  readonly args: readonly string[];
  readonly prepare?: (folder: string) => unknown;
  /** Exit code; see docs/reference/runs.md. */
  readonly exit: number;
  /** Must name the file or field, and what was found or what to do. */
  readonly message: RegExp;
  readonly after?: (folder: string, result: CliResult) => void;
}

/** Relative path -> SHA-256 of a file, or 'folder'. */
export function fingerprint(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    const content = entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'folder';
    return [path.slice(folder.length + 1), content];
  });
  return new Map(entries.sort());
}

/** Exactly one line on stderr begins with 'error: '; the only others allowed are warnings about the data. */
export function expectOneError(stderr: string): string {
  const lines = stderr.trimEnd().split('\n');
  const errors = lines.filter((line) => line.startsWith('error: '));
  expect(errors, stderr).toHaveLength(1);
  expect(
    lines.filter((line) => !line.startsWith('warning: ')),
    stderr,
  ).toEqual(errors);
  return errors[0]!;
}

/** Declares a test per case: error line, exit code, no new files or folders, earlier ones untouched. */
export function testBroken(work: string, cases: readonly BrokenCase[]): void {
  it.each(cases)('$name', async ({ name, args, prepare, exit, message, after }) => {
    const folder = join(work, name.replaceAll(/\W+/g, '-'));
    mkdirSync(folder);
    await prepare?.(folder);
    const before = fingerprint(folder);
    const result = await bandliftHere(args, folder);
    expect(expectOneError(result.stderr)).toMatch(message);
    expect(result.status).toBe(exit);
    expect(fingerprint(folder)).toEqual(before);
    after?.(folder, result);
  });
}
