/** Whole commands started at the same moment on the same place: one pair in the usual tests, more in the long ones (test/support/together.ts). */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { openPatchSet } from '../../src/data/patches.js';
import { EnviOutput } from '../../src/scenes/envi_output.js';
import { checkpointOf, memoryScene } from '../predict/support.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { hashOf, tinyConfig, train } from '../support/runs.js';
import { type Ended, PAIRS, together, unfinishedIn } from '../support/together.js';
import { writeTwoGrids } from '../support/two_grids.js';
import { quirks } from './table.js';

// twenty pairs of processes that take a second each, on a busy machine
if (PAIRS > 1) vi.setConfig({ testTimeout: 1_800_000 });

const CPU = ['--device', 'cpu', '--threads', '1'];

/** One did the work, the other says in one line who does. */
function oneRefused(ended: readonly Ended[], message: RegExp): void {
  expect(ended.map(({ code }) => code).sort(), ended.map(({ stderr }) => stderr).join('')).toEqual([
    0,
    expect.any(Number),
  ]);
  const refused = ended.find(({ code }) => code !== 0);
  expect(expectOneError(refused!.stderr)).toMatch(message);
}

const allDone = (ended: readonly Ended[]) =>
  expect(ended.map(({ code, stderr }) => [code, stderr.match(/^error.*/m)])).toEqual(ended.map(() => [0, null]));

quirks('two commands at once', [
  {
    name: 'one run folder',
    source: 'reading the sources',
    input: 'two trainings into the same new folder',
    right: 'one trains, one is refused by name or finds the run; the run is whole',
    check: async (folder) => {
      const [data] = await writeTwoGrids(folder, { scenes: 1, patches: 6 });
      const args = ['train', 'stage1', '--data-dir', data!, '--model', 'ridge', '--image-every', '0', ...CPU];
      for (let pair = 0; pair < PAIRS; pair++) {
        const out = join(folder, `run-${pair}`);
        const line = [...args, '--output-dir', out];
        oneRefused(
          await together([line, line], folder),
          /another process is training in this folder; found process \d+ since .*wait for it|already holds a run/,
        );
        await loadCheckpoint(join(out, 'checkpoints/last.safetensors'));
        expect(unfinishedIn(out)).toEqual([]);
      }
    },
  },
  {
    name: 'one cache',
    source: 'reading the sources: two writers appended to one file',
    input: 'two runs of stage 2 that need the same predictions',
    right: 'both end well, with the bytes of a run alone',
    check: async (folder) => {
      const data = join(folder, 'patches');
      mkdirSync(data);
      await writeTwoGrids(data);
      await train(tinyConfig({ data_dir: data, output_dir: join(folder, 'stage1'), regression: 'linear', epochs: 1 }));
      const args = (cache: string, out: string) => [
        ...['train', 'stage2', '--stage1', join(folder, 'stage1/checkpoints/best.safetensors'), '--data-dir', data],
        ...[
          '--model',
          'bicubic',
          '--cache-dir',
          cache,
          '--output-dir',
          join(folder, out),
          '--image-every',
          '0',
          ...CPU,
        ],
      ];
      const files = (cache: string) => {
        const [inner] = readdirSync(join(folder, cache)).filter((name) => name.startsWith('stage1-'));
        const names = readdirSync(join(folder, cache, inner!)).filter((name) => name !== 'description.json');
        return names.map((name) => [inner, name, hashOf(join(folder, cache, inner!, name))]);
      };
      expect((await bandliftHere(args('alone', 'run'), folder)).status).toBe(0);
      for (let pair = 0; pair < PAIRS; pair++) {
        const lines = [1, 2].map((i) => args(`cache-${pair}`, `run-${pair}-${i}`));
        allDone(await together(lines, folder));
        expect(files(`cache-${pair}`)).toEqual(files('alone'));
        expect(unfinishedIn(join(folder, `cache-${pair}`))).toEqual([]);
      }
    },
  },
  {
    name: 'one report',
    source: 'reading the sources: 1 job of 40 ended with exit 3 although all patches were there',
    input: 'two shards that end together, then the same shard twice',
    right: 'all end well; the report names every scene; a scene is prepared once and its file whole',
    check: async (folder) => {
      const bands = 105;
      const scenes = ['a', 'b'].map((name, seed) =>
        writeCube(join(folder, name), {
          ...{ lines: 60, samples: 45, bands, type: 2, interleave: 'bil' },
          value: (y, x, b) => 1000 + ((y * 31 + x * 17 + b * 7 + seed * 101) % 900),
          entries: { 'map info': utm(4), wavelength: braces(wavelengths(bands)), 'data ignore value': -9999 },
        }),
      );
      for (let pair = 0; pair < PAIRS; pair++) {
        for (const shards of [
          ['1/2', '2/2'],
          ['1/1', '1/1'],
        ]) {
          const out = join(folder, 'out');
          const lines = shards.map((shard) => [
            'prepare',
            ...scenes,
            '--out',
            out,
            '--patch',
            '4',
            '--workers',
            '1',
            '--shard',
            shard,
          ]);
          const ended = await together(lines, folder);
          if (ended.some(({ code }) => code !== 0)) oneRefused(ended, /[ab]\.h5: is already there/); // a slow start
          const report = JSON.parse(readFileSync(join(out, 'prepare_report.json'), 'utf8'));
          expect(report.scenes.map(({ name }: { name: string }) => name)).toEqual(['a', 'b']);
          expect(report.failed).toEqual([]);
          expect(report.totals.kept).toBe(4);
          expect((await openPatchSet([out])).count).toBe(4);
          expect(unfinishedIn(out)).toEqual([]);
          rmSync(out, { recursive: true });
        }
      }
    },
  },
  {
    name: 'one result',
    source: 'reading the sources (output_journal.ts)',
    input: 'two predictions of the same name',
    right: 'one computes, one is refused by name or finds the result; the bytes are those of a run alone',
    check: async (folder) => {
      await checkpointOf(folder, 'one', {
        ...{ kind: 'spectral_sr', inBands: 7, outBands: 4, hidden: 4, blocks: 1, axis: 'row', regression: 'none' },
      });
      const [height, width] = [12, 16];
      const { values, valid, georeference } = memoryScene(height, width, 7);
      const scene = await EnviOutput.create(join(folder, 'scene.img'), {
        ...{ height, width, bands: 7, dataType: 'float32', interleave: 'bip', units: 'reflectance' },
        georeference: georeference!,
      });
      await scene.write({ y: 0, x: 0, height, width }, values, valid, 0);
      await scene.finish();
      const args = (out: string) => [
        'predict',
        '--stage1',
        'one.safetensors',
        'scene.img',
        '--tile',
        '8',
        ...CPU,
        '--out',
        out,
      ];
      expect((await bandliftHere(args('alone'), folder)).stderr).toBe('');
      for (let pair = 0; pair < PAIRS; pair++) {
        oneRefused(
          await together([args('cube'), args('cube')], folder),
          /cube\.(img|hdr): (another process is writing this result; found process \d+ since|exists already)/,
        );
        expect(hashOf(join(folder, 'cube.img'))).toBe(hashOf(join(folder, 'alone.img')));
        expect(existsSync(join(folder, 'cube.hdr'))).toBe(true);
        expect(unfinishedIn(folder)).toEqual([]);
        for (const name of ['cube.img', 'cube.hdr']) rmSync(join(folder, name));
      }
    },
  },
]);
