/** Predictions killed at one very place; the same line again must end with the same bytes, wherever that was. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { ModelSpec } from '../../src/models/spec.js';
import { EnviOutput } from '../../src/scenes/envi_output.js';
import { checkpointOf, memoryScene } from '../predict/support.js';
import { bandliftHere, cliPath } from '../support/cli.js';
import { temporaryFolder } from '../support/temporary.js';
import { unfinishedIn } from '../support/together.js';
import { type Quirk, quirks } from './table.js';

/** Two passes: a mean over the image first. */
const STAGE1: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 7,
  outBands: 4,
  hidden: 4,
  blocks: 1,
  axis: 'row',
  regression: 'none',
};
const PRELOAD = new URL('../support/kill_at.mjs', import.meta.url).href;
const ARGS = [
  ...['predict', '--stage1', 'one.safetensors', '--stage2', 'bicubic', 'scene.img', '--keep-stage1'],
  ...['--back-projections', '1', '--tile', '8', '--device', 'cpu', '--threads', '1', '--out', 'cube'],
];

async function prepare(folder: string): Promise<void> {
  await checkpointOf(folder, 'one', STAGE1);
  const [height, width] = [12, 16];
  const { values, valid, georeference } = memoryScene(height, width, 7, (y, x) => y + x === 9);
  const output = await EnviOutput.create(join(folder, 'scene.img'), {
    ...{ height, width, bands: 7, dataType: 'float32', interleave: 'bip', units: 'reflectance' },
    georeference: georeference!,
  });
  await output.write({ y: 0, x: 0, height, width }, values, valid, 0);
  await output.finish();
}

/** The line in a process of its own; killed before its `count`-th change that matches. */
function run(folder: string, killAt: string, count = 1) {
  return spawnSync(process.execPath, ['--import', PRELOAD, cliPath, ...ARGS], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, KILL_AT: killAt, KILL_AT_COUNT: `${count}` },
  });
}

const RESULTS = ['cube.img', 'cube.hdr', 'cube_stage1.img', 'cube_stage1.hdr'];
/** The results without the date in their headers, which is that of the run. */
const resultsOf = (folder: string) =>
  RESULTS.map((name) => {
    const bytes = readFileSync(join(folder, name));
    return name.endsWith('.hdr') ? bytes.toString('latin1').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, 'DATE') : bytes;
  });

/** Kills at the place, then runs the line again in this process. */
async function killedAt(folder: string, straight: unknown, killAt: string, count = 1): Promise<void> {
  const { signal, stderr } = run(folder, killAt, count);
  expect([killAt, signal, stderr]).toEqual([killAt, 'SIGKILL', '']);
  const again = await bandliftHere(ARGS, folder);
  const isWhole = !existsSync(join(folder, 'cube.work/settings.json')) && again.status === 2;
  // a result that was whole already says so
  if (isWhole) expect(again.stderr).toMatch(/cube(_stage1)?\.(img|hdr): exists already/);
  else expect([killAt, again.stderr, again.status]).toEqual([killAt, '', 0]);
  expect(resultsOf(folder)).toEqual(straight);
  for (const name of RESULTS) rmSync(join(folder, name));
  if (!isWhole) expect(unfinishedIn(folder)).toEqual([]);
  else for (const path of unfinishedIn(folder)) rmSync(path, { recursive: true });
}

/** Those of the usual tests; the others are run with BANDLIFT_FULL=1. */
const OFTEN = [
  'end of stage 1, before its lock goes',
  'end of stage 2, before its header',
  'end of stage 2, before its journal goes',
  'end, before the work folder goes',
];
const FULL = process.env.BANDLIFT_FULL === '1';
// some sixty processes that take a second each, on a busy machine
if (FULL) vi.setConfig({ testTimeout: 1_800_000 });

const PLACES: Readonly<Record<string, [killAt: string, input: string]>> = {
  'last sync of stage 1': ['^RENAME cube_stage1\\.img\\.partial\\.json$', 'its journal is about to be written again'],
  'end of stage 1, before its name': ['^RENAME cube_stage1\\.img$', 'every pixel is noted, the cube has no name'],
  'end of stage 1, before its header': ['^WRITE cube_stage1\\.hdr\\.', 'the cube has its name and no header'],
  'end of stage 1, before its journal goes': [
    '^REMOVE cube_stage1\\.img\\.partial\\.json$',
    'cube, header and journal',
  ],
  'end of stage 1, before its lock goes': ['^REMOVE cube_stage1\\.lock$', 'the cube is whole, the work goes on'],
  'end of stage 2, before it is noted': ['^RENAME state\\.json$', 'every pixel is on the disk, nobody says so'],
  'end of stage 2, before its name': ['^RENAME cube\\.img$', 'every pixel is noted, the cube has no name'],
  'end of stage 2, before its header': ['^WRITE cube\\.hdr\\.', 'the cube has its name and no header'],
  'end of stage 2, header half written': ['^RENAME cube\\.hdr$', 'the cube and a temporary header'],
  'end of stage 2, before its journal goes': ['^REMOVE cube\\.img\\.partial\\.json$', 'cube, header and journal'],
  'end, before the work folder goes': ['^REMOVE settings\\.json$', 'two whole cubes and all that made them'],
  'end, half of the work folder gone': ['^REMOVE cube\\.work$', 'two whole cubes and what is left of the work'],
};

/** Every change of a file that the line makes, each with how often it came before. */
function changesOf(folder: string): [killAt: string, count: number][] {
  const { stderr } = run(folder, '');
  const seen = new Map<string, number>();
  return [...stderr.matchAll(/^change: (.*)$/gm)].map(([, text]) => {
    // temporary names hold a random part
    const stable = text!.replace(/\.[0-9a-f]{8}-\d+-\d+-[0-9a-f]{8}\.tmp$/, '.*.tmp').replace(/[0-9a-f]{16}/g, '*');
    const pattern = `^${stable
      .split('*')
      .map((part) => part.replaceAll(/[.\\]/g, '\\$&'))
      .join('[-0-9a-f]+')}$`;
    seen.set(pattern, (seen.get(pattern) ?? 0) + 1);
    return [pattern, seen.get(pattern)!];
  });
}

const base = temporaryFolder();
let straight: unknown;

/** What an undisturbed run gives, computed once. */
async function expected(): Promise<unknown> {
  if (straight !== undefined) return straight;
  await prepare(base);
  const first = await bandliftHere(ARGS, base);
  expect([first.stderr, first.status]).toEqual(['', 0]);
  straight = resultsOf(base);
  for (const name of RESULTS) rmSync(join(base, name));
  return straight;
}

const chosen = Object.entries(PLACES).filter(([name]) => FULL || OFTEN.includes(name));
const rows: Quirk[] = chosen.map(([name, [killAt, input]]) => ({
  name,
  source: 'reading the sources: 6 of 7 reruns ended in "exists already"',
  input,
  right: 'the same line ends with the same bytes',
  check: async () => killedAt(base, await expected(), killAt),
}));

quirks('predictions killed at one place', [
  ...rows,
  ...(FULL
    ? [
        {
          name: 'every place',
          source: 'reading the sources',
          input: 'killed before each change of a file that the line makes',
          right: 'the same line ends with the same bytes',
          check: async () => {
            const whole = await expected();
            const places = changesOf(base);
            expect(places.length).toBeGreaterThan(40);
            for (const name of RESULTS) rmSync(join(base, name));
            for (const [killAt, count] of places) await killedAt(base, whole, killAt, count);
          },
        },
      ]
    : []),
]);
