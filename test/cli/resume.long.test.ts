/** Interrupted at any point and resumed, a run ends with the same bits as one never interrupted. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { bandlift, startBandlift, TINY, temporaryFolder } from '../support/cli.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';

const EPOCHS = 60;
const work = temporaryFolder();
const train = (out: string, ...more: string[]) => [
  'train',
  'stage1',
  '--data-dir',
  join(work, 'patches.h5'),
  '--output-dir',
  join(work, out),
  '--epochs',
  String(EPOCHS),
  '--schedule',
  'plateau',
  '--plateau-patience',
  '1',
  '--ema-decay',
  '0.9',
  ...TINY,
  ...more,
];

/** Names and bytes of all tensors of a checkpoint. */
async function tensorBytes(run: string, which: 'last' | 'best'): Promise<Map<string, string>> {
  const { tensors } = await readSafetensors(join(work, run, 'checkpoints', `${which}.safetensors`));
  return new Map(
    [...tensors].map(([name, t]) => [
      name,
      Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength).toString('base64'),
    ]),
  );
}

const withoutRate = (run: string) =>
  readFileSync(join(work, run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { 'train/patches_per_second': _, ...rest } = JSON.parse(line);
      return rest;
    });

beforeAll(async () => {
  const shape = { patches: 18, height: 8, width: 8, inBands: 7, outBands: 12 };
  await writeHdf5(join(work, 'patches.h5'), { ...patchDatasets(shape) });
  const reference = bandlift(train('reference'), work);
  expect(reference.stderr).not.toMatch(/error/);
  expect(reference.status).toBe(0);
});

describe('exact resume', () => {
  it('ends with the same bits after kill -9 at 20 random moments', async () => {
    const random = new Random(2024);
    let kills = 0;
    let finished = false;
    for (let attempt = 0; attempt < 200 && !finished; attempt++) {
      // killed before the first checkpoint, a folder holds no run yet and the run starts anew
      const resume = existsSync(join(work, 'killed/config.yaml')) ? ['--resume'] : [];
      const run = startBandlift(train('killed', ...resume), work);
      // the clock starts with the first sign of training, so that kills fall into it and into the writing of files
      await new Promise<void>((resolve) => {
        run.child.stdout!.on('data', (chunk: Buffer) => {
          if (/resuming|start {2}val|epoch/.test(chunk.toString())) resolve();
        });
        run.exited.then(() => resolve());
      });
      if (kills < 20) {
        await Promise.race([sleep(10 + 240 * random.uniform()), run.exited]);
        run.child.kill('SIGKILL');
      }
      const { code, signal } = await run.exited;
      if (signal === 'SIGKILL') {
        kills++;
        for (const file of readdirSync(join(work, 'killed/checkpoints'))) {
          if (file.endsWith('.safetensors')) await loadCheckpoint(join(work, 'killed/checkpoints', file)); // whole, or not there
        }
      } else {
        expect(run.stderr()).not.toMatch(/error/);
        expect(code).toBe(0);
        finished = true;
      }
    }
    expect(finished).toBe(true);
    expect(kills).toBe(20);
    // what kills left behind (NAME.tmp, the lock) is gone
    const names = readdirSync(join(work, 'killed'), { recursive: true }).map(String);
    expect(names.filter((name) => /\.tmp$|\.lock$/.test(name))).toEqual([]);
    expect(await tensorBytes('killed', 'last')).toEqual(await tensorBytes('reference', 'last'));
    expect(await tensorBytes('killed', 'best')).toEqual(await tensorBytes('reference', 'best'));
    expect(withoutRate('killed')).toEqual(withoutRate('reference'));
  }, 400_000);

  it('ends with the same bits after Ctrl-C, which exits 130 and says how to go on', async () => {
    const run = startBandlift(train('interrupted'), work);
    let out = '';
    await new Promise<void>((resolve) => {
      run.child.stdout!.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (/epoch +2\//.test(out)) resolve();
      });
      run.exited.then(() => resolve());
    });
    run.child.kill('SIGINT');
    const { code } = await run.exited;
    expect(code).toBe(130);
    expect(out).toContain('--resume --output-dir');
    const resumed = bandlift(train('interrupted', '--resume'), work);
    expect(resumed.status).toBe(0);
    expect(await tensorBytes('interrupted', 'last')).toEqual(await tensorBytes('reference', 'last'));
  });

  it('gives the same bits with 1, 2 and 3 threads', async () => {
    // patches large enough that every thread gets some of the pixels
    const shape = { patches: 6, height: 48, width: 40, inBands: 7, outBands: 40 };
    await writeHdf5(join(work, 'large.h5'), { ...patchDatasets(shape) });
    const data = ['--data-dir', join(work, 'large.h5'), '--epochs', '2', '--hidden', '16'];
    for (const threads of ['1', '2', '3'])
      expect(bandlift(train(`threads-${threads}`, ...data, '--threads', threads), work).status).toBe(0);
    const one = await tensorBytes('threads-1', 'last');
    expect(await tensorBytes('threads-2', 'last')).toEqual(one);
    expect(await tensorBytes('threads-3', 'last')).toEqual(one);
  });
});
