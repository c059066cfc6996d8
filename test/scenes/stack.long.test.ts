/** Stacked GeoTIFFs written with GDAL in every layout, and their places on the ground beside GDAL's own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pixelToMap } from '../../src/raster/geo.js';
import { openStackScene, type StackOptions } from '../../src/scenes/stack_scene.js';
import { describeGdal, gdal, gdalInfo, gdalValues, type RasterToWrite, writeWithGdal } from '../support/gdal.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const HEIGHT = 75;
const WIDTH = 101;
const BANDS = 7;
const PLACE = ['-a_srs', 'EPSG:32733', '-a_ullr', '412000', '7005000', '415030', '7002750'];
const show = (error: unknown) => (error as Error).message;

/** Reflectances that use all bits of the mantissa, or integers over the whole range. */
const float = (i: number) => Math.fround(Math.abs(Math.sin(i * 12.9898)));
const integer = (i: number) => (i * 7919) % 65536;

function raster(type: RasterToWrite['type']): RasterToWrite {
  const value = {
    Float32: float,
    UInt16: integer,
    // -9999 without a tag means no data
    Int16: (i: number) => Math.max(integer(i) - 32768, -9998),
    Byte: (i: number) => i % 256,
  };
  const values = Array.from({ length: HEIGHT * WIDTH * BANDS }, (_, i) => value[type](i));
  return { type, height: HEIGHT, width: WIDTH, bands: BANDS, values };
}

const compressions = ['NONE', 'DEFLATE', 'LZW', 'ZSTD', 'PACKBITS'];
const layouts = compressions.flatMap((compress) =>
  ['PIXEL', 'BAND'].flatMap((interleave) =>
    [
      ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=16'],
      ['BLOCKYSIZE=13'],
      ['BLOCKYSIZE=13', 'ENDIANNESS=BIG', 'BIGTIFF=YES'],
    ].flatMap((blocks) => {
      // 3 in big endian is refused: see below
      const usable = blocks.includes('ENDIANNESS=BIG') ? [1, 2] : [1, 2, 3];
      const predictors = ['DEFLATE', 'LZW', 'ZSTD'].includes(compress) ? usable : [1];
      return predictors.map((predictor) => ({
        name: `${compress} ${interleave} ${blocks.join(' ')} predictor ${predictor}`,
        compress,
        predictor,
        options: [`COMPRESS=${compress}`, `INTERLEAVE=${interleave}`, ...blocks].concat(
          predictor === 1 ? [] : [`PREDICTOR=${predictor}`],
        ),
      }));
    }),
  ),
);

const openStack = async (path: string, options: StackOptions = {}) => openStackScene(path, options);
const creation = (options: readonly string[]) => options.flatMap((option) => ['-co', option]);

