/** Every command line of the pages is one that bandlift understands, and those of the sample run from first to last. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/program.js';
import { bandlift } from '../support/cli.js';
import { describeLong } from '../support/long.js';
import { type CommandLine, commandLines, pages, understand } from './command_lines.js';
import { writeSmallSample } from './small_sample.js';

const lines = commandLines();
const ours = lines.filter((line): line is CommandLine & { args: readonly string[] } => line.args !== undefined);

/** The definitions with nothing behind them: a command line is parsed and no more. */
async function parser(): Promise<Command> {
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(quiet);
  };
  const program = await commands();
  quiet(program);
  return program;
}

const parse = async (args: readonly string[]) => (await parser()).parseAsync([...args], { from: 'user' });

describe('command lines', () => {
  it('are read as a shell reads them', () => {
    const args = (text: string) => understand('page', text).args;
    expect(args('npm run -s bandlift -- inspect a.hdr --json')).toEqual(['inspect', 'a.hdr', '--json']);
    expect(args('npm run train:stage1 -- --lr 1e-3   # a remark')).toEqual(['train', 'stage1', '--lr', '1e-3']);
    expect(args('node scripts/bandlift.mjs doctor')).toEqual(['doctor']);
    expect(args('npm run build:cuda')).toBeUndefined();
    expect(() => args('npm run no:such')).toThrow(/no script no:such/);
    expect(() => args('rm -r runs')).toThrow(/not a command of the project/);
  });

  it('are found, and a wrong option would be noticed', async () => {
    expect(ours.length).toBeGreaterThan(15);
    await expect(parse(['train', 'stage1', '--blocs', '2'])).rejects.toThrow(/unknown option/);
    await expect(parse(['train', 'stage1', '--axis', 'diagonal'])).rejects.toThrow(/Allowed choices/);
    await expect(parse(['evaluate', '--data-dir', 'x'])).rejects.toThrow(/--out/);
  });

  it.each(ours.map(({ page, text, args }) => [page, text, args] as const))('%s: %s', async (_page, _text, args) => {
    await parse(args);
  });
});

const program = await commands();

describe('options that pages name', () => {
  const options = (command: Command): string[] => [
    ...command.options.flatMap(({ long, short }) => [long, short]).filter((name) => name != null),
    ...command.commands.flatMap(options),
  ];
  const known = new Set([...options(program), '--help', '--version']);
  /** Options of other programs, by the program whose name stands before them. */
  const others =
    /^(npm|node|gdal\w*|h5repack|cmake|ctest|git|sbatch|scontrol|srun|mpirun|#SBATCH|tensorboard|apt-get|conv2d_bench|--quick|build\/\S+)\b/;

  it.each(pages)('%s', (page) => {
    const text = readFileSync(page, 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
    const named = [...text.matchAll(/`([^`\n]+)`/g)].map(([, words]) => words!).filter((words) => !others.test(words));
    const unknown = named
      .flatMap((words) => words.match(/(?<![\w-])--[a-z][\w-]*/g) ?? [])
      .filter((o) => !known.has(o));
    expect(unknown).toEqual([]);
  });

  it.each(pages)('%s names scripts of package.json that exist', (page) => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    const named = [...readFileSync(page, 'utf8').matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

/** Pages whose lines run one after another in one folder; every later page may use what the ones before it made. */
const WAY = [
  'docs/tutorial.md',
  'docs/how-to/landsat-scene.md',
  'docs/how-to/four-metres.md',
  'docs/how-to/resume-and-clusters.md',
  'docs/how-to/own-flight-lines.md',
];
/** What a test does not have at hand, and what it leaves to other tests. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/LC09_L2SP/, 'a Landsat product: test/sample/level2.test.ts'],
  [/prepare EMIT\.hdr/, 'a cube of 60 m pixels: test/prepare/spectral.test.ts'],
  [/NEON\.hdr|--test-scenes EMIT/, 'cubes of three sensors: test/prepare/sensors.long.test.ts'],
  [/runs\/mine --resume$/, 'the job script goes on with a run of its own: test/cli/resume.test.ts'],
];

/** A training of one short epoch; what a line says itself stays. */
function shortened(args: readonly string[]): readonly string[] {
  if (args[0] !== 'train' || args.includes('--resume')) return args;
  const small = [
    '--hidden',
    '6',
    '--blocks',
    '1',
    '--features',
    '4',
    '--groups',
    '1',
    '--epochs',
    '1',
    '--image-every',
    '0',
  ];
  const allowed = args[1] === 'stage1' ? ['--hidden', '--blocks'] : ['--features', '--blocks', '--groups'];
  const fits = small.flatMap((word, i) =>
    i % 2 === 0 && [...allowed, '--epochs', '--image-every'].includes(word) && !args.includes(word)
      ? [word, small[i + 1]!]
      : [],
  );
  return [...args, ...fits];
}

describeLong('the lines of the sample, on a smaller one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-docs-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeAll(async () => {
    await writeSmallSample(join(folder, 'sample'));
    for (const name of ['configs', 'models']) symlinkSync(resolve(name), join(folder, name));
  });

  const way = WAY.flatMap((page) => ours.filter((line) => line.page === page)).filter(
    ({ text }) => !ELSEWHERE.some(([pattern]) => pattern.test(text)),
  );

  it.each(way.map(({ page, text, args }) => [page, text, args] as const))('%s: %s', (_page, text, args) => {
    const { status, stderr } = bandlift([...shortened(args)], folder);
    expect(status, `${text}\n${stderr}`).toBe(0);
    const out = args[args.indexOf('--out') + 1];
    if (args[0] === 'predict' && !args.includes('--plan')) {
      expect(statSync(join(folder, `${out}.img`)).size).toBeGreaterThan(0);
      expect(existsSync(join(folder, `${out}.hdr`))).toBe(true);
    }
    if (args[0] === 'evaluate') expect(existsSync(join(folder, out!, 'report.html'))).toBe(true);
  });
});
