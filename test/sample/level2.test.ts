/** What a newcomer does next: the model that was trained on the sample meets a Landsat Collection-2 level-2 product. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEnvi } from '../../src/raster/envi.js';
import { generateSample } from '../../src/sample/sample.js';
import { openLandsatScene } from '../../src/scenes/landsat.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { describeGdal } from '../support/gdal.js';
import { writeLandsatProduct } from '../support/landsat.js';
import { describeShared } from '../support/shared.js';

const work = temporaryFolder();
const SMALL = ['--hidden', '8', '--blocks', '0', '--epochs', '1', '--image-every', '0'];

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await bandliftHere(args, work);
  if (status !== 0) throw new Error(stderr);
  return stdout + stderr;
}

beforeAll(async () => {
  await generateSample({ out: join(work, 'small'), seed: 4, patchSize: 12, patches: 12, lines: 3 });
  const data = ['--data-dir', 'small/patches'];
  await run('train', 'stage1', ...data, ...SMALL, '--output-dir', 'network');
  await run('train', 'stage1', ...data, '--model', 'ridge', '--output-dir', 'ridge');
}, 120_000);

/**
 * Predicts a product and passes the spectra through OLI's responses: a regression on the bands of those very spectra gives
 * the input back, which no mistake in units, order of bands or scale would.
 * @returns the largest and the usual difference from the product's reflectance, over its valid pixels
 */
async function closure(model: string, product: string, out: string) {
  const text = await run('predict', '--stage1', `${model}/checkpoints/best.safetensors`, product, '--out', out);
  const { header, data } = await readEnvi(join(work, `${out}.img`));
  const scene = await openLandsatScene(product);
  const { values, valid } = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
  await scene.close();
  const weights = bandWeights(LANDSAT8_OLI, header.wavelength!, header.fwhm!);
  const differences: number[] = [];
  for (let p = 0; p < valid.length; p++) {
    if (!valid[p]) continue;
    const spectrum = data.subarray(p * header.bands, (p + 1) * header.bands);
    weights.forEach((row, k) => {
      const seen = row.reduce((sum, w, b) => sum + (w === 0 ? 0 : w * spectrum[b]!), 0);
      differences.push(Math.abs(seen - values[p * 7 + k]!));
    });
  }
  differences.sort((a, b) => a - b);
  return {
    text,
    header,
    pixels: differences.length / 7,
    median: differences[differences.length >> 1]!,
    most: differences.at(-1)!,
  };
}

describeShared('a real level-2 product', 'data/landsat_c2', (folder) => {
  const product = join(folder, 'LC08_L2SP_098084_20210503_20210508_02_T1');

  it('is predicted by the default network and by ridge, whose spectra give its reflectance back', async () => {
    const network = await closure('network', product, 'real_network');
    expect([network.header.lines, network.header.samples, network.header.bands]).toEqual([60, 60, 340]);
    expect(network.header.other!['data units']).toBe('reflectance');
    // pixels without fill and with bits 0 to 4 of QA_PIXEL unset, counted by NumPy
    expect(network.pixels).toBe(198);
    expect(network.median).toBeLessThan(0.02);
    const ridge = await closure('ridge', product, 'real_ridge');
    // ridge closes up to OLI's noise in training, some 0.1 to 0.5 % of bright ground, enlarged in directions that the
    // sample hardly holds
    expect(ridge.median).toBeLessThan(0.005);
    expect(ridge.most).toBeLessThan(0.1);
  });
});

describeGdal('a level-2 product that GDAL wrote', () => {
  it('is predicted, and its reflectance comes back', async () => {
    const product = writeLandsatProduct(join(work, 'product'));
    const ridge = await closure('ridge', product.folder, 'gdal_ridge');
    expect([ridge.header.lines, ridge.header.samples, ridge.header.bands]).toEqual([
      product.height,
      product.width,
      340,
    ]);
    expect(ridge.text).not.toMatch(/units/);
    expect(ridge.median).toBeLessThan(0.01);
  });
});

describe('a sample in radiance', () => {
  it('says so in its files, and training on it says what such a model cannot read, old samples included', async () => {
    await run('sample', '--units', 'radiance', '--patch-size', '12', '--patches', '6', '--no-fine');
    const marker = join(work, 'sample', 'sample.json');
    const saved = JSON.parse(readFileSync(marker, 'utf8'));
    expect(saved.units).toBe('radiance');
    const { header } = await readEnvi(join(work, 'sample/cubes/line_1.hdr'));
    expect(header.other!['data units']).toBe('uW cm-2 sr-1 nm-1');
    // version 0.1.0 wrote no units, and only radiance
    const { units: _, ...old } = saved;
    writeFileSync(marker, JSON.stringify(old));
    const text = await run('train', 'stage1', '--model', 'ridge', '--output-dir', 'of_radiance');
    expect(text).toMatch(/the sample is in radiance: a model of it cannot read Landsat level-2 scenes/);
  });
});
