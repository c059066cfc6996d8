/**
 * The table of quirks: what the files, machines and habits of others did to programs like this one, a row each. A row
 * makes its own tiny input and asserts on the right value, or on the line that tells what is wrong. One file per area
 * (`envi.test.ts`, `landsat.test.ts`, ...) lists its rows; a fault that is found anywhere ends as a row here.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { describeGdal } from '../support/gdal.js';
import { describePython } from '../support/python.js';

export interface Quirk {
  /** Short, unique in its file, in words: 'appended header name wins'. */
  readonly name: string;
  /** The public report (repository #number), the real file, or how it was found. */
  readonly source: string;
  /** What is odd about the input. */
  readonly input: string;
  /** The right value or the line of the error, in words. */
  readonly right: string;
  /** Another program that the row cannot do without. */
  readonly needs?: 'GDAL' | 'Python';
  /** Makes the input in `folder`, an empty folder that is removed afterwards, and asserts. */
  readonly check: (folder: string) => void | Promise<void>;
}

const DECLARE = { GDAL: describeGdal, Python: describePython } as const;

/** Declares one test per row. */
export function quirks(area: string, rows: readonly Quirk[]): void {
  describe(area, () => {
    for (const row of rows) {
      const declare = () =>
        test(`${row.name}: ${row.input} -> ${row.right} [${row.source}]`, async () => {
          const folder = mkdtempSync(join(tmpdir(), 'bandlift-quirk-'));
          try {
            await row.check(folder);
          } finally {
            rmSync(folder, { recursive: true, force: true });
          }
        });
      if (row.needs === undefined) declare();
      else DECLARE[row.needs](`with ${row.needs}`, declare);
    }
  });
}
