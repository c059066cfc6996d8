/** The documented jobs from the command line to the last checkpoint: 36 patches, 100 epochs, validation included. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../src/base/version.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { writeTwoGrids } from '../../test/support/two_grids.js';
import { type BenchOptions, type Keep, short } from './timing.js';

const PATCHES = 36;

/** Runs a bandlift command; its seconds. */
function bandlift(folder: string, args: readonly string[]): number {
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [join(projectRoot(), 'dist/src/cli/main.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`bandlift ${args.join(' ')}: exit ${status}: ${stderr}`);
  return (performance.now() - started) / 1000;
}

/** Patches of one grid: spectra that rise and fall with the place, and Landsat bands that are numbers out of them. */
async function writePatches(folder: string, size: number, bands: number, count: number): Promise<void> {
  const inBands = 7;
  const writer = await PatchWriter.create(join(folder, 'scene.h5'), {
    ...{ height: size, width: size, inBands, outBands: bands, downsamplingFactor: 1, units: 'reflectance', scale: 1 },
    wavelength: Float64Array.from({ length: bands }, (_, b) => 380 + (2100 * b) / bands),
    fwhm: new Float64Array(bands).fill(5),
    ...{ sourceScene: 'scene', seed: 1, degraded: false, masked: false },
  });
  for (let p = 0; p < count; p++) {
    const aviris = new Float32Array(size * size * bands);
    const landsat = new Float32Array(size * size * inBands);
    for (let i = 0; i < size * size; i++) {
      const [y, x] = [Math.floor(i / size), i % size];
      const level = 0.3 + 0.2 * Math.sin(0.05 * y + 0.03 * x + p);
      const slope = 0.1 * Math.cos(0.02 * x - 0.07 * y + p);
      for (let b = 0; b < bands; b++) aviris[i * bands + b] = level + (slope * b) / bands;
      for (let k = 0; k < inBands; k++)
        landsat[i * inBands + k] = aviris[i * bands + Math.floor((k * bands) / inBands)]!;
    }
    writer.append({ aviris, landsat, origin: [size * p, 0], geotransform: [0, 4, 0, 0, 0, -4] });
  }
  writer.close();
}

interface Job {
  readonly name: string;
  readonly args: readonly string[];
}

/** The jobs that are wanted. Writes what they need below `folder`: patches, and a checkpoint of stage 1 for stage 2. */
async function prepare(folder: string, { quick, wanted }: BenchOptions): Promise<Job[]> {
  const [one, two] = [join(folder, 'stage1'), join(folder, 'stage2')];
  for (const path of [one, two]) mkdirSync(path);
  const bands = quick ? 12 : 340;
  if (wanted('stage 1')) await writePatches(one, quick ? 8 : 256, bands, quick ? 12 : PATCHES); // 3 GB
  const patches = quick ? 4 : 6;
  await writeTwoGrids(two, { side: quick ? 4 : 34, bands, inBands: 7, scenes: PATCHES / 6 / (quick ? 2 : 1), patches });
  const config = (name: string) => ['--config', join(projectRoot(), `configs/${name}.yaml`)];
  const common = ['--patience', '0', '--image-every', '0', '--epochs', quick ? '1' : '100'];
  const small1 = quick ? ['--hidden', '8', '--blocks', '1'] : ['--blocks', '8'];
  const small2 = quick ? ['--features', '4', '--groups', '1', '--blocks', '1', '--reduction', '2'] : [];
  const light = [
    '--model',
    'spatial_lightweight',
    ...(quick ? ['--features', '4', '--blocks', '1'] : ['--blocks', '4']),
  ];
  const first = [
    'train',
    'stage1',
    '--data-dir',
    two,
    '--output-dir',
    'first',
    '--epochs',
    '1',
    '--model',
    'ridge',
    '--device',
    'cpu',
  ];
  bandlift(folder, first);
  const stage2 = [
    'train',
    'stage2',
    ...config('stage2_documented'),
    '--data-dir',
    two,
    '--input',
    'simulated',
    ...common,
  ];
  const from = ['--stage1', join(folder, 'first/checkpoints/best.safetensors')];
  const jobs = [
    {
      name: 'stage 1',
      args: ['train', 'stage1', ...config('stage1_documented'), '--data-dir', one, ...small1, ...common],
    },
    { name: 'stage 2', args: [...stage2, ...from, ...small2] },
    { name: 'stage 2, lightweight', args: [...stage2, ...from, ...light] },
  ];
  return jobs.filter(({ name }) => wanted(name));
}

/**
 * Runs `body` while nvidia-smi writes every 200 ms in what share of the time the GPU computed: the mean of it, in percent, from
 * the first reading above 0 to the last (reading the data comes before, the report after); undefined without nvidia-smi.
 */
function busyDuring(file: string, body: () => number): { seconds: number; busyPercent: number | undefined } {
  const output = openSync(file, 'w');
  const query = ['--query-gpu=utilization.gpu', '--format=csv,noheader,nounits', '-lms', '200', '--id=0'];
  const watcher = spawn('nvidia-smi', query, { stdio: ['ignore', output, 'ignore'] });
  watcher.on('error', () => undefined); // there is none
  try {
    const seconds = body();
    const readings = readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number);
    const busy = readings.slice(
      readings.findIndex((v) => v > 0),
      readings.findLastIndex((v) => v > 0) + 1,
    );
    return { seconds, busyPercent: busy.length > 0 ? busy.reduce((sum, v) => sum + v, 0) / busy.length : undefined };
  } finally {
    if (watcher.pid !== undefined) watcher.kill(); // where nvidia-smi could not be started, a signal would go to everybody
    closeSync(output);
  }
}

export async function benchJobs(options: BenchOptions, folder: string, keep: Keep): Promise<void> {
  const jobs = await prepare(folder, options);
  const rows = [];
  for (const precision of options.precisions)
    for (const [i, { name, args }] of jobs.entries()) {
      const out = `run-${i}-${precision}`;
      const on = ['--device', 'cuda', '--precision', precision];
      // on a machine whose cache has no choices of engines yet, the first run measures them
      const first = ['--output-dir', `${out}-first`, '--epochs', '1'];
      const firstSeconds = options.quick ? undefined : bandlift(folder, [...args, ...on, ...first]);
      const all = [...args, ...on, '--output-dir', out];
      const { seconds, busyPercent } = busyDuring(join(folder, `${out}.csv`), () => bandlift(folder, all));
      const epochs = readFileSync(join(folder, out, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n').length;
      rows.push({ job: name, precision, patches: PATCHES, epochs, seconds, busyPercent, firstSeconds });
      keep(rows);
      const busy = busyPercent === undefined ? '' : `, GPU busy ${short(busyPercent)} % of the training`;
      console.log(`job ${name}, ${precision}: ${short(seconds)} s for ${epochs} epochs${busy}`);
    }
}
