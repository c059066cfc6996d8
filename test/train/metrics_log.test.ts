import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MetricsLog } from '../../src/train/metrics_log.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const line = (step: number, loss = 1 / step) => `{"epoch":${step / 10},"step":${step},"loss":${loss}}\n`;
const record = (step: number, loss = 1 / step) => ({ epoch: step / 10, step, loss });

it('holds after a resume what an uninterrupted run would hold', async () => {
  const path = join(folder, 'a.jsonl');
  const first = await MetricsLog.open(path);
  for (const step of [10, 20, 30]) first.append(record(step));
  first.close();
  appendFileSync(path, line(40).slice(0, 15)); // kill -9 while line 40 was written
  const second = await MetricsLog.open(path, 20);
  expect(readFileSync(path, 'utf8')).toBe(line(10) + line(20));
  for (const step of [30, 40]) second.append(record(step));
  second.close();
  expect(readFileSync(path, 'utf8')).toBe([10, 20, 30, 40].map((step) => line(step)).join(''));
});

it('takes a measurement made again in the place of the first one', async () => {
  // stopped after line 20 and before its checkpoint, resumed from a checkpoint made at step 20 before that line
  const path = join(folder, 'b.jsonl');
  writeFileSync(path, line(10) + line(20, 0.5));
  const log = await MetricsLog.open(path, 20);
  log.append(record(20, 0.25));
  log.append({ step: 20, sam: 3 }); // other fields: another measurement
  log.append({ step: 20, sam: 4 });
  log.append(record(30));
  log.close();
  expect(readFileSync(path, 'utf8')).toBe(`${line(10)}${line(20, 0.25)}{"step":20,"sam":4}\n${line(30)}`);
});

it('starts anew without the file, and from step 0', async () => {
  const path = join(folder, 'c.jsonl');
  (await MetricsLog.open(path, 5)).close();
  expect(readFileSync(path, 'utf8')).toBe('');
  writeFileSync(path, line(10));
  (await MetricsLog.open(path, 0)).close();
  expect(readFileSync(path, 'utf8')).toBe('');
});

it('names the line that is no metrics', async () => {
  const path = join(folder, 'd.jsonl');
  writeFileSync(path, `${line(10)}garbage\n${line(20)}`);
  await expect(MetricsLog.open(path, 30)).rejects.toThrow(`${path}: line 2: not a line of metrics`);
  expect(readFileSync(path, 'utf8')).toContain('garbage');
});
