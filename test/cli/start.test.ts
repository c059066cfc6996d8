/** What starts quickly: a command loads what it needs. The files that are loaded are counted, since time depends on the machine. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { cliPath, temporaryFolder } from '../support/cli.js';
import { writeCube } from '../support/envi_cubes.js';

const folder = temporaryFolder();
const hooks = join(folder, 'hooks.mjs');
const begin = join(folder, 'begin.mjs');
const log = join(folder, 'loaded');
writeFileSync(
  hooks,
  `import { appendFileSync } from 'node:fs';
export function load(url, context, next) {
  appendFileSync(${JSON.stringify(log)}, url + '\\n');
  return next(url, context);
}
`,
);
writeFileSync(
  begin,
  `import { register } from 'node:module';\nregister(${JSON.stringify(pathToFileURL(hooks).href)});\n`,
);

/** The files of bandlift (below src/ or bindings/) and the packages that a command line loads. */
function loadedBy(...args: string[]): { status: number | null; own: string[]; packages: string[] } {
  if (existsSync(log)) rmSync(log);
  const { status } = spawnSync(process.execPath, ['--import', begin, cliPath, ...args], { cwd: folder });
  const urls = readFileSync(log, 'utf8').split('\n');
  const own = urls.flatMap((url) => /^file:.*\/dist(?:-[0-9a-f]+)?\/((?:src|bindings)\/.*)$/.exec(url)?.[1] ?? []);
  const packages = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  return { status, own, packages: [...new Set(packages)] };
}

/** What stands between a name and its answer. */
const FRAME = [
  'src/base/errors.js',
  'src/base/version.js',
  'src/cli/interrupt.js',
  'src/cli/main.js',
  'src/cli/program.js',
];

describe('start', () => {
  it.each(['--help', '--version', 'no-such-command'])('%s loads no command', (arg) => {
    const { own, packages } = loadedBy(arg);
    expect(own.sort()).toEqual(FRAME);
    expect(packages).toEqual(['commander']);
  });

  it.each([
    ['predict', '--help'],
    ['help', 'predict'],
    ['train', 'stage1', '--help'],
    ['train', 'stage2', '--epochs', 'many'],
    ['predict', 'scene', '--out', 'a', '--device', 'abacus', '--stage1', 'b'],
    ['evaluate', '--data-dir', 'a', '--out', 'b'],
    ['prepare', '--out', 'a'],
    ['sample', '--seed', '-1'],
    ['import', 'a'],
    ['verify'],
    ['inspect'],
    ['view', 'a', '--port', '0'],
    ['check-pipeline', '--fast'],
    ['doctor', '--fast'],
  ])('%s %s: options alone', (...args) => {
    const { own, packages, status } = loadedBy(...args);
    expect(status).toBe(args.some((arg) => /help/.test(arg)) ? 0 : 2);
    // its options, those it shares, defaults, and where devices are named
    expect(own.length).toBeLessThanOrEqual(FRAME.length + 8);
    expect(own.filter((file) => file.endsWith('_run.js'))).toEqual([]);
    expect(packages).toEqual(['commander']);
  });

  it('inspect of a cube loads neither networks nor HDF5', () => {
    const cube = writeCube(join(folder, 'cube'), { lines: 2, samples: 2, bands: 3, value: () => 0.5 });
    const { own, packages, status } = loadedBy('inspect', cube);
    expect(status).toBe(0);
    expect(own.filter((file) => /src\/(engine|graph|compiler|train|models|data)\//.test(file))).toEqual([]);
    expect(packages).toEqual(['commander', 'zstddec']);
  });

  it('inspect of a model loads no other room than it needs', () => {
    const { own, packages, status } = loadedBy('inspect', join(projectRoot(), 'test/compat/stage1.safetensors'));
    expect(status).toBe(0);
    expect(own.filter((file) => /src\/(train|evaluate|report|predict|prepare|scenes|raster)\//.test(file))).toEqual([]);
    expect(packages).toEqual(['commander', 'zod']);
  });
});
