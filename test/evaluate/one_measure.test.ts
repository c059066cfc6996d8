/** Training's final table, metrics.json and the table of `evaluate`: the same numbers of the same model on the same patches. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import { bandliftHere, TINY } from '../support/cli.js';
import { testRowsOf } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const MACHINE = ['--device', 'cpu', '--threads', '1'];
const BEST = 'checkpoints/best.safetensors';
/** 1000 in reflectance: one such value in a mean would be seen. */
const NODATA = 1000;

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bandliftHere([...args, ...MACHINE], work);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Cells of a printed table by the label of their row and the title of their column, as printed. */
function cells(text: string): Map<string, Record<string, string>> {
  const lines = text.split('\n');
  const rule = lines.findIndex((line) => /^-{20,}$/.test(line));
  const split = (line: string) => line.trim().split(/ {2,}/);
  const [, ...titles] = split(lines[rule - 1]!);
  const rows = new Map<string, Record<string, string>>();
  for (const line of lines.slice(rule + 1)) {
    const [label, ...values] = split(line.replace(/^> /, ''));
    if (values.length !== titles.length) break;
    rows.set(label!, Object.fromEntries(titles.map((title, i) => [title, values[i]!])));
  }
  return rows;
}

/** Each row of training's table beside the method of this label in the evaluation. */
function expectSame(
  trained: string,
  folder: string,
  evaluated: string,
  report: string,
  labels: readonly string[],
): void {
  const { methods } = JSON.parse(readFileSync(join(work, report, 'metrics.json'), 'utf8')) as EvaluationResult;
  const [ours, theirs] = [cells(trained), cells(evaluated)];
  expect([...ours.keys()]).toHaveLength(labels.length);
  testRowsOf(join(work, folder)).forEach((row, i) => {
    const method = methods.find(({ label }) => label === labels[i])!;
    const { samDeg, rmse, mae, psnr, ergas } = method.regions.all!;
    expect([row.samDeg, row.rmse, row.mae, row.psnr, row.ergas], labels[i]).toEqual([samDeg, rmse, mae, psnr, ergas]);
    expect([row.validPixels, row.zeroNormPixels]).toEqual([method.validPixels, method.zeroNormPixels]);
    const [printed, other] = [ours.get(row.label)!, theirs.get(labels[i]!)!];
    for (const column of ['SAM deg', 'RMSE', 'MAE', 'PSNR dB']) expect(printed[column]).toBe(other[column]);
    // four digits of the number in metrics.json
    expect(Number(printed['SAM deg'])).toBe(Number(samDeg.toPrecision(4)));
    expect(Number(printed.RMSE)).toBe(Number(rmse.toPrecision(4)));
    expect(rmse).toBeLessThan(1);
  });
}

beforeAll(async () => {
  mkdirSync(join(work, 'p'));
  await writeTwoGrids(join(work, 'p'), { hole: true, bad: [2], nodata: NODATA, scenes: 4 });
});

describe('with a bad band, masked pixels and nodata', () => {
  const scenes = ['--val-scenes', 'scene_2', '--test-scenes', 'scene_3', '--data-dir', 'p'];

  it('stage 1', async () => {
    const trained = await run('train', 'stage1', ...scenes, '--output-dir', 'one', ...TINY, '--epochs', '2');
    const evaluated = await run('evaluate', '--stage1', `one/${BEST}`, '--data-dir', 'p', '--out', 'e1');
    const labels = ['scaled mean spectrum', 'ridge', 'quadratic ridge', 'spectral_sr'];
    expectSame(trained, 'one', evaluated, 'e1', labels);
    // 4 patches of 16 pixels, one masked and one of nodata in each
    expect(testRowsOf(join(work, 'one'))[0]!.validPixels).toBe(4 * 14);
  });

  it('stage 2', async () => {
    const sizes = ['--features', '4', '--blocks', '1', '--epochs', '2', '--batch-size', '2', '--image-every', '0'];
    const model = ['--model', 'spatial_lightweight', '--no-zero-start', '--input', 'simulated', ...sizes];
    const one = ['--stage1', `one/${BEST}`, '--data-dir', 'p'];
    const trained = await run('train', 'stage2', ...one, '--output-dir', 'two', ...model);
    const evaluated = await run('evaluate', '--stage2', `two/${BEST}`, '--data-dir', 'p', '--out', 'e2');
    const bicubic = ['bicubic', 'bicubic + 5 back-projections', 'bicubic + 8 bounded back-projections'];
    expectSame(trained, 'two', evaluated, 'e2', [...bicubic, 'spatial_lightweight']);
    // of 30 x 30 pixels 8 x 8 are masked and 8 x 8 hold nodata, of which 1 x 1 is both
    expect(testRowsOf(join(work, 'two'))[0]!.validPixels).toBe(4 * (900 - 64 - 63));
  });
});
