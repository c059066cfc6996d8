/** Landsat products written with GDAL: reflectances, validity and places on the ground. */
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pixelToMap } from '../../src/raster/geo.js';
import { openLandsatScene } from '../../src/scenes/landsat.js';
import type { Scene } from '../../src/scenes/types.js';
import { describeGdal, gdalInfo, gdalValues, writeWithGdal } from '../support/gdal.js';
import { BORDER, type LandsatProduct, QA_CLOUDY, QA_VALUES, writeLandsatProduct } from '../support/landsat.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const show = (error: unknown) => (error as Error).message;
const opening = (path: string | string[]) => openLandsatScene(path).then(() => 'opened', show);

/** Every value of a window beside the formula of the product: DN * 2.75e-5 - 0.2 where neither fill nor (masked) cloud. */
async function expectWindow(
  scene: Scene,
  product: LandsatProduct,
  y0: number,
  x0: number,
  h: number,
  w: number,
  clouds: boolean,
) {
  const { values, valid } = await scene.read({ y: y0, x: x0, height: h, width: w });
  expect([values.length, valid.length]).toEqual([h * w * 7, h * w]);
  for (let p = 0; p < h * w; p++) {
    const [y, x] = [y0 + Math.floor(p / w), x0 + (p % w)];
    const cloudy = QA_CLOUDY[QA_VALUES.indexOf(product.quality(y, x) as (typeof QA_VALUES)[number])] ?? false;
    const isValid = product.dn(1, y, x) !== 0 && !(clouds && cloudy);
    if (valid[p] !== (isValid ? 1 : 0)) throw new Error(`validity of ${y}, ${x}: ${valid[p]}`);
    for (let b = 0; b < 7; b++) {
      const expected = isValid ? Math.fround(product.dn(b + 1, y, x) * 2.75e-5 - 0.2) : 0;
      if (values[p * 7 + b] !== expected)
        throw new Error(`${y}, ${x}, ${b}: ${values[p * 7 + b]}, expected ${expected}`);
    }
  }
}

const creations = {
  'tiled deflate': undefined,
  'striped LZW': ['COMPRESS=LZW', 'PREDICTOR=2', 'BLOCKYSIZE=16'],
  'one uncompressed strip': ['BLOCKYSIZE=300'],
  'zstd tiles, big endian BigTIFF': [
    'COMPRESS=ZSTD',
    'TILED=YES',
    'BLOCKXSIZE=64',
    'BLOCKYSIZE=128',
    'ENDIANNESS=BIG',
    'BIGTIFF=YES',
  ],
};

