/** A Landsat product written with GDAL goes in; GDAL finds every value of the prediction at the right place on the ground. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { saveModel } from '../../src/checkpoint/checkpoint.js';
import { bandlift } from '../support/cli.js';
import { describeGdal, gdalInfo, gdalValues } from '../support/gdal.js';
import { BORDER, type LandsatProduct, QA_CLOUDY, writeLandsatProduct } from '../support/landsat.js';
import { temporaryFolder } from '../support/temporary.js';

describeGdal('predict on a Landsat product', () => {
  const folder = temporaryFolder();
  let product: LandsatProduct;
  const reflectance = (band: number, y: number, x: number) => product.dn(band, y, x) * 2.75e-5 - 0.2;

  beforeAll(async () => {
    product = writeLandsatProduct(join(folder, 'scene'));
    // stage 1 that hands its bands through, so that the numbers are known: band b of the result is band b of Landsat
    const weight = Float32Array.from({ length: 49 }, (_, i) => (i % 8 === 0 ? 1 : 0));
    const values = new Map([
      ['regression.weight', weight],
      ['regression.bias', new Float32Array(7)],
    ]);
    await saveModel(join(folder, 'same.safetensors'), { kind: 'ridge', inBands: 7, outBands: 7 }, values);
  });

  const predict = (...args: string[]) => {
    const result = bandlift(
      ['predict', 'scene', '--stage1', 'same.safetensors', '--stage1-stats', 'none', ...args],
      folder,
    );
    // of a region it is told how far from its edges it differs from the whole scene
    const told = args.includes('--roi-map') ? [expect.stringMatching(/^warning: the region .* up to 2 pixels/)] : [];
    expect([result.status, result.stderr.split('\n').filter((line) => line !== '')]).toEqual([0, told]);
  };

  it('stage 1: values at pixel centres; fill and clouds are nodata', () => {
    predict('--out', 'one', '--tile', '32');
    const [x0, , , y0] = product.geotransform;
    const out = join(folder, 'one.img');
    const info = gdalInfo(out);
    expect(info.size).toEqual([product.width, product.height]);
    // GDAL prints -0 for 0
    expect(info.geoTransform!.map((v) => v + 0)).toEqual([...product.geotransform]);
    expect(info.coordinateSystem!.wkt).toMatch(/UTM zone 11N/i);
    for (const [y, x] of [
      [BORDER, BORDER],
      [31, 33],
      [32, 70],
      [66, 86],
      [2, 40],
      [40, 18],
    ] as const) {
      const cloudy = QA_CLOUDY[Math.floor(x / 8) % QA_CLOUDY.length] || product.dn(1, y, x) === 0;
      const values = gdalValues(out, x0 + 30 * (x + 0.5), y0 - 30 * (y + 0.5));
      for (let b = 0; b < 7; b++)
        // float32 of numbers up to 1
        expect(values[b]).toBeCloseTo(cloudy ? -9999 : reflectance(b + 1, y, x), 6);
    }
  });

  it('both stages, a region in map coordinates: the bicubic of the scene on the 4 m grid', () => {
    const [x0, , , y0] = product.geotransform;
    // columns 11 to 40, rows 21 to 45; fractions of a pixel are rounded outward
    const region = [x0 + 11.2 * 30, y0 - 45.9 * 30, x0 + 40.5 * 30, y0 - 21.1 * 30].join(',');
    const out = join(folder, 'two.img');
    const plain = ['--stage2', 'bicubic', '--back-projections', '0'];
    predict(...plain, '--clouds', 'keep', '--roi-map', region, '--tile', '7', '--out', 'two');
    const info = gdalInfo(out);
    expect(info.size).toEqual([225, 187]);
    expect(info.geoTransform!.map((v) => v + 0)).toEqual([x0 + 330, 4, 0, y0 - 630, 0, -4]);
    // cubic convolution with a = -0.75 (Keys 1981)
    const kernel = (t: number) => {
      const d = Math.abs(t);
      if (d <= 1) return 1.25 * d ** 3 - 2.25 * d ** 2 + 1;
      return d < 2 ? -0.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
    };
    for (const [east, south] of [
      [520, 871],
      [700, 1000],
      [1122, 1250],
    ] as const) {
      // the centre of the 4 m pixel that holds this place, in columns and rows of the 30 m grid
      const [column, row] = [
        (Math.floor((east - 330) / 4) * 4 + 332) / 30,
        (Math.floor((south - 630) / 4) * 4 + 632) / 30,
      ];
      const values = gdalValues(out, x0 + east, y0 - south);
      for (let b = 0; b < 7; b++) {
        let expected = 0;
        for (let y = Math.floor(row) - 3; y < row + 3; y++)
          for (let x = Math.floor(column) - 3; x < column + 3; x++)
            expected += kernel(row - y - 0.5) * kernel(column - x - 0.5) * reflectance(b + 1, y, x);
        expect(values[b]).toBeCloseTo(expected, 5);
      }
    }
  });
});
