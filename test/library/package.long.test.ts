/**
 * The tarballs of `npm run prebuild` as a user of a cluster meets them: installed offline from two files, with an empty cache of
 * npm and without install scripts, into an empty folder; where it can be, inside Debian 11 (glibc 2.31) with Node and npm alone.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byVersion, highestVersion, readNeeds } from '../../bindings/shared_object.js';
import { projectRoot } from '../../src/base/version.js';
import { cliPath, temporaryFolder } from '../support/cli.js';
import { describeLong, runLong } from '../support/long.js';
import {
  makeOldSystem,
  npmThere,
  type OldSystem,
  type Ran,
  whyNoOldSystem,
  whyNoSysroot,
} from '../support/old_system.js';
import { landsatCube, sameModel } from '../support/predictions.js';

const root = projectRoot();
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const shipped = (name: string) => join(root, 'package', name);
const platform = `linux-${process.arch}`;
const tarballs = ['bandlift-0.1.0.tgz', `bandlift-${platform}-0.1.0.tgz`];
/** In the folder where the packages are installed. */
const MAIN = 'node_modules/bandlift/dist/src/cli/main.js';
const noSysroot = runLong ? whyNoSysroot() : undefined;
const noOldSystem = noSysroot ?? whyNoOldSystem();
/** The addon with CUDA where it is built already: it takes minutes. */
const withCuda = existsSync(join(root, `build/portable-${process.arch}-cuda/.built`));

