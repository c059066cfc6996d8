/** Cubes in GeoTIFF: where wavelengths come from, values beside GDAL, and EnMAP's products. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { type OpenOptions, openScene } from '../../src/scenes/open.js';
import { openLine } from '../../src/scenes/open_line.js';
import { describeGdal, gdalInfo, gdalValues, writeWithGdal } from '../support/gdal.js';
import { temporaryFolder } from '../support/temporary.js';
import { makeTiff, type TiffToMake } from '../support/tiff_bytes.mjs';

const folder = temporaryFolder();
const [HEIGHT, WIDTH, BANDS] = [6, 7, 9];
const CENTRES = [450.5, 550, 650.25, 850, 1000, 1600, 1400, 2200, 2300];
const stored = (y: number, x: number, b: number) => (y === 1 && x === 2 ? -32768 : 100 + y * 500 + x * 50 + b);
const item = (name: string, values: readonly (string | number)[], extra = '') =>
  values.map((v, b) => `<Item name="${name}" sample="${b}"${extra}>${v}</Item>`).join('');
const metadata = (items: string) => `<GDALMetadata>${items}</GDALMetadata>`;
const SCALES = item('SCALE', Array(BANDS).fill('0.0001'), ' role="scale"');

function write(name: string, items: string, change: Partial<TiffToMake> = {}): string {
  const path = join(folder, name);
  const tags = { 42113: [2, '-32768'], 42112: [2, metadata(items)] } as NonNullable<TiffToMake['tags']>;
  const shape = { width: WIDTH, height: HEIGHT, bands: BANDS, bits: 16, format: 2, compression: 8 };
  writeFileSync(path, makeTiff({ ...shape, tags, value: (y, x, b) => stored(y, x, b) & 0xffff, ...change }));
  return path;
}
const failure = (path: string, options?: OpenOptions) =>
  openScene(path, options).then(
    (scene) => scene.close().then(() => 'opened'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(BandliftError);
      return (error as Error).message;
    },
  );

describe('wavelengths of a GeoTIFF', () => {
  it.each([
    [
      'in the domain IMAGERY (micrometres)',
      item(
        'CENTRAL_WAVELENGTH_UM',
        CENTRES.map((nm) => nm / 1000),
        ' domain="IMAGERY"',
      ) +
        item(
          'FWHM_UM',
          CENTRES.map(() => 0.0085),
          ' domain="IMAGERY"',
        ),
      true,
    ],
    [
      'in items of the bands',
      item('wavelength', CENTRES) + item('wavelength_units', Array(BANDS).fill('Nanometers')),
      false,
    ],
    [
      'in descriptions',
      item(
        'DESCRIPTION',
        CENTRES.map((nm, b) => `band ${b + 1} (${nm} Nanometers)`),
        ' role="description"',
      ),
      false,
    ],
  ])('%s', async (title, items, hasWidths) => {
    for (const [i, change] of [{}, { tile: 16 }, { planar: true, rows: 2 }].entries()) {
      const scene = await openScene(write(`${title.length}_${i}.tif`, SCALES + items, change));
      expect(scene).toMatchObject({
        kind: 'GeoTIFF cube',
        bands: BANDS,
        height: HEIGHT,
        width: WIDTH,
        units: 'reflectance',
      });
      const order = [0, 1, 2, 3, 4, 6, 5, 7, 8];
      order.forEach((b, at) => {
        expect(scene.wavelength![at]).toBeCloseTo(CENTRES[b]!, 9);
      });
      expect(scene.fwhm === undefined).toBe(!hasWidths);
      if (hasWidths) expect(scene.fwhm![3]).toBeCloseTo(8.5, 9);
      const { values, valid } = await scene.read({ y: 1, x: 1, height: 3, width: 4 });
      for (let p = 0; p < 12; p++) {
        const [y, x] = [1 + Math.floor(p / 4), 1 + (p % 4)];
        const empty = y === 1 && x === 2;
        expect(valid[p]).toBe(empty ? 0 : 1);
        expect([...values.subarray(p * BANDS, (p + 1) * BANDS)]).toEqual(
          order.map((b) => (empty ? 0 : Math.fround(stored(y, x, b) * 0.0001))),
        );
      }
      await scene.close();
    }
  });

  it('from a table; and without any it is no cube', async () => {
    const path = write('bare.tif', SCALES);
    expect(await failure(path)).toMatch(
      /bare\.tif: has the wrong number of bands; found 9, expected 7; .*of a cube without wavelengths in the file give --wavelengths FILE/,
    );
    const bandCentres = { wavelength: Float64Array.from(CENTRES), fwhm: new Float64Array(BANDS).fill(9) };
    const scene = await openScene(path, { bandCentres });
    expect([...scene.fwhm!]).toEqual(Array(BANDS).fill(9));
    await scene.close();
    const kept = await openLine(path, { bandCentres, bands: 'kept' });
    // 1400 nm lies in water vapour
    expect([...kept.wavelength!]).toEqual([450.5, 550, 650.25, 850, 1000, 1600, 2200, 2300]);
    await kept.close();
    expect(await failure(path, { bandCentres: { wavelength: Float64Array.of(500) } })).toMatch(
      /--wavelengths: the table of wavelengths has another number of bands; found 1 rows in the table, expected 9/,
    );
    expect(await failure(write('no_scale.tif', item('wavelength', CENTRES)))).toMatch(
      /holds integers, and does not say/,
    );
    const bare = await openLine(path);
    expect(bare.warnings.join()).toMatch(/bare\.tif: the file has no wavelengths \(--wavelengths FILE/);
    await bare.close();
  });

  it('say which of seven bands is which, in any order', async () => {
    const oli = [443, 482, 561, 655, 865, 1609, 2201];
    const swapped = [2201, 1609, 865, 655, 561, 482, 443];
    const items = (centres: readonly number[]) =>
      item('wavelength', centres) + item('wavelength_units', Array(7).fill('Nanometers')) + SCALES;
    for (const centres of [oli, swapped]) {
      const scene = await openScene(write('seven.tif', items(centres), { bands: 7 }));
      expect([...scene.wavelength!]).toEqual(oli);
      const { values } = await scene.read({ y: 2, x: 3, height: 1, width: 1 });
      expect([...values]).toEqual(oli.map((nm) => Math.fround(stored(2, 3, centres.indexOf(nm)) * 0.0001)));
      await scene.close();
    }
  });
});

const STEM = 'ENMAP01-____L2A-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z';
const bandId = (nm: number, b: number) =>
  `<bandID number="${b + 1}"><wavelengthCenterOfBand>${nm}</wavelengthCenterOfBand><FWHMOfBand>${6.5 + b / 4}</FWHMOfBand>` +
  `<GainOfBand>0.0001</GainOfBand><OffsetOfBand>0</OffsetOfBand></bandID>`;
const enmapXml = (centres: readonly number[]) =>
  `<level_X><specific><backgroundValue>-32768</backgroundValue><bandCharacterisation>${centres.map(bandId).join('\n')}</bandCharacterisation></specific></level_X>`;

describeGdal('an imitation of EnMAP L2A, as GDAL wrote it', () => {
  const at = join(folder, 'enmap');
  mkdirSync(at);
  const [image, table] = [join(at, `${STEM}-SPECTRAL_IMAGE.TIF`), join(at, `${STEM}-METADATA.XML`)];

  it('values, wavelengths and place are those of GDAL and of the metadata', async () => {
    const values = Array.from({ length: HEIGHT * WIDTH * BANDS }, (_, i) =>
      stored(Math.floor(i / (WIDTH * BANDS)), Math.floor(i / BANDS) % WIDTH, i % BANDS),
    );
    writeWithGdal(image, { type: 'Int16', height: HEIGHT, width: WIDTH, bands: BANDS, values }, [
      ...['-a_srs', 'EPSG:32633', '-a_ullr', '360015', '5820015', `${360015 + 30 * WIDTH}`, `${5820015 - 30 * HEIGHT}`],
      ...['-a_nodata', '-32768', '-co', 'COMPRESS=DEFLATE', '-co', 'TILED=YES', '-co', 'INTERLEAVE=BAND'],
    ]);
    writeFileSync(table, enmapXml(CENTRES));
    for (const path of [at, image, table]) {
      const scene = await openScene(path);
      expect(scene).toMatchObject({
        kind: 'EnMAP L2A',
        name: STEM,
        units: 'reflectance',
        sensor: 'EnMAP',
        warnings: [],
      });
      expect([...scene.wavelength!]).toEqual([...CENTRES].sort((a, b) => a - b));
      // the band at 1400 nm is the seventh
      expect([...scene.fwhm!]).toEqual([0, 1, 2, 3, 4, 6, 5, 7, 8].map((b) => 6.5 + b / 4));
      expect(scene.georeference!.geotransform).toEqual(gdalInfo(image).geoTransform);
      expect(scene.georeference!.crsWkt).toContain('UTM zone 33N');
      const read = await scene.read({ y: 3, x: 4, height: 1, width: 1 });
      const theirs = gdalValues(image, 4, 3, 'pixel');
      [0, 1, 2, 3, 4, 6, 5, 7, 8].forEach((b, k) => {
        expect(read.values[k]).toBe(Math.fround(theirs[b]! * 0.0001));
      });
      await scene.close();
    }
  });

  it('says what does not fit', async () => {
    writeFileSync(table, enmapXml(CENTRES.slice(1)));
    expect(await failure(image)).toMatch(
      /METADATA\.XML: bandCharacterisation: does not fit the image; found 8 bands, expected 9/,
    );
    writeFileSync(table, enmapXml(CENTRES).replace('<GainOfBand>0.0001', '<GainOfBand>x'));
    expect(await failure(at)).toMatch(/METADATA\.XML: band 1, GainOfBand: not a number; found x/);
    writeFileSync(table, 'hello');
    expect(await failure(at)).toMatch(/is not the metadata of an EnMAP product/);
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    writeFileSync(join(alone, `${STEM}-METADATA.XML`), enmapXml(CENTRES));
    expect(await failure(alone)).toMatch(/-SPECTRAL_IMAGE\.TIF: is missing/);
  });
});
