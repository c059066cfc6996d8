/** Python peers (requirements in test/peers/): independent readers of what bandlift writes, writers of what it reads. */
import { execFileSync } from 'node:child_process';
import { describe } from 'vitest';

/** The interpreter with the peers' packages, undefined where none is given; with BANDLIFT_REQUIRE_ALL=1 that is an error. */
export function python(): string | undefined {
  const path = process.env.BANDLIFT_TEST_PYTHON;
  if (path) return path;
  if (process.env.BANDLIFT_REQUIRE_ALL === '1') throw new Error('BANDLIFT_TEST_PYTHON is not set');
  return undefined;
}

/** Runs `code` with sys.argv[1:] = args; what it prints. Throws with Python's traceback when it fails. */
export function runPython(code: string, args: readonly string[] = []): string {
  const path = python();
  if (path === undefined) throw new Error('BANDLIFT_TEST_PYTHON is not set');
  return execFileSync(path, ['-c', code, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Declares tests that need Python; without it they are skipped and the reason is printed. */
export function describePython(title: string, body: () => void): void {
  if (python() === undefined) describe.skip(`${title} (skipped: BANDLIFT_TEST_PYTHON is not set)`, body);
  else describe(title, body);
}
