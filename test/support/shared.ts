/** Files of ../shared (golden numbers, real scenes), which a checkout may lack. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

const root = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** Path of a shared file or folder, undefined where it is missing; with BANDLIFT_REQUIRE_ALL=1 missing is an error. */
export function sharedPath(name: string): string | undefined {
  const path = root + name;
  if (existsSync(path)) return path;
  if (process.env.BANDLIFT_REQUIRE_ALL === '1') throw new Error(`${name} is missing beside the checkout (../shared)`);
  return undefined;
}

/** Declares tests over a shared file; without it they are skipped and the reason is printed. */
export function describeShared(title: string, name: string, body: (path: string) => void): void {
  const path = sharedPath(name);
  if (path === undefined)
    describe.skip(`${title} (skipped: the real scene ../shared/${name} is not at hand)`, () => body(''));
  else describe(title, () => body(path));
}
