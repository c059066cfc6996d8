/** `bandlift evaluate` as a user runs it: on a model trained on the generated sample. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { testRowsOf, tinyConfig, train } from '../support/runs.js';

describe('bandlift evaluate', () => {
  const work = temporaryFolder();
  const patches = join(work, 'sample/patches');
  const checkpoint = join(work, 'run/checkpoints/best.safetensors');
  const evaluate = (...args: string[]) =>
    bandliftHere(['evaluate', '--data-dir', patches, '--device', 'cpu', ...args], work);

  beforeAll(async () => {
    const made = await bandliftHere(
      ['sample', '--out', 'sample', '--no-fine', '--patch-size', '14', '--patches', '18'],
      work,
    );
    expect(made.status, made.stderr).toBe(0);
    await train(tinyConfig({ data_dir: patches, output_dir: join(work, 'run') }));
  });

  it('writes metrics and a report whose numbers are those the training ended with', async () => {
    const { status, stdout, stderr } = await evaluate('--stage1', checkpoint, '--out', 'out');
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^test split: 3 of 18 patches of 14 x 14 pixels, 7 -> 340 bands$/m);
    for (const name of ['metrics.json', 'metrics.csv', 'report.html']) expect(stdout).toContain(`written: out/${name}`);
    expect(readFileSync(join(work, 'out/report.html'), 'utf8')).toMatch(/quadratic ridge/);
    const result = JSON.parse(readFileSync(join(work, 'out/metrics.json'), 'utf8')) as EvaluationResult;
    // the training measures natively, in other code; float32 conversion to physical units on one side: a few 1e-6
    const rows = testRowsOf(join(work, 'run'));
    const labels = ['scaled mean spectrum', 'ridge', 'quadratic ridge', 'spectral_sr'];
    expect(rows).toHaveLength(4);
    rows.forEach((row, i) => {
      const method = result.methods.find((m) => m.label === labels[i])!;
      expect(method.validPixels).toBe(row.validPixels);
      expect(Math.abs(method.regions.all!.samDeg / row.samDeg - 1)).toBeLessThan(1e-5);
      expect(Math.abs(method.regions.all!.rmse / row.rmse - 1)).toBeLessThan(1e-5);
      expect(Math.abs(method.regions.clear!.rmse / row.rmseByRegion.clear! - 1)).toBeLessThan(1e-5);
      // and the table says the same
      expect(stdout).toContain(row.samDeg.toPrecision(4));
    });
    expect(result.methods.filter((m) => m.role === 'oracle')).toHaveLength(2);
    expect(result.spectra.map((s) => s.title)).toEqual(['worst pixel', 'median pixel']);
  });

  it('prints one JSON object with --json, also under --max-memory', async () => {
    const { status, stdout, stderr } = await evaluate(
      '--stage1',
      checkpoint,
      '--out',
      'json',
      '--json',
      '--max-memory',
      '1G',
    );
    expect(status, stderr).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ event: 'evaluated', stage: 'stage 1' });
  });

  it.each([
    ['no model', ['--out', 'x'], /nothing to evaluate, expected --stage1 or --stage2/, 2],
    ['a file that is none', ['--stage1', 'none.safetensors', '--out', 'x'], /none\.safetensors: no such file/, 3],
    ['a spectral model as stage 2', ['--stage2', checkpoint, '--out', 'x'], /not a spatial model/, 2],
    [
      'pixels that are none',
      ['--stage1', checkpoint, '--out', 'x', '--pixels', '3-4'],
      /--pixels: not a pixel position; found '3-4'/,
      2,
    ],
    ['too little memory', ['--stage1', checkpoint, '--out', 'x', '--max-memory', '1M'], /memory/, 5],
    ['a file as --out', ['--stage1', checkpoint, '--out', checkpoint], /best\.safetensors: not a folder/, 3],
  ] as const)('says what is wrong: %s', async (_, args, message, exit) => {
    const { status, stderr } = await evaluate(...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(exit);
    expect(existsSync(join(work, 'x'))).toBe(false);
  });
});
