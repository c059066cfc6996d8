/** What happens to checkpoints: going back, resuming elsewhere, files cut by a disk or a copy. */
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { inspectCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { expectOneError, fingerprint } from '../support/broken.js';
import { bandliftHere, type CliResult, TINY } from '../support/cli.js';
import { hashOf, metricsOf } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTinyScenes } from '../support/tiny_scenes.js';
import { type Quirk, quirks } from './table.js';

const work = temporaryFolder();
// without a closed-form start every epoch improves
const SMALL = [...TINY, '--regression', 'none', '--device', 'cpu', '--threads', '1'];
const NEW = ['train', 'stage1', '--data-dir', 'p', ...SMALL, '--epochs', '6', '--save-every', '2'];
const at = (name: string, run = 'run') => `${run}/checkpoints/${name}.safetensors`;

let made: Promise<string> | undefined;

/** Scenes in p and a finished run of 6 epochs of 2 steps in run, made once. */
function finishedRun(): Promise<string> {
  made ??= (async () => {
    await writeTinyScenes(join(work, 'p'));
    const scenes = ['--val-scenes', 'line_2', '--test-scenes', 'line_3'];
    const result = await bandliftHere([...NEW, '--output-dir', 'run', ...scenes], work);
    expect(result.stderr).toBe('');
    return work;
  })();
  return made;
}

/** A copy of them in the row's folder. */
async function copyRun(folder: string): Promise<void> {
  cpSync(await finishedRun(), folder, { recursive: true });
}

async function train(folder: string, ...args: string[]): Promise<CliResult> {
  const result = await bandliftHere(['train', 'stage1', ...args], folder);
  expect(result.stderr, result.stderr).not.toContain('error');
  expect(result.status).toBe(0);
  return result;
}

async function refused(folder: string, args: readonly string[], exit: number, message: RegExp): Promise<void> {
  const before = fingerprint(folder);
  const result = await bandliftHere(['train', 'stage1', ...args], folder);
  expect(expectOneError(result.stderr)).toMatch(message);
  expect(result.status).toBe(exit);
  expect(fingerprint(folder)).toEqual(before);
}

const stepsOf = (folder: string, run = 'run') => metricsOf(join(folder, run)).map((m) => m.step);
const steps = (epochs: number) => Array.from({ length: epochs }, (_, i) => 2 * (i + 1));

