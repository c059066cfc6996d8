/** What the command line says on a machine without a usable GPU. Where there is one, the driver is told to hide it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { bandlift, temporaryFolder } from '../support/cli.js';
import { emulated, report } from './support/gpu.js';

const built = (kind: string) => join(projectRoot(), `build/${kind}/Release/bandlift.node`);
/** The addons of this checkout; the emulation has no driver to hide its GPU. */
const withCuda = ['cuda', `portable-${process.arch}-cuda`].map(built).find(existsSync) ?? built('cuda');
const addons = Object.entries({ 'plain addon': built('release'), 'addon with CUDA': withCuda }).filter(
  ([kind, path]) =>
    existsSync(path) && !(emulated && kind === 'addon with CUDA' && path === process.env.BANDLIFT_ADDON),
);

const title = 'without a GPU the command line';
if (addons.length === 0)
  describe.skip(`${title} (skipped: the only addon here has an emulated GPU)`, () => it('is not tried', () => {}));
describe.each(addons)(`${title}, %s,`, (kind, path) => {
  const work = temporaryFolder();
  const env = { BANDLIFT_ADDON: path, CUDA_VISIBLE_DEVICES: '' };
  const run = (...args: string[]) => bandlift(args, work, env);
  // the sizes and the file do not matter: the device is opened first, or the sample is made once
  const train = ['train', 'stage1', '--data-dir', 'sample/patches', '--epochs', '1', '--blocks', '0', '--hidden', '4'];

  it('refuses --device cuda with a reason and a remedy, exit 2', () => {
    const sample = run('sample', '--out', 'sample', '--patch-size', '12', '--patches', '4', '--no-fine');
    expect(sample.status, sample.stderr).toBe(0);
    const result = run(...train, '--output-dir', 'refused', '--device', 'cuda');
    expect(result.status, result.stderr).toBe(2);
    const lines = result.stderr.trim().split('\n');
    const message = lines.find((line) => line.startsWith('error: '))!;
    expect(message).toMatch(/--device/);
    expect(message).toMatch(
      kind === 'plain addon' ? /without CUDA|no CUDA/ : /driver|no (CUDA )?GPU|no usable|no NVIDIA/i,
    );
    expect(message, 'a remedy').toMatch(/--device cpu|npm run build:cuda|install/);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  it('takes the CPU for --device auto and says why', () => {
    const result = run(...train, '--output-dir', 'auto', '--device', 'auto');
    expect(result.status, result.stderr).toBe(0);
    expect(result.stdout + result.stderr).toMatch(/cpu: .*\(auto: .*(CUDA|GPU|driver)/);
  });

  it('doctor says what is missing', () => {
    const { findings } = JSON.parse(run('doctor', '--json').stdout.trim().split('\n').at(-1)!) as {
      findings: { what: string; found: string }[];
    };
    const auto = findings.find(({ what }) => what === '--device auto')!;
    expect(auto.found).toMatch(/^cpu: .*(CUDA|GPU|driver)/);
    expect(report.built || kind === 'plain addon' || !emulated).toBe(true);
  });
});
