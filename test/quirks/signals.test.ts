/** Signals as terminals, npm, job schedulers and pipes send them, to real processes at different moments. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { type BandliftError, EXIT } from '../../src/base/errors.js';
import { silentReporter } from '../../src/base/reporter.js';
import { projectRoot } from '../../src/base/version.js';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { Stage1Config } from '../../src/train/config.js';
import { trainStage1 } from '../../src/train/stage1.js';
import { cliPath, startBandlift, TINY } from '../support/cli.js';
import { runLong } from '../support/long.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { hashOf, metricsOf, tinyConfig, train } from '../support/runs.js';
import { type Quirk, quirks } from './table.js';

const STOPPED = { code: EXIT.interrupted, signal: null };
const LAST = 'run/checkpoints/last.safetensors';

const trainArgs = (...more: string[]) => [
  ...['train', 'stage1', '--data-dir', 'patches.h5', '--output-dir', 'run', '--epochs', '100000', ...TINY],
  ...['--threads', '1', '--regression', 'none', ...more],
];

async function writePatches(folder: string): Promise<void> {
  await writeHdf5(join(folder, 'patches.h5'), {
    ...patchDatasets({ patches: 9, height: 8, width: 8, inBands: 7, outBands: 12 }),
  });
}

/** Resolves when what the process prints matches. */
function printed(child: ChildProcess, pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    child[stream]!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) resolve();
    });
    child.on('close', (code) => reject(new Error(`ended with ${code} before printing ${pattern}: ${text}`)));
  });
}

/** Whether a process has a handler for SIGHUP: bit 0 of the mask of caught signals. */
function catchesHangup(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${mask}`) & 1n) === 1n;
}

const withoutRate = (line: Record<string, number>) => ({ ...line, 'train/patches_per_second': 0 });

/** Trains in this process; `interrupted` is asked whenever the run does. */
const asking = (config: Stage1Config, interrupted: () => boolean) =>
  trainStage1(config, false, silentReporter, interrupted);

async function listening(child: ChildProcess): Promise<void> {
  while (!catchesHangup(child.pid!)) await new Promise((resolve) => setTimeout(resolve, 2));
}

const exitOf = (child: ChildProcess) =>
  new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );

async function training(folder: string) {
  await writePatches(folder);
  const run = startBandlift(trainArgs(), folder);
  let out = '';
  run.child.stdout!.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await printed(run.child, /epoch +2\//);
  return { ...run, out: () => out };
}

const inTraining = (signal: NodeJS.Signals, source: string): Quirk => ({
  name: `${signal} in training`,
  source,
  input: `kill -${signal.slice(3)} after the second epoch`,
  right: 'the step is finished, last written, the lock released, exit 130, no debugger',
  async check(folder) {
    const run = await training(folder);
    run.child.kill(signal);
    expect(await run.exited).toEqual(STOPPED);
    expect(run.out()).toContain('--resume --output-dir run');
    expect(run.stderr()).not.toContain('Debugger');
    const epochs = run.out().match(/^epoch +(\d+)/gm)!;
    const { progress } = (await loadCheckpoint(join(folder, LAST))).state;
    // of 3 steps an epoch; the signal came after the last epoch that was printed
    expect(progress.step).toBeGreaterThanOrEqual(3 * Number(epochs.at(-1)!.slice(5)));
    expect(existsSync(join(folder, 'run/.lock'))).toBe(false);
  },
});

const MODULE = pathToFileURL(join(dirname(cliPath), 'interrupt.js')).href;

/** Work in a small process instead of a whole training run, which goes the same way. */
const asked = (signal: NodeJS.Signals, source: string): Quirk => ({
  name: `${signal} asks the work to stop`,
  source,
  input: `kill -${signal.slice(3)} while work is under way, and after it`,
  right: 'the work learns of it and says how it ends; a finished command keeps its exit code',
  async check(folder) {
    const code = `import { finish, listen, onInterrupt } from '${MODULE}';
listen();
const work = onInterrupt('stopping');
process.stdout.write('ready');
const timer = setInterval(() => {
  if (!work.requested) return;
  clearInterval(timer);
  work.dispose();
  finish();
  process.exitCode = 7;
  process.kill(process.pid, '${signal}');
  setTimeout(() => {}, 50);
}, 5);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: folder });
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const exited = exitOf(child);
    await printed(child, /ready/);
    child.kill(signal);
    expect(await exited).toEqual({ code: 7, signal: null });
    expect(said).toContain('stopping');
    expect(said).not.toContain('Debugger');
  },
});

