/** Builds: what is told to be older than its sources, and two that start at once. In a tiny checkout with the real scripts. */
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { lockOf } from '../support/locks.js';
import { quirks } from './table.js';

const MAIN = "import { readFileSync } from 'node:fs';\nconsole.log('ran', readFileSync('note', 'utf8'));\n";
const SCRIPTS = ['bandlift', 'build', 'build_lock', 'compiled', 'up_to_date', 'cuda_toolkit'];

/** A checkout whose addon is built, with one source that is not. */
async function checkout(folder: string): Promise<string> {
  const root = join(folder, 'checkout');
  for (const name of ['scripts', 'src/io', 'src/cli', 'native', 'build/release/Release'])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of SCRIPTS) cpSync(join(projectRoot(), `scripts/${name}.mjs`), join(root, `scripts/${name}.mjs`));
  cpSync(join(projectRoot(), 'src/base/process_lock.mjs'), join(root, 'src/base/process_lock.mjs'));
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(projectRoot(), name), join(root, name));
  mkdirSync(join(root, 'node_modules'));
  cpSync(join(projectRoot(), 'node_modules/.package-lock.json'), join(root, 'node_modules/.package-lock.json'));
  for (const name of ['typescript', '@types'])
    symlinkSync(join(projectRoot(), 'node_modules', name), join(root, 'node_modules', name));
  writeFileSync(join(root, 'native/a.cpp'), 'int a;\n');
  writeFileSync(join(root, 'build/release/Release/bandlift.node'), 'an addon');
  writeFileSync(join(root, 'src/cli/main.ts'), MAIN);
  writeFileSync(join(root, 'src/cli/interrupt.ts'), 'export function listen(): void {}\n');
  writeFileSync(join(root, 'note'), 'one');
  const { sourcesOf, writeStamp } = await import(join(root, 'scripts/up_to_date.mjs'));
  writeStamp(
    join(root, 'build/release/.built'),
    sourcesOf(root, ['native', 'bindings', 'cmake', 'CMakeLists.txt'], /\.(cpp|h|cu|cmake|txt)$/),
  );
  return root;
}

const start = (root: string) => [join(root, 'scripts/bandlift.mjs')];
const run = (root: string) => spawnSync(process.execPath, start(root), { cwd: root, encoding: 'utf8' });

function runBeside(root: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, start(root), { cwd: root });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => {
      text[name] += chunk;
    });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...text })));
}

const BUILT = 'compiling TypeScript ...\n';

quirks('builds', [
  {
    name: 'two starts, a copy, an edit',
    source:
      'reading the sources (jobs of an array build into one dist); a first trial by a new user (cp -r rebuilt everything)',
    input: 'two starts in a fresh checkout; cp -r of it, all times new; an edited source; a source that has gone',
    right: 'one builds while the other waits; nothing is built in the copy; what was edited is',
    check: async (folder) => {
      const root = await checkout(folder);
      const both = await Promise.all([runBeside(root), runBeside(root)]);
      expect(both.map(({ code, stdout }) => [code, stdout])).toEqual([
        [0, 'ran one\n'],
        [0, 'ran one\n'],
      ]);
      const said = both.map(({ stderr }) => stderr).sort();
      expect(said[0]).toBe(BUILT);
      // a start that comes late finds everything built
      if (said[1] !== '')
        expect(said[1]).toMatch(/^waiting for process \d+ since .*, which builds bandlift here \(wait for it\)\n$/);
      expect(readdirSync(join(root, 'build')).filter((name) => /lock/.test(name))).toEqual([]);

      const copy = join(folder, 'copy');
      spawnSync('cp', ['-r', root, copy]);
      utimesSync(join(copy, 'src/cli/main.ts'), new Date(), new Date(Date.now() + 60_000));
      expect([run(copy).stdout, run(copy).stderr]).toEqual(['ran one\n', '']);

      const before = readlinkSync(join(root, 'dist'));
      const { mtime } = statSync(join(root, 'src/cli/main.ts'));
      writeFileSync(join(root, 'src/cli/main.ts'), MAIN.replace('ran', 'RAN'));
      utimesSync(join(root, 'src/cli/main.ts'), mtime, mtime);
      writeFileSync(join(root, 'src/cli/more.ts'), 'export const more = 1;\n');
      expect([run(root).stdout, run(root).stderr]).toEqual(['RAN one\n', '']);
      // what runs keeps its version
      expect(readlinkSync(join(root, 'dist'))).not.toBe(before);
      expect(readFileSync(join(root, before, 'src/cli/main.js'), 'utf8')).toContain("'ran'");
    },
  },
  {
    name: 'a build on another node',
    source: 'notes on clusters: job arrays on a shared file system',
    input: 'a checkout that node7 has been building; then its lock is gone',
    right: 'the line names node7 and the file; then it goes on',
    check: async (folder) => {
      const root = await checkout(folder);
      const lock = join(root, 'build/.lock');
      writeFileSync(lock, lockOf({ host: 'node7', boot: 'b', machine: 'm', pid: 12 }));
      const child = spawn(process.execPath, start(root), { cwd: root });
      const line = await new Promise<string>((resolve) =>
        child.stderr.once('data', (chunk: Buffer) => resolve(`${chunk}`)),
      );
      expect(line).toContain(
        'waiting for process 12 on node7 since 2026-01-02 03:04:05 UTC, which builds bandlift here',
      );
      expect(line).toContain(`remove ${lock}`);
      spawnSync('rm', [lock]);
      expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    },
  },
  {
    name: "somebody else's checkout",
    source:
      'a first trial by a new user: with a newer source file `--version` died with "ninja: error: ... Permission denied"',
    input: 'a checkout that cannot be written to, with sources edited after the build; one that was never built',
    right: 'what was built runs, with a warning; a line that says who can build it',
    check: async (folder) => {
      const root = await checkout(folder);
      expect(run(root).stderr).toBe(BUILT);
      const never = join(folder, 'never');
      spawnSync('cp', ['-r', root, never]);
      rmSync(join(never, 'dist'));
      for (const path of [root, never]) writeFileSync(join(path, 'src/cli/main.ts'), MAIN.replace('ran', 'RAN'));
      const isRoot = process.getuid!() === 0;
      spawnSync('chmod', ['-R', 'a-w,a+rX', folder]);
      const asStranger = (path: string) => {
        const stranger = isRoot ? { uid: 65534, gid: 65534 } : {};
        const { status, stdout, stderr } = spawnSync(process.execPath, start(path), {
          cwd: path,
          encoding: 'utf8',
          ...stranger,
        });
        return [status, stdout, stderr];
      };
      try {
        expect(asStranger(root)).toEqual([
          0,
          'ran one\n',
          'warning: the sources have changed since bandlift was built, and this checkout cannot be written to; what was built is run\n',
        ]);
        expect(asStranger(never)).toEqual([
          1,
          '',
          `error: ${join(never, 'dist/src/cli/main.js')} is missing, and this checkout cannot be written to; ask its owner to run \`npm run build\`\n`,
        ]);
      } finally {
        spawnSync('chmod', ['-R', 'u+w', folder]);
      }
    },
  },
]);
