/** The documented commands, one after another, on crops of real airborne cubes: patches, models, a prediction, a report. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { readEnvi } from '../../src/raster/envi.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { testRowsOf } from '../support/runs.js';
import { describeShared, sharedPath } from '../support/shared.js';

const work = temporaryFolder();
const BEST = 'checkpoints/best.safetensors';
const SMALL = ['--features', '4', '--groups', '1', '--blocks', '1', '--epochs', '1', '--image-every', '0'];

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bandliftHere(args, work);
  expect(`${stderr.replace(/^warning:.*\n/gm, '')}${status}`).toBe('0');
  return stdout;
}

interface Method {
  readonly label: string;
  readonly regions: { readonly all: { readonly psnr: number; readonly samDeg: number } };
}
const methodsOf = (folder: string) =>
  (JSON.parse(readFileSync(join(work, folder, 'metrics.json'), 'utf8')) as { methods: Method[] }).methods;

describeShared('real crops', 'data/neon/sjer_30x30x426.hdr', () => {
  const scene = (name: string) => sharedPath(`data/${name}`)!;

  it('340 bands come out of the AVIRIS-NG header', async () => {
    await run('prepare', scene('aviris_ng/ang20170323t202244_rdn_10x10.hdr'), '--gsd', '8', '--out', 'ng');
    const set = await openPatchSet([join(work, 'ng')], { sides: { input: 'landsat_lr', target: 'aviris' } });
    expect([set.inBands, set.outBands]).toEqual([7, 340]);
  });

  it.each([
    // bands that the rule keeps of 426 and 224; the crop's sides
    ['neon', 'neon/sjer_30x30x426.hdr', ['--gsd', '1', '--keep-gsd', '--patch', '2', '--stride', '2'], 339],
    ['santa_barbara', 'aviris_santa_barbara/la_cumbre_90x90x224.hdr', ['--keep-gsd', '--patch', '4'], 179],
  ] as const)('%s goes all the way to a report', async (name, header, options, bands) => {
    const at = (part: string) => `${name}/${part}`;
    await run('prepare', scene(header), ...options, '--phases', '3', '--out', at('patches'));
    const data = ['--data-dir', at('patches')];
    await run('train', 'stage1', ...data, '--model', 'ridge', '--output-dir', at('one'));
    const stage1 = ['--stage1', at(`one/${BEST}`)];
    await run('train', 'stage2', ...data, ...stage1, ...SMALL, '--output-dir', at('two'));
    const both = [...stage1, '--stage2', at(`two/${BEST}`)];
    const patches = join(work, at('patches'));
    const file = (await openPatchSet([patches])).files[0]!;
    await run('predict', ...both, file.path, '--patch', '0', '--out', at('scene'));
    await run('evaluate', ...both, ...data, '--out', at('report'));

    // the prediction: 15 fine pixels for two of Landsat's, the file's bands, values like the truth's
    const set = await openPatchSet([patches], { sides: { input: 'landsat_lr', target: 'aviris' } });
    const { header: cube, data: values } = await readEnvi(join(work, at('scene.img')));
    expect([cube.lines, cube.samples, cube.bands]).toEqual([set.height, set.width, bands]);
    expect(2 * set.height).toBe(15 * set.inputHeight);
    expect([...cube.wavelength!]).toEqual([...file.wavelength!]);
    const reader = await openReader(set);
    const truth = (await reader.readPatch(0)).target;
    await reader.close();
    const mean = (list: Float32Array) => list.reduce((sum, v) => sum + v, 0) / list.length;
    expect(values.every(Number.isFinite)).toBe(true);
    expect(mean(values) / mean(truth)).toBeGreaterThan(0.5);
    expect(mean(values) / mean(truth)).toBeLessThan(2);

    // the report stands beside the baselines that the run's own table has
    const labels = methodsOf(at('report')).map((method) => method.label);
    expect(labels.join('\n')).toMatch(/bicubic\n.*bicubic \+ 5 back-projections/);
    expect(readFileSync(join(work, at('report/report.html')), 'utf8')).toContain('back-projections');
  });

  it('Los Angeles, without wavelengths, serves stage 2 alone', async () => {
    const cubes = ['airport-1', 'airport-3', 'urban-4'].map((cube) => scene(`aviris_los_angeles/${cube}.hdr`));
    await run('prepare', ...cubes, '--gsd', '7', '--keep-gsd', '--patch', '6', '--out', 'la/patches');
    const data = ['--data-dir', 'la/patches'];
    const split = ['--val-scenes', 'urban-4', '--test-scenes', 'airport-1'];
    await run('train', 'stage2', ...data, ...split, '--input', 'simulated', ...SMALL, '--output-dir', 'la/two');
    await run('evaluate', '--stage2', `la/two/${BEST}`, ...data, '--out', 'la/report');
    expect(existsSync(join(work, 'la/report/report.html'))).toBe(true);
    // two programs, the trainer's kernels and the evaluation's workers, measure the same two baselines
    const [trained, evaluated] = [testRowsOf(join(work, 'la/two')), methodsOf('la/report')];
    for (const i of [0, 1]) {
      expect(Math.abs(evaluated[i]!.regions.all.psnr - trained[i]!.psnr)).toBeLessThan(0.01);
      expect(Math.abs(evaluated[i]!.regions.all.samDeg - trained[i]!.samDeg)).toBeLessThan(0.001);
    }
    // back-projection is ahead of bicubic on every one of these cubes (the notes' measurements)
    expect(trained[1]!.psnr).toBeGreaterThan(trained[0]!.psnr);
  });
});

describe('the chain', () => {
  it('is told in one line where a step was left out', async () => {
    const { status, stderr } = await bandliftHere(
      ['predict', '--stage1', 'nothing.safetensors', 'none.img', '--out', 'x'],
      work,
    );
    expect(status).not.toBe(0);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