describeGdal('stacked GeoTIFFs', () => {
  it.each(layouts)('$name', async ({ name, compress, predictor, options }) => {
    const types: RasterToWrite['type'][] = ['Float32'];
    if (predictor !== 3) types.push('UInt16');
    if (predictor !== 3 && compress === 'DEFLATE') types.push('Int16', 'Byte');
    for (const type of types) {
      const path = join(folder, `${name}_${type}.tif`.replaceAll(/[ =]/g, '_'));
      const written = raster(type);
      writeWithGdal(path, written, [...PLACE, ...creation(options)]);
      const scene = await openStack(path, type === 'Float32' ? {} : { scale: 0.5, offset: -3 });
      expect(scene).toMatchObject({ height: HEIGHT, width: WIDTH, bands: BANDS, warnings: [] });
      for (const [y0, x0, h, w] of [
        [0, 0, HEIGHT, WIDTH],
        [14, 31, 20, 34],
      ] as const) {
        const { values, valid } = await scene.read({ y: y0, x: x0, height: h, width: w });
        expect(valid.every((v) => v === 1)).toBe(true);
        const expected = new Float32Array(h * w * BANDS);
        for (let i = 0; i < expected.length; i++) {
          const [p, b] = [Math.floor(i / BANDS), i % BANDS];
          const stored = written.values[((y0 + Math.floor(p / w)) * WIDTH + x0 + (p % w)) * BANDS + b]!;
          expected[i] = type === 'Float32' ? stored : stored * 0.5 - 3;
        }
        expect(Buffer.from(values.buffer).equals(Buffer.from(expected.buffer)), `${type} ${y0}`).toBe(true);
      }
      await scene.close();
    }
  });

  it.each([
    ['EPSG:32611', 'upper left corner'],
    ['EPSG:32756', 'upper left corner'],
    ['EPSG:3031', 'upper left corner'],
    ['EPSG:3413', 'upper left corner'],
    ['EPSG:26917', 'upper left corner'],
    ['EPSG:25832', 'upper left corner'],
    ['EPSG:4326', 'degrees'],
  ])('%s: same coordinate system and pixels as GDAL, corners and centres', async (srs, kind) => {
    for (const point of [false, true]) {
      const path = join(folder, `${srs.replace(':', '_')}_${point}.tif`);
      const ullr = kind === 'degrees' ? ['-117.5', '34.25', '-117.2475', '34.0625'] : PLACE.slice(3);
      writeWithGdal(path, raster('Float32'), [
        ...['-a_srs', srs, '-a_ullr', ...ullr],
        ...(point ? ['-mo', 'AREA_OR_POINT=Point'] : []),
      ]);
      const scene = await openStack(path);
      const info = gdalInfo(path);
      expect(info.metadata['']!.AREA_OR_POINT).toBe(point ? 'Point' : 'Area');
      scene.georeference!.geotransform.forEach((value, i) => {
        // half a pixel is added and taken away again
        expect(Math.abs(value - info.geoTransform![i]!)).toBeLessThanOrEqual(1e-9 * Math.abs(info.geoTransform![0]!));
      });
      // the same elements in the same order, but for white space
      const compact = (wkt: string) => wkt.replaceAll(/\s*\n\s*/g, '');
      const theirs = gdal('gdalinfo', ['-wkt_format', 'WKT1_GDAL', path]);
      expect(compact(theirs)).toContain(scene.georeference!.crsWkt);
      const [x, y] = pixelToMap(scene.georeference!.geotransform, 40.5, 30.5);
      const { values } = await scene.read({ y: 30, x: 40, height: 1, width: 1 });
      // printed with 15 or more digits
      expect(gdalValues(path, x, y).map(Math.fround)).toEqual([...values]);
      await scene.close();
    }
  });

  it('a turned grid (ModelTransformation)', async () => {
    const path = join(folder, 'turned.tif');
    const written = raster('Float32');
    writeWithGdal(`${path}.plain.tif`, written, PLACE);
    // 30 m pixels turned by 25 degrees
    const [c, s] = [30 * Math.cos((25 * Math.PI) / 180), 30 * Math.sin((25 * Math.PI) / 180)];
    const vrt = readFileSync(`${path}.plain.tif.vrt`, 'utf8');
    const place = `<SRS>EPSG:32733</SRS><GeoTransform>412000, ${c}, ${s}, 7005000, ${s}, ${-c}</GeoTransform>`;
    writeFileSync(`${path}.vrt`, vrt.replace(/(<VRTDataset[^>]*>)/, `$1${place}`));
    gdal('gdal_translate', ['-q', '-of', 'GTiff', `${path}.vrt`, path]);
    const scene = await openStack(path);
    expect(gdalInfo(path).geoTransform).toEqual([...scene.georeference!.geotransform]);
    const [x, y] = pixelToMap(scene.georeference!.geotransform, 77.5, 12.5);
    const { values } = await scene.read({ y: 12, x: 77, height: 1, width: 1 });
    expect(gdalValues(path, x, y).map(Math.fround)).toEqual([...values]);
    await scene.close();
  });

  it('nodata, NaN and the scale and offset that GDAL keeps', async () => {
    const path = join(folder, 'nodata.tif');
    const values = Float32Array.from({ length: 6 * BANDS }, (_, i) => 0.1 + i / 100);
    values[1 * BANDS + 3] = -9999.9;
    values[2 * BANDS] = Number.NaN;
    writeWithGdal(path, { type: 'Float32', height: 2, width: 3, bands: BANDS, values }, ['-a_nodata', '-9999.9']);
    const scene = await openStack(path);
    expect(scene.warnings).toEqual(['the file does not say where on the ground it lies']);
    const pixels = await scene.read({ y: 0, x: 0, height: 2, width: 3 });
    expect([...pixels.valid]).toEqual([1, 0, 0, 1, 1, 1]);
    expect([...pixels.values.subarray(BANDS, 3 * BANDS)]).toEqual(Array(2 * BANDS).fill(0));
    expect(pixels.values[0]).toBe(Math.fround(0.1));
    await scene.close();

    const scaled = join(folder, 'scaled.tif');
    const stored = Array.from({ length: 6 * BANDS }, (_, i) => 100 * i);
    writeWithGdal(scaled, { type: 'UInt16', height: 2, width: 3, bands: BANDS, values: stored }, [
      ...['-a_scale', '0.0001', '-a_offset', '-0.1'],
    ]);
    const other = await openStack(scaled);
    const all = await other.read({ y: 0, x: 0, height: 2, width: 3 });
    expect([...all.values]).toEqual(stored.map((v) => Math.fround(v * 0.0001 - 0.1)));
    await other.close();
  });

  it('sparse files: blocks that are not stored hold nodata', async () => {
    const path = join(folder, 'sparse.tif');
    const zero = { ...raster('UInt16'), values: new Uint16Array(HEIGHT * WIDTH * BANDS) };
    const sparse = ['-co', 'SPARSE_OK=TRUE', '-co', 'TILED=YES', '-co', 'BLOCKXSIZE=32', '-co', 'BLOCKYSIZE=32'];
    writeWithGdal(path, zero, [...PLACE, '-a_nodata', '0', ...sparse]);
    const scene = await openStack(path, { scale: 1 });
    const { valid } = await scene.read({ y: 0, x: 0, height: HEIGHT, width: WIDTH });
    expect(valid.some((v) => v === 1)).toBe(false);
    await scene.close();
  });

  it('says what is missing: scale of integers, bands, and what to do', async () => {
    const path = join(folder, 'integers.tif');
    writeWithGdal(path, raster('UInt16'), PLACE);
    expect(await openStack(path).catch(show)).toMatch(
      /integers.tif: holds integers.*found uint16; give --input-scale and --input-offset/,
    );
    const one = join(folder, 'one.tif');
    writeWithGdal(one, { type: 'Float32', height: 2, width: 2, bands: 1, values: [1, 2, 3, 4] }, PLACE);
    expect(await openStack(one).catch(show)).toMatch(
      /one.tif: has the wrong number of bands; found 1, expected 7; of a Landsat/,
    );
    const jpeg = join(folder, 'jpeg.tif');
    const gray = { type: 'Byte', height: 2, width: 2, bands: 1, values: [1, 2, 3, 4] } as const;
    writeWithGdal(jpeg, gray, [...PLACE, '-co', 'COMPRESS=JPEG']);
    expect(await openStack(jpeg).catch(show)).toMatch(
      /jpeg.tif: compression: cannot be read; found 7.*gdal_translate -co/,
    );
    const swapped = join(folder, 'swapped.tif');
    writeWithGdal(swapped, raster('Float32'), [
      ...PLACE,
      ...creation(['COMPRESS=LZW', 'PREDICTOR=3', 'ENDIANNESS=BIG']),
    ]);
    expect(await openStack(swapped).catch(show)).toMatch(/swapped.tif: predictor: .*found 3 in a big-endian file/);
    const odd = join(folder, 'odd.tif');
    writeWithGdal(odd, raster('Float32'), ['-a_srs', 'EPSG:2154', ...PLACE.slice(2)]);
    const scene = await openStack(odd);
    expect(scene.georeference!.crsWkt).toBe('EPSG:2154');
    expect(scene.warnings[0]).toMatch(/EPSG:2154 is not in bandlift's table/);
    await scene.close();
  });
});
