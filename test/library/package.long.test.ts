/**
 * The packed project in an empty folder: types, and a program that predicts. Its dependencies are linked from the checkout's
 * node_modules, because a test needs no network.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { temporaryFolder } from '../support/cli.js';
import { describeLong } from '../support/long.js';
import { landsatCube, sameModel } from '../support/predictions.js';

const root = projectRoot();
const work = temporaryFolder();
const bin = (name: string) => join(root, 'node_modules/.bin', name);

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  return stdout;
}

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

describeLong('npm run pack', () => {
  beforeAll(async () => {
    const printed = run(process.execPath, ['scripts/pack.mjs'], root);
    const tarball = join(root, printed.trim().split('\n').at(-1)!);
    run('tar', ['-xzf', tarball], work);
    // as npm would install it; the dependencies of the checkout beside it
    mkdirSync(join(work, 'node_modules'));
    cpSync(join(work, 'package'), join(work, 'node_modules/bandlift'), { recursive: true });
    const { dependencies } = JSON.parse(readFileSync(join(work, 'package/package.json'), 'utf8'));
    const installed = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    expect(Object.keys(dependencies)).not.toContain('typescript');
    for (const path of Object.keys(installed)) {
      const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
      if (name === undefined || installed[path].dev || !existsSync(join(root, path))) continue;
      if (name.includes('/')) mkdirSync(join(work, 'node_modules', name, '..'), { recursive: true });
      symlinkSync(join(root, path), join(work, 'node_modules', name));
    }
    mkdirSync(join(work, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(root, 'node_modules/@types/node'), join(work, 'node_modules/@types/node'));
    writeFileSync(join(work, 'package.json'), '{ "type": "module" }\n');
    writeFileSync(join(work, 'program.ts'), PROGRAM);
    await sameModel(work);
    landsatCube(join(work, 'scene'));
  }, 600_000);

  it('compiles a program against its types with --strict', () => {
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
    const main = join(work, 'node_modules/bandlift/dist/src/cli/main.js');
    expect(run(process.execPath, [main, '--version'], work)).toBe('0.1.0\n');
  });

  it('is clean for publint and arethetypeswrong', () => {
    run(bin('publint'), ['package', '--strict'], root);
    run(bin('attw'), ['package/bandlift-0.1.0.tgz', '--profile', 'esm-only'], root);
  });
});
