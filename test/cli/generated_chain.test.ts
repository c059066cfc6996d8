/**
 * The documented commands, one after another, on a generated flight line whose right answer is known: every pixel mixes
 * three spectra, so the 7 bands determine all others linearly, and ridge regression must find the spectrum of each 30 m pixel.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReader } from '../../src/data/loader.js';
import { openPatchSet } from '../../src/data/patches.js';
import { readEnvi } from '../../src/raster/envi.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';

const BANDS = 110;
const SIDE = 150; // 5 x 5 patches of 30 fine or 4 coarse pixels
const BEST = 'checkpoints/best.safetensors';
const work = temporaryFolder();

/** Three spectra of reflectance, told apart by OLI's bands: a slope, a red edge, a broad hump. */
const SPECTRA = [
  (nm: number) => 0.1 + 0.15 * ((nm - 400) / 2180),
  (nm: number) => 0.04 + 0.4 / (1 + Math.exp(-(nm - 715) / 25)),
  (nm: number) => 0.05 + 0.3 * Math.exp(-(((nm - 1650) / 350) ** 2)),
];
/** Shares of the three on the ground: waves and a field border, which 30 m pixels mix. */
function shares(y: number, x: number): number[] {
  const wave = 0.5 + 0.4 * Math.sin(x / 9) * Math.cos(y / 13);
  const field = (Math.floor(x / 37) + Math.floor(y / 41)) % 2;
  return [wave, 0.3 * field + 0.1 * wave, 1 - 0.7 * wave];
}
const nm = wavelengths(BANDS);
const truth = (y: number, x: number, b: number) =>
  shares(y, x).reduce((sum, share, k) => sum + share * SPECTRA[k]!(nm[b]!), 0);

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bandliftHere(args, work);
  expect(`${stderr.replace(/^warning:.*\n/gm, '')}${status}`).toBe('0');
  return stdout;
}

const mean = (list: ArrayLike<number>) => Array.from(list).reduce((sum, v) => sum + v, 0) / list.length;

describe('a generated flight line', () => {
  it('becomes patches, models, a scene and a report', async () => {
    writeCube(join(work, 'line'), {
      lines: SIDE,
      samples: SIDE,
      bands: BANDS,
      value: truth,
      entries: { wavelength: braces(nm), 'wavelength units': 'Nanometers', 'map info': utm(4) },
    });
    await run('prepare', 'line.hdr', '--patch', '4', '--out', 'patches');
    const data = ['--data-dir', 'patches'];
    await run('train', 'stage1', ...data, '--model', 'ridge', '--output-dir', 'one', '--grid', '30m');
    const stage1 = ['--stage1', `one/${BEST}`];

    // stage 1, a patch at 30 m: the true spectra, averaged as Landsat averages
    const patches = (await openPatchSet([join(work, 'patches')])).files[0]!.path;
    await run('predict', ...stage1, patches, '--patch', '3', '--out', 'coarse');
    const set = await openPatchSet([join(work, 'patches')], { sides: { input: 'landsat_lr', target: 'aviris_lr' } });
    const reader = await openReader(set);
    const expected = (await reader.readPatch(3)).target;
    await reader.close();
    const coarse = await readEnvi(join(work, 'coarse.img'));
    expect([coarse.header.lines, coarse.header.samples]).toEqual([4, 4]);
    expect(coarse.data).toHaveLength(expected.length);
    // the penalty of 1e-6 of a feature's variance bends the weights by as much; reflectance goes to 0.6
    coarse.data.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-3);
    });

    // both stages: 15 fine pixels for two of Landsat's, on the patch's ground, as bright as the truth
    const small = ['--features', '4', '--groups', '1', '--blocks', '1', '--epochs', '1', '--image-every', '0'];
    await run('train', 'stage2', ...data, ...stage1, ...small, '--output-dir', 'two');
    const both = [...stage1, '--stage2', `two/${BEST}`];
    await run('predict', ...both, patches, '--patch', '3', '--out', 'fine');
    const fine = await readEnvi(join(work, 'fine.img'));
    expect([fine.header.lines, fine.header.samples, fine.header.bands]).toEqual([30, 30, expected.length / 16]);
    expect(Math.abs(mean(fine.data) / mean(expected) - 1)).toBeLessThan(0.02);
    const info = readFileSync(join(work, 'fine.hdr'), 'utf8');
    expect(
      /map info = \{UTM, 1(\.0+)?, 1(\.0+)?, (\d+(\.\d+)?), (\d+(\.\d+)?), 4(\.0+)?, 4(\.0+)?, 11, North/.test(info),
    ).toBe(true);

    await run('evaluate', ...both, ...data, '--out', 'report');
    expect(readFileSync(join(work, 'report/report.html'), 'utf8')).toContain('back-projections');
    expect(existsSync(join(work, 'report/metrics.json'))).toBe(true);
  });
});
