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

/**
 * Runs `code` with sys.argv[1:] = args; what it prints. Throws with Python's traceback when it fails.
 *
 * @param path the interpreter, that of the peers unless given
 */
export function runPython(code: string, args: readonly string[] = [], path = python()): string {
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

/** A Python with PyTorch (bench/peers/requirements.txt), 2 GB and more: not part of the usual tests. */
export const pythonWithTorch = process.env.BANDLIFT_PEERS_PYTHON;

/** Declares tests beside PyTorch itself; without it there are none, and a line says so. */
export function describePyTorch(title: string, body: () => void): void {
  if (pythonWithTorch === undefined) console.log(`not run: ${title} (BANDLIFT_PEERS_PYTHON is not set)`);
  else describe(title, body);
}