/** What the user's shell has: nothing that leads to the checkout. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(BANDLIFT_|npm_)/.test(name)));

function done(result: Ran | SpawnSyncReturns<string>): string {
  const { status, stdout, stderr } = result;
  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  return stdout;
}

const run = (command: string, args: string[], cwd: string): string =>
  done(spawnSync(command, args, { cwd, encoding: 'utf8', env }));

const PROGRAM = `
import { type Model, type PredictResult, loadModel, openScene, predict } from 'bandlift';
import { GraphBuilder, createSession } from 'bandlift/graph';

const model: Model = await loadModel('same.safetensors');
const scene = await openScene('scene.hdr');
const result: PredictResult = await predict(scene, [model], { out: 'out', device: 'cpu' });
const boxed: PredictResult = await predict(scene, [], { out: 'boxed', device: 'cpu' });
await scene.close();
const builder = new GraphBuilder();
builder.output('y', builder.input('x', [1, 1, 1, 3]));
console.log(result.output.counts.pixels, typeof createSession, boxed.description.bands);
`;

describeLong('npm run prebuild', () => {
  let old: OldSystem | undefined;
  let work = temporaryFolder();

  beforeAll(async () => {
    const cuda = withCuda ? ['--cuda'] : [];
    run(process.execPath, ['scripts/prebuild.mjs', ...(noSysroot === undefined ? cuda : ['--local'])], root);
    if (noOldSystem === undefined) {
      old = makeOldSystem();
      work = old.home;
    }
    writeFileSync(join(work, 'package.json'), '{ "type": "module" }\n');
    for (const name of tarballs) cpSync(shipped(name), join(work, name));
    const install = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', 'cache'];
    const args = [...install, ...tarballs.map((name) => `./${name}`)];
    if (old === undefined) run('npm', args, work);
    else done(old.node(npmThere(...args)));
    writeFileSync(join(work, 'program.ts'), PROGRAM);
    await sameModel(work);
    landsatCube(join(work, 'scene'));
  }, 600_000);

  afterAll(() => old?.remove());

  it('writes sums that sha256sum checks, and tarballs below 60 MB', () => {
    const lines = readFileSync(shipped('SHA256SUMS'), 'utf8').trim().split('\n');
    const expected = tarballs.map((name) => {
      const bytes = readFileSync(shipped(name));
      expect(bytes.length).toBeLessThan(60e6);
      return `${createHash('sha256').update(bytes).digest('hex')}  ${name}`;
    });
    expect(lines).toEqual(expected);
    run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], join(root, 'package'));
  });

  it('is left as it is by `npm run build`, before which npm runs a script of this name', () => {
    const made = statSync(shipped('SHA256SUMS')).mtimeMs;
    run('npm', ['run', '-s', 'build'], root);
    expect(statSync(shipped('SHA256SUMS')).mtimeMs).toBe(made);
  });

  it('needs no compiler and runs nothing when it is installed', () => {
    for (const name of ['bandlift', `@bandlift/${platform}`]) {
      const description = JSON.parse(readFileSync(join(work, 'node_modules', name, 'package.json'), 'utf8'));
      expect(description.scripts).toBeUndefined();
      expect(Object.keys(description.dependencies ?? {})).not.toContain('typescript');
    }
    const bundled = join(work, 'node_modules/bandlift/node_modules');
    for (const name of ['commander', 'zod', 'vega']) expect(existsSync(join(bundled, name)), name).toBe(true);
    for (const name of ['cmake-js', 'typescript', 'node-addon-api', 'vitest'])
      expect(existsSync(join(bundled, name)), name).toBe(false);
    const own = JSON.parse(readFileSync(join(work, `node_modules/@bandlift/${platform}/package.json`), 'utf8'));
    expect(own).toMatchObject({ os: ['linux'], cpu: [process.arch], libc: ['glibc'] });
    if (noSysroot === undefined) expect(own.config).toEqual({ glibc: '>=2.28' });
  });

  const floor = `needs glibc 2.28 at most${noSysroot === undefined ? '' : ` (skipped: ${noSysroot})`}`;
  it.skipIf(noSysroot !== undefined)(floor, () => {
    const addon = join(work, `node_modules/@bandlift/${platform}/bandlift.node`);
    const needs = readNeeds(readFileSync(addon));
    // the same from binutils: 'Name: GLIBC_2.17' in the version needs, 'Shared library: [libc.so.6]'
    const told = run('readelf', ['-V', '-d', '-W', addon], root);
    const names = [...told.matchAll(/Name: ([A-Z]+_[\d.]+) /g)].map(([, name]) => name!);
    const libraries = [...told.matchAll(/Shared library: \[(.*)\]/g)].map(([, name]) => name!);
    expect([...new Set(names)].sort(byVersion)).toEqual(needs.versions);
    expect(libraries).toEqual(needs.libraries);
    expect(needs.versions.filter((version) => !version.startsWith('GLIBC_'))).toEqual([]);
    expect(byVersion(highestVersion(needs, 'GLIBC')!, '2.28')).toBeLessThanOrEqual(0);
    expect(
      needs.libraries.filter((name) => !/^(libc|libm|libdl|librt|libpthread|ld-linux-.*)\.so\.\d$/.test(name)),
    ).toEqual([]);
    expect(needs.x86Level).toBe(0);
    // nothing that another library's copy could take the place of
    const exported = run('nm', ['-D', '--defined-only', addon], root).trim().split('\n');
    expect(exported.map((line) => line.split(' ').at(-1)).sort()).toEqual([
      'napi_register_module_v1',
      'node_api_module_get_api_version_v1',
    ]);
  });

  it('compiles a program against its types with --strict', () => {
    symlinkSync(join(root, 'node_modules/@types'), join(work, 'node_modules/@types'));
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--outDir', work];
    run(bin('tsc'), [...options, '--lib', 'es2023,esnext.disposable', 'program.ts'], work);
    expect(existsSync(join(work, 'program.js'))).toBe(true);
  });

  it('predicts', () => {
    expect(run(process.execPath, ['program.js'], work)).toBe('80 function 340\n');
    // float32 of 8 x 10 pixels of 7 bands
    expect(readFileSync(join(work, 'out.img'))).toHaveLength(4 * 8 * 10 * 7);
  });

  it('has a command line', () => {
    expect(run(join(work, 'node_modules/.bin/bandlift'), ['--version'], work)).toBe('0.1.0\n');
  });

  it('is clean for publint and arethetypeswrong', () => {
    run(bin('publint'), ['package/bandlift', '--strict'], root);
    run(bin('publint'), [`package/${platform}`, '--strict'], root);
    run(bin('attw'), [`package/${tarballs[0]}`, '--profile', 'esm-only'], root);
  });

  const title = 'in Debian 11 with nothing but Node and npm';
  if (noOldSystem !== undefined)
    describe.skip(`${title} (skipped: ${noOldSystem})`, () => it('trains and predicts', () => {}));
  else
    describe(title, () => {
      const there = (...args: string[]): string => done(old!.node([MAIN, ...args]));

      it('has the older C library', () => {
        const version = 'process.report.getReport().header.glibcVersionRuntime';
        expect(done(old!.node(['-p', version]))).toBe('2.31\n');
      });

      it('trains, and predicts what the build of this machine predicts', () => {
        there('sample', '--out', 'sample', '--patch-size', '12', '--patches', '4', '--no-fine');
        const size = ['--epochs', '2', '--blocks', '0', '--hidden', '4', '--device', 'cpu'];
        there('train', 'stage1', '--data-dir', 'sample/patches', '--output-dir', 'run', ...size);
        const predict = [
          'predict',
          'scene.hdr',
          '--stage1',
          'run/checkpoints/best.safetensors',
          '--device',
          'cpu',
          '--out',
        ];
        there(...predict, 'inside');
        run(process.execPath, [cliPath, ...predict, 'outside'], work);
        const values = ['inside', 'outside'].map((name) => {
          const { buffer } = new Uint8Array(readFileSync(join(work, `${name}.img`)));
          return new Float32Array(buffer);
        });
        const [inside, outside] = values as [Float32Array, Float32Array];
        expect(inside.length).toBe(outside.length);
        expect(inside.length % (8 * 10)).toBe(0);
        expect(inside.some((value) => value > 0.01)).toBe(true);
        // float32 sums in another order at most: both libraries' exp are within an ulp
        const far = inside.reduce((most, value, i) => Math.max(most, Math.abs(value - outside[i]!)), 0);
        expect(far).toBeLessThan(1e-5);
      });
    });
});
