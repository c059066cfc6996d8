/** The messages on the page of troubleshooting are messages of the program. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { describePython, runPython } from '../support/python.js';
import { rowsOf } from './markdown.js';
import { writeSmallSample } from './small_sample.js';

/** Messages of the first column, in the order of the page. */
const messages = rowsOf(readFileSync('docs/troubleshooting.md', 'utf8'))
  .map(([first]) => first!)
  .filter((first) => first.startsWith('`') && first.endsWith('`'))
  .flatMap((first) => first.match(/(?<=`)[^`]+(?=`)/g)!.filter((words) => !/^[,. ]+$/.test(words)));

const sources = ['src', 'scripts', 'native']
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((name) => /\.(ts|mjs|cpp|h)$/.test(name))
  .map((name) => readFileSync(name, 'utf8'))
  .join('\n');

const inSources = (message: string) => sources.includes(message);

const folder = temporaryFolder();
const MODEL = 'model/checkpoints/best.safetensors';

async function say(message: string, ...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await bandliftHere([...args, '--device', 'cpu'], folder);
  expect(stdout + stderr).toContain(message);
  expect(messages).toContain(message);
  expect(status).toBeGreaterThan(0);
}

beforeAll(async () => {
  await writeSmallSample(join(folder, 'sample'), { fine: false });
  const ridge = ['--data-dir', 'sample/patches', '--model', 'ridge', '--output-dir', 'model'];
  const { status } = await bandliftHere(['train', 'stage1', ...ridge], folder);
  expect(status).toBe(0);
});

describe('provoked', () => {
  const train = (...more: string[]) => ['train', 'stage1', '--data-dir', 'sample/patches', ...more];
  const predict = (...more: string[]) => ['predict', '--stage1', MODEL, '--out', 'scene', ...more];

  it.each([
    [
      'not even the smallest tile fits into the memory allowed',
      predict('sample/landsat/scene.img', '--max-memory', '20M'),
    ],
    ['this folder already holds a run', train('--output-dir', 'model')],
    ['there is no run to resume in this folder', train('--resume', '--output-dir', 'nowhere')],
    ['wrong number of bands for this model', predict('sample/cubes/line_1.hdr')],
  ] as const)('%s', async (message, args) => {
    await say(message, ...args);
  });

  it('divergence', async () => {
    const wild = ['--lr', '1e4', '--regression', 'none', '--loss-sam', '0', '--hidden', '4', '--blocks', '1'];
    await say('not a finite number at step 2', ...train(...wild, '--output-dir', 'wild', '--batch-size', '4'));
  });

  describePython('with files of h5py', () => {
    it('channels first, and files of different shapes', async () => {
      runPython(
        `import h5py, numpy as np, os, sys
os.chdir(sys.argv[1])
r = np.random.default_rng(0)
def put(name, a, l):
    with h5py.File(name, 'w') as f:
        f['aviris'] = r.random(a, dtype='f4'); f['landsat'] = r.random(l, dtype='f4')
put('first.h5', (4, 20, 32, 32), (4, 7, 32, 32))
os.mkdir('mixed')
put('mixed/a.h5', (4, 32, 32, 20), (4, 32, 32, 7))
put('mixed/b.h5', (4, 24, 24, 20), (4, 24, 24, 7))
`,
        [folder],
      );
      await say('its dimensions look like (N,bands,H,W), channels first', 'train', 'stage1', '--data-dir', 'first.h5');
      await say('differs from mixed/a.h5', 'train', 'stage1', '--data-dir', 'mixed');
    });
  });
});

describe('every message of the page', () => {
  /** What the sources put together from parts. */
  const PARTS: Record<string, RegExp> = {
    'one patch of 32 x 32 pixels does not fit into the memory allowed':
      /one patch of \$\{height\} x \$\{width\} pixels does not fit/,
    'the thread that reads the data stopped': /'the thread that reads the data'/,
    'not a finite number at step 2': /not a finite number at step \$\{/,
    'stopped early: no improvement in 25 epochs': /stopped early: no improvement in \$\{/,
    'its dimensions look like (N,bands,H,W), channels first': /its dimensions look like \$\{order\}/,
    'differs from mixed/a.h5': /differs from \$\{first\.path\}/,
    'is a netCDF file by its name, not an ENVI cube': /is \$\{format\.what\}, not an ENVI cube/,
    'bandlift runs on Linux (x86-64 or arm64), this is darwin':
      /bandlift runs on Linux \(x86-64 or arm64\), this is \$\{/,
  };

  it.each(messages)('%s', (message) => {
    expect(message in PARTS ? PARTS[message]!.test(sources) : inSources(message)).toBe(true);
  });

  it('and there are many', () => {
    expect(messages.length).toBeGreaterThan(35);
  });
});