/** Spoils `last`, resumes, and expects the bits of the run that was never spoilt. */
const fallsBack = (spoil: (file: string) => unknown, warning: RegExp) => async (folder: string) => {
  await copyRun(folder);
  const right = hashOf(join(folder, at('last')));
  rmSync(join(folder, at('epoch-0006')));
  await spoil(join(folder, at('last')));
  const { stderr, stdout } = await train(folder, '--resume', '--output-dir', 'run');
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(warning);
  expect(stderr).toMatch(/continues from run\/checkpoints\/(best|epoch-0004)\.safetensors instead \(epoch \d/);
  expect(stdout).toMatch(/resuming from run\/checkpoints\/(best|epoch-0004)\.safetensors at epoch/);
  expect(hashOf(join(folder, at('last')))).toBe(right);
  expect(stepsOf(folder)).toEqual(steps(6));
};

async function changeFormat(file: string): Promise<void> {
  const { metadata, tensors } = await readSafetensors(file);
  const header = { ...JSON.parse(metadata.bandlift!), format: 99 };
  await writeSafetensors(file, tensors, { ...metadata, bandlift: JSON.stringify(header) });
}

const masked = (part: 'validation' | 'test' | 'training', scenes: number[], source: string): Quirk => ({
  name: `nothing valid in the ${part} split`,
  source,
  input: `patches whose mask is 0 everywhere in scene ${scenes.join(' and ')} of 4`,
  right: 'exit 3 before training, with the files, the split and what to do; no run folder',
  check: async (folder) => {
    await writeTinyScenes(join(folder, 'p'), { masked: scenes });
    const split = ['--val-scenes', 'line_2', '--test-scenes', 'line_3', '--normalization', 'none'];
    const message = new RegExp(
      `error: p/line_${scenes[0]}\\.h5.*: no pixel of the ${part} split is valid; found \\d patches`,
    );
    await refused(folder, [...NEW.slice(2), '--output-dir', 'r', ...split], 3, message);
  },
});

const REVIEW = 'review of training, part 2';

quirks('checkpoints', [
  {
    name: 'going back once',
    source: `${REVIEW}, 1`,
    input: '--resume --checkpoint epoch-0002, stopped after epoch 4, then plain --resume',
    right: 'the next plain --resume goes on from last (epoch 5), metrics are cut once and it is said',
    check: async (folder) => {
      await copyRun(folder);
      const right = hashOf(join(folder, at('last')));
      const back = await train(
        folder,
        ...['--resume', '--output-dir', 'run', '--checkpoint', at('epoch-0002'), '--epochs', '4'],
      );
      expect(back.stdout).toContain('resuming from run/checkpoints/epoch-0002.safetensors at epoch 3, batch 0, step 4');
      expect(back.stdout).toContain('continue from step 4: 4 later measurements are removed');
      expect(stepsOf(folder)).toEqual(steps(4));
      expect(readFileSync(join(folder, 'run/config.yaml'), 'utf8')).not.toMatch(/^checkpoint/m);
      const on = await train(folder, '--resume', '--output-dir', 'run', '--epochs', '6');
      expect(on.stdout).toContain('resuming at epoch 5, batch 0, step 8');
      expect(on.stdout).not.toContain('are removed');
      expect(stepsOf(folder)).toEqual(steps(6));
      expect(hashOf(join(folder, at('last')))).toBe(right);
    },
  },
  {
    name: 'a later best is not lost',
    source: 'found while mending the row before',
    input: 'going back to epoch-0002 while best is of a later epoch',
    right: 'that best is kept under its epoch; the state itself is the first candidate',
    check: async (folder) => {
      await copyRun(folder);
      const best = await inspectCheckpoint(join(folder, at('best')));
      const epoch = best.content === 'checkpoint' ? best.state.progress.epoch - 1 : 0;
      expect(epoch).toBeGreaterThan(2); // else the row shows nothing
      const hash = hashOf(join(folder, at('best')));
      const result = await train(folder, '--checkpoint', at('epoch-0002'), '--epochs', '2');
      expect(result.stdout).toContain(`kept as best-epoch-000${epoch}.safetensors`);
      expect(hashOf(join(folder, at(`best-epoch-000${epoch}`)))).toBe(hash);
      expect(result.stdout).toContain('(best epoch 2)');
    },
  },
  {
    name: 'stored by an older version',
    source: `${REVIEW}, 1`,
    input: "config.yaml with 'checkpoint: run/checkpoints/epoch-0002.safetensors'",
    right: 'a plain --resume goes on from last, nothing is cut',
    check: async (folder) => {
      await copyRun(folder);
      appendFileSync(join(folder, 'run/config.yaml'), `checkpoint: ${at('epoch-0002')}\n`);
      const { stdout } = await train(folder, '--resume', '--output-dir', 'run');
      expect(stdout).toContain('resuming at epoch 7, batch 0, step 12');
      expect(stepsOf(folder)).toEqual(steps(6));
    },
  },
  {
    name: 'alone, a missing file',
    source: `${REVIEW}, part 3`,
    input: '--checkpoint /nonexistent.safetensors without --resume',
    right: 'exit 3, the file is named, nothing is made',
    check: async (folder) => {
      await writeTinyScenes(join(folder, 'p'));
      const args = [...NEW.slice(2), '--output-dir', 'r', '--checkpoint', '/nonexistent.safetensors'];
      await refused(folder, args, 3, /^error: \/nonexistent\.safetensors: no such file or folder; check the path$/);
    },
  },
  {
    name: 'alone, of a run',
    source: `${REVIEW}, part 3`,
    input: '--checkpoint run/checkpoints/epoch-0004.safetensors',
    right: 'the run it belongs to goes on from there and ends with the same bits',
    check: async (folder) => {
      await copyRun(folder);
      const right = hashOf(join(folder, at('last')));
      const { stdout } = await train(folder, '--checkpoint', at('epoch-0004'));
      expect(stdout).toContain('run folder: run\n');
      expect(stdout).toContain('at epoch 5, batch 0, step 8');
      expect(hashOf(join(folder, at('last')))).toBe(right);
      expect(existsSync(join(folder, 'runs'))).toBe(false);
    },
  },
  {
    name: 'with --resume and no folder',
    source: 'found while mending the row before',
    input: '--resume --checkpoint run/checkpoints/epoch-0004.safetensors without --output-dir',
    right: 'the run of the file, not runs/stage1',
    check: async (folder) => {
      await copyRun(folder);
      const { stdout } = await train(folder, '--resume', '--checkpoint', at('epoch-0004'));
      expect(stdout).toContain('run folder: run\n');
    },
  },
  {
    name: 'alone, into another folder',
    source: `${REVIEW}, part 3`,
    input: '--checkpoint run/checkpoints/epoch-0004.safetensors --output-dir fork',
    right: "a new run with the old one's settings, the same last bits; the old run untouched",
    check: async (folder) => {
      await copyRun(folder);
      const before = fingerprint(join(folder, 'run'));
      await train(folder, '--checkpoint', at('epoch-0004'), '--output-dir', 'fork');
      expect(fingerprint(join(folder, 'run'))).toEqual(before);
      expect(stepsOf(folder, 'fork')).toEqual([10, 12]);
      const tensors = async (run: string) => (await readSafetensors(join(folder, at('last', run)))).tensors;
      expect(await tensors('fork')).toEqual(await tensors('run'));
      expect(readdirSync(join(folder, 'fork'))).toEqual(expect.arrayContaining(['config.yaml', 'split.json']));
      const again = await train(folder, '--resume', '--output-dir', 'fork');
      expect(again.stdout).toContain('resuming at epoch 7');
    },
  },
  {
    name: 'alone, of no run',
    source: `${REVIEW}, part 3`,
    input: 'a checkpoint copied away from its run, with --data-dir',
    right: 'a new run under a free name with the network, loss and batch size of the checkpoint',
    check: async (folder) => {
      await copyRun(folder);
      copyFileSync(join(folder, at('epoch-0004')), join(folder, 'mine.safetensors'));
      rmSync(join(folder, 'run'), { recursive: true });
      const { stdout } = await train(
        folder,
        ...['--checkpoint', 'mine.safetensors', '--data-dir', 'p', '--epochs', '5', '--device', 'cpu'],
      );
      expect(stdout).toContain('run folder: runs/stage1\n');
      expect(stdout).toContain('resuming from mine.safetensors at epoch 5, batch 0, step 8');
      const config = readFileSync(join(folder, 'runs/stage1/config.yaml'), 'utf8');
      for (const line of ['hidden: 6', 'blocks: 1', 'batch_size: 2']) expect(config).toContain(`${line}\n`);
    },
  },
  {
    name: 'of the other stage',
    source: 'a brother',
    input: 'train stage2 --checkpoint of a stage-1 run copied away',
    right: 'exit 3 and the command that fits',
    check: async (folder) => {
      await copyRun(folder);
      copyFileSync(join(folder, at('last')), join(folder, 'mine.safetensors'));
      const args = ['train', 'stage2', '--checkpoint', 'mine.safetensors', '--data-dir', 'p'];
      const result = await bandliftHere(args, folder);
      expect(result.status).toBe(3);
      expect(expectOneError(result.stderr)).toMatch(/mine\.safetensors: is not a checkpoint of stage2; .*train stage1/);
    },
  },
  {
    name: 'with --init',
    source: 'a brother: options that do not apply',
    input: '--resume --init FILE',
    right: 'exit 2: the run has its weights',
    check: async (folder) => {
      await copyRun(folder);
      await refused(
        folder,
        ['--resume', '--output-dir', 'run', '--init', at('best')],
        2,
        /--init: a continued run already has/,
      );
    },
  },
  {
    name: 'another split on --resume',
    source: 'a brother: options that do not apply',
    input: '--resume --val-scenes line_1',
    right: 'exit 2: the split was decided at the start (it was ignored and stored)',
    check: async (folder) => {
      await copyRun(folder);
      await refused(
        folder,
        ['--resume', '--output-dir', 'run', '--val-scenes', 'line_1'],
        2,
        /--val-scenes: a continued run keeps the settings it was started with; found line_1, expected line_2/,
      );
    },
  },
  {
    name: 'last cut in half',
    source: 'public report 28',
    input: 'last.safetensors of half its length',
    right: 'a warning, the newest other checkpoint, the same bits in the end',
    check: fallsBack((file) => truncateSync(file, 9000), /^warning: run\/checkpoints\/last\.safetensors: .*damaged/),
  },
  {
    name: 'last empty',
    source: 'public report 28',
    input: 'last.safetensors of 0 bytes',
    right: 'a warning, the newest other checkpoint, the same bits in the end',
    check: fallsBack((file) => truncateSync(file, 0), /^warning: run\/checkpoints\/last\.safetensors: /),
  },
  {
    name: 'last missing',
    source: 'public report 28',
    input: 'no last.safetensors',
    right: 'a warning, the newest other checkpoint, the same bits in the end',
    check: fallsBack((file) => rmSync(file), /^warning: run\/checkpoints\/last\.safetensors: no such file/),
  },
  {
    name: 'every checkpoint cut',
    source: 'public report 28',
    input: 'last, best and the kept ones of 100 bytes',
    right: 'exit 3, the first file and what to do; nothing is changed',
    check: async (folder) => {
      await copyRun(folder);
      for (const name of readdirSync(join(folder, 'run/checkpoints')))
        truncateSync(join(folder, 'run/checkpoints', name), 100);
      await refused(
        folder,
        ['--resume', '--output-dir', 'run'],
        3,
        /last\.safetensors: .*; no other checkpoint of this run can be read; start a new run in another --output-dir$/,
      );
    },
  },
  {
    name: 'last of a newer version',
    source: 'a brother of report 28',
    input: 'format 99 in last.safetensors',
    right: 'exit 3: nothing is damaged, so nothing older takes its place',
    check: async (folder) => {
      await copyRun(folder);
      await changeFormat(join(folder, at('last')));
      await refused(
        folder,
        ['--resume', '--output-dir', 'run'],
        3,
        /last\.safetensors: format: .*found 99, expected 1 or 2/,
      );
    },
  },
  {
    name: 'a chosen file that is cut',
    source: 'public report 28',
    input: '--resume --checkpoint of 100 bytes',
    right: 'exit 3: no other file takes the place of one that was named',
    check: async (folder) => {
      await copyRun(folder);
      truncateSync(join(folder, at('epoch-0002')), 100);
      await refused(folder, ['--resume', '--checkpoint', at('epoch-0002')], 3, /epoch-0002\.safetensors: /);
    },
  },
  masked('validation', [2], `${REVIEW}, 10`),
  masked('test', [3], `${REVIEW}, 10`),
  masked('training', [0, 1], 'a brother'),
  {
    name: 'help of --resume and --regression',
    source: 'a first trial by a new user',
    input: 'train stage1 --help',
    right: "--resume does not read as on by default, --regression takes a kind, not a 'path'",
    check: async (folder) => {
      const { stdout } = await bandliftHere(['train', 'stage1', '--help'], folder);
      const words = stdout.replaceAll(/\s+/g, ' ');
      expect(words).not.toMatch(/--resume [^-]*\(default:/);
      expect(words).toContain('--regression <kind>');
    },
  },
]);
