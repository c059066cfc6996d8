/** Folders that cannot be made: what the program says of them, and that it says it. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { makeFolder } from '../../src/base/folders.js';
import { expectOneError } from '../support/broken.js';
import { bandlift } from '../support/cli.js';
import { type Quirk, quirks } from './table.js';

const LINUX = process.platform === 'linux';

quirks('folders', [
  {
    name: 'several levels',
    source: 'use',
    input: 'a/b/c where a is there, twice',
    right: 'the topmost that was made, then nothing',
    check(folder) {
      mkdirSync(join(folder, 'a'));
      expect(makeFolder(join(folder, 'a/b/c'))).toBe(join(folder, 'a/b'));
      expect(existsSync(join(folder, 'a/b/c'))).toBe(true);
      expect(makeFolder(join(folder, 'a/b/c'))).toBeUndefined();
    },
  },
  ...['file', 'file/x', 'file/x/y'].map(
    (path): Quirk => ({
      name: `a file at ${path.split('/')[0]}`,
      source: 'use',
      input: path,
      right: 'told, the file stays',
      check(folder) {
        writeFileSync(join(folder, 'file'), 'text');
        expect(() => makeFolder(join(folder, path))).toThrow(
          /file\S*: cannot make this folder: a file is in its place or above it; choose another folder/,
        );
        expect(readdirSync(folder)).toEqual(['file']);
      },
    }),
  ),
  {
    name: 'a level that fails',
    source: "review: Node's recursive mkdir gives another reason than that of the level that fails",
    input: 'a name of 300 letters below two folders that are missing',
    right: 'its own reason; the two are not left behind',
    check(folder) {
      expect(() => makeFolder(join(folder, 'a/b', 'x'.repeat(300)))).toThrow(/: the name is too long; choose/);
      expect(readdirSync(folder)).toEqual([]);
    },
  },
]);

describe.skipIf(!LINUX)(`below /proc${LINUX ? '' : ' (skipped: Linux alone has it)'}`, () => {
  quirks('folders of the kernel', [
    {
      name: 'a folder below /proc',
      source: "review: Node's recursive mkdir hangs there",
      input: 'train --output-dir /proc/x/y',
      right: 'one line, exit 3',
      check(folder) {
        // in a process of its own: when it hangs, it is ended
        const args = ['train', 'stage1', '--data-dir', folder, '--output-dir', '/proc/bandlift/run'];
        const result = bandlift(args, folder);
        expect(expectOneError(result.stderr)).toMatch(
          /\/proc\/bandlift\/run: cannot make this folder: this file system takes no folders; choose a folder you may write/,
        );
        expect(result.status).toBe(3);
      },
    },
  ]);
});