const atStart = (signal: NodeJS.Signals): Quirk => ({
  name: `${signal} while the program loads`,
  source: 'Node reserves SIGUSR1 for its debugger',
  input: `kill -${signal.slice(3)} as soon as the process listens`,
  right: 'exit 130, no debugger, nothing made',
  async check(folder) {
    await writePatches(folder);
    const run = startBandlift(trainArgs(), folder);
    await listening(run.child);
    run.child.kill(signal);
    expect(await run.exited).toEqual(STOPPED);
    expect(run.stderr()).toBe(`${signal}: ended\n`);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  },
});

/** A checkout whose build takes a minute, with the wrapper as it is. */
function slowCheckout(folder: string): string {
  const scripts = join(folder, 'scripts');
  mkdirSync(scripts);
  copyFileSync(join(projectRoot(), 'scripts/bandlift.mjs'), join(scripts, 'bandlift.mjs'));
  writeFileSync(
    join(scripts, 'build.mjs'),
    `import { spawnSync } from 'node:child_process';
export const isBuilt = () => false;
if (process.argv[1] === import.meta.filename) {
  process.stderr.write('building ' + process.pid + '\\n');
  spawnSync('sleep', ['60']);
}`,
  );
  return join(scripts, 'bandlift.mjs');
}

quirks('signals', [
  inTraining('SIGHUP', 'review: closing the terminal killed training'),
  inTraining('SIGUSR1', 'Slurm --signal=USR1; Lightning #14610'),
  asked('SIGUSR2', 'submitit #1697'),
  asked('SIGQUIT', 'review: SIGQUIT lost 500 steps'),
  asked('SIGTERM', 'job schedulers'),
  asked('SIGINT', 'Ctrl-C'),
  atStart('SIGUSR1'),
  atStart('SIGTERM'),
  {
    name: 'SIGTERM while data are read',
    source: 'found in review of the handlers',
    input: 'kill as soon as the run folder is named',
    right: 'exit 130, the lock released, no half-written run',
    async check(folder) {
      await writePatches(folder);
      const run = startBandlift(trainArgs(), folder);
      await printed(run.child, /run folder/);
      run.child.kill('SIGTERM');
      expect(await run.exited).toEqual(STOPPED);
      expect(run.stderr()).not.toMatch(/error/);
      expect(existsSync(join(folder, 'run/.lock'))).toBe(false);
      // either nothing was begun, or it was begun and saved
      expect(existsSync(join(folder, 'run/config.yaml'))).toBe(existsSync(join(folder, LAST)));
    },
  },
  {
    name: 'interrupted at any moment',
    source: 'a signal while validating was noticed only after the next step',
    input: 'asked to stop while data are read, before the first step, after a step, in each validation',
    right: 'nothing to save, or a run that ends with the bits of one never interrupted',
    async check(folder) {
      await writePatches(folder);
      const config = (name: string) =>
        tinyConfig({
          data_dir: join(folder, 'patches.h5'),
          output_dir: join(folder, name),
          threads: 1,
          regression: 'none',
        });
      const whole = await train(config('whole'));
      const bits = hashOf(join(whole.run, 'checkpoints/last.safetensors'));
      const lines = metricsOf(whole.run).map(withoutRate);
      const early = await asking(config('early'), () => true).catch((error: BandliftError) => error);
      expect(early).toMatchObject({ exitCode: EXIT.interrupted, message: 'interrupted while data were read' });
      expect(existsSync(join(folder, 'early'))).toBe(false);
      // an epoch asks before its 3 steps, after each of them and after its one batch of validation
      for (const first of runLong ? [1, 3, 5, 6, 10] : [6]) {
        let asked = 0;
        const settings = config(`from-${first}`);
        const begun = () => existsSync(join(settings.output_dir, 'config.yaml'));
        const run = await asking(settings, () => begun() && ++asked >= first);
        expect(run.interrupted, `from ${first}`).toBe(true);
        const rest = await train(settings, () => false, true);
        expect(rest.interrupted).toBe(false);
        expect(hashOf(join(rest.run, 'checkpoints/last.safetensors')), `from ${first}`).toBe(bits);
        expect(metricsOf(rest.run).map(withoutRate)).toEqual(lines);
      }
    },
  },
  {
    name: 'the same signal twice within milliseconds',
    source: 'npm passes SIGINT on to a program that has had it from the terminal',
    input: 'INT, INT and TERM at once',
    right: 'one request: last is written, exit 130',
    async check(folder) {
      const run = await training(folder);
      // all before the program can take any
      for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGINT', 'SIGCONT'] as const) run.child.kill(signal);
      expect(await run.exited).toEqual(STOPPED);
      expect(run.out()).toContain('to continue:');
    },
  },
  {
    name: 'Ctrl-C again',
    source: 'use',
    input: 'work that does not stop; INT, TERM, and INT after a second',
    right: 'TERM changes nothing, the second INT leaves at once with 130',
    async check(folder) {
      const code = `import { listen, onInterrupt, SAME_REQUEST } from '${MODULE}';
listen();
const work = onInterrupt('stopping');
setInterval(() => {}, 10);
process.on('SIGINT', () => setTimeout(() => process.stdout.write('waited'), SAME_REQUEST + 50));
process.on('SIGTERM', () => process.stdout.write('terminated'));
process.stdout.write('ready');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: folder });
      const exited = exitOf(child);
      await printed(child, /ready/);
      child.kill('SIGINT');
      await printed(child, /waited/);
      child.kill('SIGTERM');
      await printed(child, /terminated/);
      expect(child.exitCode).toBe(null);
      child.kill('SIGINT');
      expect(await exited).toEqual(STOPPED);
    },
  },
  {
    name: 'the reader of the output ends with the same Ctrl-C',
    source: '`train | tee log`: the closed pipe ended the process with exit code 0 before it had saved',
    input: 'stdout closed in training, no signal',
    right: 'last is written, exit 130',
    async check(folder) {
      const run = await training(folder);
      const before = (await loadCheckpoint(join(folder, LAST))).state.progress.step;
      run.child.stdout!.destroy();
      expect(await run.exited).toEqual(STOPPED);
      const { step } = (await loadCheckpoint(join(folder, LAST))).state.progress;
      expect(step).toBeGreaterThanOrEqual(before);
      expect(existsSync(join(folder, 'run/.lock'))).toBe(false);
    },
  },
  ...(['SIGUSR1', 'SIGTERM'] as const).map(
    (signal): Quirk => ({
      name: `${signal} while the wrapper builds`,
      source: 'review; the wrapper waits for compilers',
      input: 'a build of a minute',
      right: 'exit 130 at once, the build and what it has started end, no debugger',
      async check(folder) {
        const child = spawn(process.execPath, [slowCheckout(folder), '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
        let text = '';
        child.stderr!.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        const exited = exitOf(child); // 'close': whoever holds the pipe has ended as well
        await printed(child, /building \d+/, 'stderr');
        child.kill(signal);
        expect(await exited).toEqual(STOPPED);
        expect(text).toMatch(/^building \d+\n$/);
      },
    }),
  ),
]);
