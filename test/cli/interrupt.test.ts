/** Signals, two processes at once, pipes, --json and --help: what a shell and scripts see of the command line. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { expectOneError, fingerprint } from '../support/broken.js';
import { bandlift, bandliftHere, cliPath, startBandlift, TINY, temporaryFolder } from '../support/cli.js';
import { lockOf } from '../support/locks.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';

const work = temporaryFolder();
const LAST = 'checkpoints/last.safetensors';
/** Long enough that it is never done before it is stopped. */
const LONG = '100000';

const train = (out: string, epochs: string, ...more: string[]) => [
  'train',
  'stage1',
  '--data-dir',
  'patches.h5',
  '--output-dir',
  out,
  '--epochs',
  epochs,
  ...TINY,
  ...more,
];

beforeAll(async () => {
  const shape = { patches: 9, height: 8, width: 8, inBands: 7, outBands: 12 };
  await writeHdf5(join(work, 'patches.h5'), { ...patchDatasets(shape) });
});

/** A run that is in its second epoch; `out()` is what it has printed. */
async function training(out: string) {
  const run = startBandlift(train(out, LONG), work);
  let text = '';
  await new Promise<void>((resolve, reject) => {
    run.child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/epoch +1\//.test(text)) resolve();
    });
    run.exited.then(({ code }) => reject(new Error(`ended with ${code} before its first epoch: ${run.stderr()}`)));
  });
  return { ...run, out: () => text };
}

describe('signals', () => {
  it('SIGTERM ends like Ctrl-C: last checkpoint, how to resume, exit 130', async () => {
    const run = await training('terminated');
    run.child.kill('SIGTERM');
    expect(await run.exited).toEqual({ code: EXIT.interrupted, signal: null });
    expect(run.out()).toContain('--resume --output-dir terminated');
    expect(run.stderr()).toContain('SIGTERM: stopping after this step ...');
    const { state } = await loadCheckpoint(join(work, 'terminated', LAST));
    expect(state.progress.step).toBeGreaterThan(0);
    expect(existsSync(join(work, 'terminated/.lock'))).toBe(false);
  });

  it('a run that was killed is taken over and goes on', async () => {
    const run = await training('twice');
    run.child.kill('SIGKILL');
    expect(await run.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await loadCheckpoint(join(work, 'twice', LAST));
    await loadCheckpoint(join(work, 'twice/checkpoints/best.safetensors'));
    // its lock names a process that is gone
    const next = startBandlift(train('twice', LONG, '--resume'), work);
    let text = '';
    await new Promise<void>((resolve) => {
      next.child.stdout!.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (/resuming at epoch/.test(text)) resolve();
      });
      next.exited.then(() => resolve());
    });
    expect(text + next.stderr()).toMatch(/resuming at epoch/);
    next.child.kill('SIGINT');
    await next.exited;
  });
});

describe('two processes on one run folder', () => {
  it.each([
    {
      what: 'resuming it',
      more: ['--resume'],
      message: /shared: another process is training in this folder; found process \d+ since [-\d]+ [:\d]+ UTC; wait/,
      exit: EXIT.failure,
    },
    {
      what: 'starting anew',
      more: [],
      message: /shared: this folder already holds a run; add --resume/,
      exit: EXIT.usage,
    },
  ])('the second is refused when $what', async ({ more, message, exit }) => {
    const first = await training('shared');
    try {
      const second = bandlift(train('shared', LONG, ...more), work);
      expect(expectOneError(second.stderr)).toMatch(message);
      expect(second.status).toBe(exit);
      expect(first.child.exitCode).toBe(null); // the first goes on
    } finally {
      first.child.kill('SIGINT');
      expect((await first.exited).code).toBe(EXIT.interrupted);
      execFileSync('rm', ['-r', join(work, 'shared')]);
    }
  });

  it('a lock of a process that is gone is taken over', () => {
    mkdirSync(join(work, 'stale'));
    writeFileSync(join(work, 'stale/.lock'), lockOf({ pid: 4194305 })); // above the largest process id of Linux
    const result = bandlift(train('stale', '1', '--model', 'ridge'), work);
    expect(result.stderr).not.toMatch(/error/);
    expect(result.status).toBe(EXIT.ok);
  });
});

describe('pipes', () => {
  const quote = (text: string) => `'${text}'`;
  const piped = (args: string[]) =>
    spawnSync(
      'sh',
      ['-c', `(${[process.execPath, cliPath, ...args].map(quote).join(' ')}; echo $? > piped) | head -n 1`],
      { cwd: work, encoding: 'utf8' },
    );

  it.each([
    ['--help', ['train', 'stage1', '--help']],
    ['inspect', ['inspect', 'patches.h5']],
    ['training', train('piped-run', '3')],
  ])('%s into head does not crash', (_, args) => {
    const result = piped(args);
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(result.stderr).not.toMatch(/error|EPIPE| at /i);
  });
});

describe('--json', () => {
  it.each([
    ['train', train('json', '2', '--json'), ['start', 'done']],
    ['inspect', ['inspect', 'patches.h5', '--json'], ['inspect']],
    ['sample', ['sample', '--out', 'made', '--patches', '3', '--patch-size', '4', '--no-fine', '--json'], ['sample']],
    ['doctor', ['doctor', '--json'], ['doctor']],
  ])('%s prints nothing but objects on stdout', (_, args, events) => {
    const result = bandlift(args, work);
    expect(result.stderr).not.toMatch(/error/);
    expect(result.status).toBe(EXIT.ok);
    const objects = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    expect(objects.every((o) => typeof o.event === 'string')).toBe(true);
    for (const event of events) expect(objects.map((o) => o.event)).toContain(event);
  });

  it('prints an error on stderr only', () => {
    const before = fingerprint(work);
    const result = bandlift(['inspect', 'nowhere.h5', '--json'], work);
    expect(result.stdout).toBe('');
    expect(expectOneError(result.stderr)).toMatch(/nowhere\.h5: no such file/);
    expect(fingerprint(work)).toEqual(before);
  });
});

describe('--help', () => {
  it.each([
    [
      '',
      [
        /Exit codes: 0 done.*3 bad input.*130 stopped by a signal/,
        /train/,
        /sample/,
        /import/,
        /verify/,
        /inspect/,
        /doctor/,
      ],
    ],
    [
      'train stage1',
      [
        /--epochs <n>.*\(default: 100\)/s,
        /--lr <x>.*\(default: 0\.0001\)/s,
        /SAM|spectral angle \(radians\)/,
        /--max-memory <size>.*4G/s,
        /\(0: all physical cores\)/,
      ],
    ],
    ['sample', [/side of a patch in pixels \(default: \d+\)/, /--seed <n>.*\(default: \d+\)/s]],
    ['import', [/--out <file>/, /\(default: from the parameter names\)/, /--force/]],
    ['verify', [/\|a-b\| <= 1e-5/, /\(default: "auto"\)/, /Exit 1/]],
    [
      'inspect',
      [
        /side of an input patch for the planned memory \(default: 256; stage 2: 34\)/,
        /--batch-size <n>.*\(default: 4\)/s,
      ],
    ],
    ['check-pipeline', [/--json/]],
    ['doctor', [/--json/]],
  ] as const)('bandlift %s --help', async (command, contents) => {
    const result = await bandliftHere([...command.split(' ').filter(Boolean), '--help'], work);
    expect(result.status).toBe(EXIT.ok);
    expect(result.stderr).toBe('');
    const words = result.stdout.replace(/\s+/g, ' '); // commander breaks lines
    for (const content of contents) expect(words).toMatch(content);
  });
});
