/** What data and settings do to training and to what is measured. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { bandRegions } from '../../src/metrics/band_regions.js';
import { patchMetrics } from '../../src/metrics/patch_metrics.js';
import { methodMetrics } from '../../src/metrics/region_metrics.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere, TINY } from '../support/cli.js';
import { writeHdf5 } from '../support/patch_files.js';
import { metricsOf } from '../support/runs.js';
import { writeTinyScenes } from '../support/tiny_scenes.js';
import { type Quirk, quirks } from './table.js';

const REVIEW = 'review of training';
const SIDE = 4;
const BANDS = 8;

/** 6 files of 2 patches whose spectra `value` gives for a pixel and a band. */
async function writeSpectra(folder: string, value: (pixel: number, band: number) => number): Promise<void> {
  const pixels = 2 * SIDE * SIDE;
  const array = (bands: number) => ({
    data: Float32Array.from({ length: pixels * bands }, (_, i) => value(Math.floor(i / bands), i % bands)),
    shape: [2, SIDE, SIDE, bands],
  });
  for (let scene = 0; scene < 6; scene++)
    await writeHdf5(join(folder, `line_${scene}.h5`), { aviris: array(BANDS), landsat: array(7) });
}

const finite = (name: string, input: string, value: (pixel: number, band: number) => number): Quirk => ({
  ...{ name, source: `${REVIEW}, report 26: acos of 1 and of a spectrum without length`, input },
  right: 'SAM alone as loss: every loss and gradient norm is finite',
  async check(folder) {
    await writeSpectra(folder, value);
    const loss = ['--loss-l1', '0', '--loss-sam', '1', '--loss-gradient', '0'];
    const run = ['--output-dir', 'run', '--epochs', '6', '--device', 'cpu', '--regression', 'none'];
    const result = await bandliftHere(['train', 'stage1', '--data-dir', '.', ...TINY, ...loss, ...run], folder);
    expect(result.status, result.stderr).toBe(0);
    const epochs = metricsOf(join(folder, 'run'));
    expect(epochs).toHaveLength(6);
    for (const epoch of epochs)
      for (const key of ['train/loss', 'validation/loss', 'train/gradient_norm'])
        expect(epoch[key], key).toSatisfy(Number.isFinite);
  },
});

const ergas = (stage: string, ratio: number, expected: number): Quirk => ({
  ...{ name: `ERGAS of ${stage}`, source: `${REVIEW}, report 32`, input: '0.55 everywhere for 0.5 everywhere' },
  right: `100 / ${ratio} * 0.1 = ${expected}`,
  check() {
    const constant = (value: number) => new Float32Array(4 * BANDS).fill(value);
    const patch = { height: 2, width: 2, bands: BANDS, prediction: constant(0.55), target: constant(0.5) };
    const regions = bandRegions(BANDS);
    const sums = patchMetrics(patch, { masks: regions.map((r) => r.mask), range: new Array(BANDS).fill(1) });
    // 0.55 in float32
    expect(methodMetrics(sums, regions, ratio).regions.all!.ergas / expected).toBeCloseTo(1, 6);
  },
});

const refused = (option: string, value: string, exit: number, message: RegExp): Quirk => ({
  ...{ name: option, source: `${REVIEW}, part 3`, input: value, right: `exit ${exit}, ${message}` },
  async check(folder) {
    await writeTinyScenes(join(folder, 'p'));
    const args = ['train', 'stage1', '--data-dir', 'p', '--output-dir', 'run', ...TINY, option, ...value.split(' ')];
    const result = await bandliftHere(args, folder);
    expect(expectOneError(result.stderr)).toMatch(message);
    expect(result.status).toBe(exit);
  },
});

quirks('training', [
  finite('zero spectrum', 'the first pixel of each patch is 0 in all bands', (p, b) =>
    p % (SIDE * SIDE) === 0 ? 0 : 0.1 + 0.01 * p + 0.02 * b * (p % 3),
  ),
  finite('identical spectra', 'every pixel has the same spectrum', (_, b) => 0.1 + 0.05 * b),
  ergas('stage 1', 1, 10),
  ergas('stage 2', 7.5, 4 / 3),
  refused('--epochs', '0', 2, /'--epochs <n>' argument '0' is invalid.*whole number from 1/),
  refused('--lr', '0', 2, /--lr/),
  refused('--lr', '1e-4x', 2, /--lr.*1e-4x/),
  refused('--val-fraction', '0.9 --test-fraction 0.9', 2, /fraction/),
  refused('--warmup', '3', 2, /unknown option '--warmup'/),
]);
