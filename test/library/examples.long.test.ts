/** The programs in examples/ run as they stand, and print what they should. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/cli.js';
import { landsatCube, sameModel } from '../support/predictions.js';
import { smallSample, testRowsOf } from '../support/runs.js';

const work = temporaryFolder();

function example(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`examples/${name}.mjs`, ...args], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

it('own_network learns the blur', () => {
  const [, loss, weight] = /-> (\S+) on cpu[\s\S]*blur: (\S+), expected 0\.111/.exec(example('own_network'))!;
  expect(Number(loss)).toBeLessThan(1e-5);
  // 1/9, printed with three digits
  expect(Number(weight)).toBeCloseTo(1 / 9, 2);
});

it('predict_scene writes the scene at 4 m', async () => {
  const scene = landsatCube(join(work, 'scene'));
  const out = example('predict_scene', await sameModel(work), scene, join(work, 'out'));
  expect(out).toContain('out.img: 60 x 75 pixels, 7 bands');
  expect(existsSync(join(work, 'out.img'))).toBe(true);
});

it('train_own_data prints the same numbers twice', () => {
  mkdirSync(join(work, 'data'));
  const run = join(work, 'run');
  const out = example('train_own_data', smallSample(join(work, 'data')), run, '1');
  const row = testRowsOf(run).at(-1)!;
  expect(out).toContain(`${row.samDeg.toFixed(3)} deg  RMSE ${row.rmse.toPrecision(4)}`);
  expect(out).toContain(`best.safetensors: SAM ${row.samDeg.toFixed(3)} deg`);
});