describeGdal('Landsat products', () => {
  it.each(Object.entries(creations))('%s', async (name, creation) => {
    // larger than a tile in both directions, so that windows cross blocks
    const product = writeLandsatProduct(join(folder, name.replaceAll(/\W/g, '_')), {
      height: 300,
      width: 330,
      ...(creation ? { creation } : {}),
    });
    const scene = await openLandsatScene(product.folder);
    expect(scene).toMatchObject({ height: 300, width: 330, bands: 7, name: product.id, sensor: 'Landsat 8 OLI' });
    expect(scene).toMatchObject({ units: 'reflectance', warnings: [] });
    await expectWindow(scene, product, 0, 0, 300, 330, true);
    await expectWindow(scene, product, 250, 249, 17, 20, true);
    await expectWindow(scene, product, 299, 329, 1, 1, true);
    await scene.close();
  });

  it('lies where GDAL says, though the file gives pixel centres', async () => {
    const product = writeLandsatProduct(join(folder, 'ground'));
    const scene = await openLandsatScene(join(product.folder, `${product.id}_SR_B4.TIF`), { clouds: 'keep' });
    expect(gdalInfo(scene.path)).toMatchObject({
      geoTransform: product.geotransform,
      metadata: { '': { AREA_OR_POINT: 'Point' } },
    });
    expect(scene.georeference!.geotransform).toEqual(product.geotransform);
    const { values } = await scene.read({ y: 0, x: 0, height: product.height, width: product.width });
    for (const [row, column] of [
      [BORDER, BORDER],
      [17, 50],
      [66, 86],
    ] as const) {
      const [x, y] = pixelToMap(scene.georeference!.geotransform, column + 0.5, row + 0.5);
      for (let band = 1; band <= 7; band++) {
        const [dn] = gdalValues(join(product.folder, `${product.id}_SR_B${band}.TIF`), x, y);
        expect(dn).toBe(product.dn(band, row, column));
        // float32 of a number below 1
        expect(values[(row * product.width + column) * 7 + band - 1]).toBeCloseTo(dn! * 2.75e-5 - 0.2, 6);
      }
    }
    await scene.close();
  });

  it('keeps clouds on demand, never fill', async () => {
    const product = writeLandsatProduct(join(folder, 'clouds'), { metadata: 'txt' });
    const scene = await openLandsatScene(product.folder, { clouds: 'keep' });
    await expectWindow(scene, product, 0, 0, product.height, product.width, false);
    await scene.close();
  });

  it.each(['json', 'txt', 'xml'] as const)('takes the factors of level 2 from _MTL.%s', async (metadata) => {
    const product = writeLandsatProduct(join(folder, `mtl_${metadata}`), { metadata });
    const path = join(product.folder, `${product.id}_MTL.${metadata}`);
    const scene = await openLandsatScene(path);
    await expectWindow(scene, product, 10, 10, 5, 5, true);
    expect(scene.warnings).toEqual([]);
    await scene.close();
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('2.75e-05', '3e-05'));
    const other = await openLandsatScene(product.folder, { clouds: 'keep' });
    expect(other.warnings[0]).toMatch(/scales reflectance by 0.00003 and -0.2, not the usual/);
    const { values } = await other.read({ y: 20, x: 20, height: 1, width: 1 });
    expect(values[6]).toBe(Math.fround(product.dn(7, 20, 20) * 3e-5 - 0.2));
    await other.close();
  });

  it('is not confused by thermal and other bands, nor by two products', async () => {
    const at = join(folder, 'more');
    const product = writeLandsatProduct(at, { metadata: 'none' });
    for (const name of ['ST_B10.TIF', 'SR_B10.TIF', 'SR_QA_AEROSOL.TIF', 'QA_RADSAT.TIF', 'SR_B1.TIF.aux.xml'])
      copyFileSync(join(at, `${product.id}_SR_B1.TIF`), join(at, `${product.id}_${name}`));
    const scene = await openLandsatScene(at);
    expect(scene.bands).toBe(7);
    expect(scene.warnings).toEqual([]);
    await scene.close();
    const second = writeLandsatProduct(at, { id: 'LC09_L2SP_042036_20220624_20220627_02_T1' });
    expect(await opening(at)).toMatch(
      /more than one Landsat product; found LC08_.*, LC09_.*give one file of it, for instance/,
    );
    const one = await openLandsatScene(join(at, `${second.id}_QA_PIXEL.TIF`)).catch(show);
    // its metadata says Landsat 8
    expect(one).toMatch(/SPACECRAFT_ID: .*found LANDSAT_8, expected LANDSAT_9/);
    rmSync(join(at, `${second.id}_MTL.json`));
    const list = Array.from({ length: 7 }, (_, b) => join(at, `${second.id}_SR_B${b + 1}.TIF`));
    const listed = await openLandsatScene(list);
    expect(listed.sensor).toBe('Landsat 9 OLI-2');
    expect(listed.warnings[0]).toMatch(/QA_PIXEL.TIF is missing: fill is left out, clouds .* are not/);
    await listed.close();
  });

  it('without the quality band only fill is left out', async () => {
    const product = writeLandsatProduct(join(folder, 'no_qa'), { without: ['QA_PIXEL.TIF'] });
    const scene = await openLandsatScene(product.folder);
    expect(scene.warnings).toHaveLength(1);
    await expectWindow(scene, product, 0, 0, product.height, product.width, false);
    await scene.close();
  });

  it('names the band that is missing or does not fit', async () => {
    const lacking = writeLandsatProduct(join(folder, 'lacking'), { without: ['SR_B3.TIF'] });
    expect(await opening(lacking.folder)).toMatch(
      /_SR_B3\.TIF: a band is missing; found SR_B1\.TIF, SR_B2\.TIF, SR_B4/,
    );
    const mixed = writeLandsatProduct(join(folder, 'mixed'));
    const other = writeLandsatProduct(join(folder, 'other'), { srs: 'EPSG:32612', metadata: 'none' });
    const b5 = (product: LandsatProduct) => join(product.folder, `${product.id}_SR_B5.TIF`);
    copyFileSync(b5(other), b5(mixed));
    expect(await opening(mixed.folder)).toMatch(
      /_SR_B5\.TIF: coordinate system: does not fit the other bands; found EPSG:32612, expected EPSG:32611 as in .*_SR_B1\.TIF/,
    );
    const shifted = writeLandsatProduct(join(folder, 'shifted'), { corner: [263415, 3810315] });
    copyFileSync(b5(shifted), b5(mixed));
    expect(await opening(mixed.folder)).toMatch(
      /_SR_B5\.TIF: geotransform: .*found 263415, 30, .*expected 263385, 30,/,
    );
    const wide = writeLandsatProduct(join(folder, 'wide'), { width: 91 });
    copyFileSync(b5(wide), b5(mixed));
    expect(await opening(mixed.folder)).toMatch(/_SR_B5\.TIF: size: .*found 70 x 91 pixels, expected 70 x 90 pixels/);
    copyFileSync(b5(lacking), b5(mixed));
    copyFileSync(join(wide.folder, `${wide.id}_QA_PIXEL.TIF`), join(mixed.folder, `${mixed.id}_QA_PIXEL.TIF`));
    expect(await opening(mixed.folder)).toMatch(/_QA_PIXEL\.TIF: size: .*found 70 x 91/);
    writeWithGdal(b5(mixed), { type: 'Float32', height: 70, width: 90, bands: 1, values: new Float32Array(6300) });
    expect(await opening(mixed.folder)).toMatch(
      /_SR_B5\.TIF: is not a band.*found 1 band of float32, expected 1 band of uint16/,
    );
  });

  it('says what else was given', async () => {
    const at = join(folder, 'else');
    writeLandsatProduct(at, { metadata: 'none', id: 'LT05_L2SP_042036_19940624_20200827_02_T1' });
    expect(await opening(at)).toMatch(/is not of Landsat 8 or 9; found Landsat 5/);
    const empty = join(folder, 'level1');
    writeLandsatProduct(empty, { metadata: 'none', without: ['SR_B2.TIF', 'SR_B3.TIF'] });
    for (const name of readdirSync(empty)) renameSync(join(empty, name), join(empty, name.replace('_SR_B', '_B')));
    expect(await opening(empty)).toMatch(
      /_B2\.TIF: bands are missing; found B1\.TIF, B4\.TIF.*expected B1\.TIF to B7\.TIF/,
    );
    expect(await opening(join(empty, 'nothing'))).toMatch(/nothing: no such file or folder/);
  });
});
