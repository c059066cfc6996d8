/** Landsat as it is delivered beyond a folder of level 2: archives, level 1, ARD tiles, HLS. Files are made byte by byte. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { listTar } from '../../src/raster/tar.js';
import { openScene } from '../../src/scenes/open.js';
import type { Scene } from '../../src/scenes/types.js';
import { describeGdal, gdalInfo, writeWithGdal } from '../support/gdal.js';
import { metadataText } from '../support/landsat.js';
import { predictHere, refusedHere, sameModel } from '../support/predictions.js';
import { describeShared } from '../support/shared.js';
import { temporaryFolder } from '../support/temporary.js';
import { makeTiff, type TiffToMake } from '../support/tiff_bytes.mjs';

const folder = temporaryFolder();
const [HEIGHT, WIDTH] = [6, 8];
const LEVEL2 = 'LC08_L2SP_098084_20210503_20210508_02_T1';
const LEVEL1 = 'LC09_L1TP_112081_20220209_20220209_02_T1';

function tiff(value: NonNullable<TiffToMake['value']>, change: Partial<TiffToMake> = {}): Buffer {
  const tags = {
    33550: [12, [30, 30, 0]],
    33922: [12, [0, 0, 0, 300015, 4199985, 0]],
    34735: [3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32611]],
  } as unknown as NonNullable<TiffToMake['tags']>;
  return makeTiff({
    width: WIDTH,
    height: HEIGHT,
    bands: 1,
    bits: 16,
    format: 1,
    compression: 8,
    value,
    tags,
    ...change,
  });
}

const dn = (band: number, y: number, x: number) => (y === 0 && x === 0 ? 0 : 6000 + 1000 * band + y * 100 + x);

/** Writes bands, QA and metadata named ID_PREFIXn.TIF. */
function product(at: string, id: string, prefix: string, metadata: string): string {
  mkdirSync(at, { recursive: true });
  for (let b = 1; b <= 7; b++)
    writeFileSync(
      join(at, `${id}_${prefix}${b}.TIF`),
      tiff((y, x) => dn(b, y, x)),
    );
  writeFileSync(
    join(at, `${id}_QA_PIXEL.TIF`),
    tiff((y, x) => (y === 2 && x === 3 ? 22280 : 21824)),
  );
  writeFileSync(join(at, `${id}_MTL.txt`), metadata);
  return at;
}

/** A ustar archive; names in the order given. */
function tar(path: string, files: readonly [name: string, bytes: Buffer][]): string {
  const blocks: Buffer[] = [];
  for (const [name, bytes] of files) {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write('0000644\0', 100);
    head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write('        ', 148);
    head.write('0', 156);
    head.write('ustar\x0000', 257);
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    blocks.push(head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  writeFileSync(path, Buffer.concat([...blocks, Buffer.alloc(1024)]));
  return path;
}

const tarOf = (path: string, at: string, prefix = '') =>
  tar(
    path,
    readdirSync(at)
      .sort()
      .reverse()
      .map((name) => [`${prefix}${name}`, readFileSync(join(at, name))]),
  );

async function all(scene: Scene) {
  const pixels = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
  await scene.close();
  return { ...pixels, scene };
}
const failure = (input: string) =>
  openScene(input).then(
    (scene) => scene.close().then(() => 'opened'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(BandliftError);
      return (error as Error).message;
    },
  );

describe('a product in its archive', () => {
  it.each(['', './', `${LEVEL2}/`])("is the product of the folder: members '%sNAME'", async (prefix) => {
    const at = product(join(folder, `in${prefix.length}`), LEVEL2, 'SR_B', metadataText('txt', HEIGHT, WIDTH));
    const path = tarOf(join(folder, `${prefix.length}.tar`), at, prefix);
    const [inside, beside] = [await all(await openScene(path)), await all(await openScene(at))];
    expect([...inside.values]).toEqual([...beside.values]);
    expect([...inside.valid]).toEqual([...beside.valid]);
    // fill, and what QA calls a cloud
    expect(inside.valid.reduce((sum, v) => sum + v, 0)).toBe(HEIGHT * WIDTH - 2);
    // below 7273 reflectance is negative, and kept
    expect(inside.values[7]).toBeCloseTo(7001 * 2.75e-5 - 0.2, 7);
    expect(inside.values[7]).toBeLessThan(0);
    expect(inside.scene).toMatchObject({ name: LEVEL2, files: [path], kind: 'Landsat product', units: 'reflectance' });
    expect(inside.scene.georeference).toEqual(beside.scene.georeference);
  });

  it('predicts the same bytes', async () => {
    const at = product(join(folder, 'same'), LEVEL2, 'SR_B', metadataText('txt', HEIGHT, WIDTH));
    tarOf(join(folder, 'same.tar'), at);
    await sameModel(folder);
    for (const [input, out] of [
      ['same', 'a'],
      ['same.tar', 'b'],
    ] as const)
      expect(await predictHere(folder, input, '--out', out)).toMatchObject({ status: 0 });
    expect(readFileSync(join(folder, 'a.img')).equals(readFileSync(join(folder, 'b.img')))).toBe(true);
  });

  it('names of more than 100 characters, and numbers in base 256, as tar writes them', async () => {
    const deep = join(folder, 'deep');
    const name = `${'a'.repeat(90)}/${'b'.repeat(80)}/c.txt`;
    mkdirSync(join(deep, name, '..'), { recursive: true });
    writeFileSync(join(deep, name), 'hello');
    for (const format of ['gnu', 'pax', 'ustar']) {
      const path = join(folder, `${format}.tar`);
      execFileSync('tar', [`--format=${format}`, '-cf', path, '-C', deep, '.']);
      const [member, ...others] = await listTar(path);
      expect([member!.name, member!.size, others.length]).toEqual([name, 5, 0]);
      expect(readFileSync(path).toString('utf8', member!.offset, member!.offset + 5)).toBe('hello');
    }
    // a member of 16 GB, sparse: its size does not fit into eleven octal digits
    const large = join(folder, 'large.tar');
    const head = Buffer.alloc(512);
    head.write('big', 0);
    head[124] = 0x80;
    head.writeUInt32BE(4, 128);
    head.write('        ', 148);
    head.write('0', 156);
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    writeFileSync(large, head);
    truncateSync(large, 2 ** 34 + 2048);
    expect(await listTar(large)).toEqual([{ archive: large, name: 'big', offset: 512, size: 2 ** 34 }]);
    rmSync(large);
  });

  it('says what is wrong with it', async () => {
    const at = product(join(folder, 'odd'), LEVEL2, 'SR_B', metadataText('txt', HEIGHT, WIDTH));
    const path = tarOf(join(folder, 'odd.tar'), at);
    const bytes = readFileSync(path);
    const change = (name: string, edit: (copy: Buffer) => Buffer) => {
      const out = join(folder, name);
      writeFileSync(out, edit(Buffer.from(bytes)));
      return failure(out);
    };
    expect(await change('cut.tar', (copy) => copy.subarray(0, 1100))).toMatch(
      /cut\.tar: byte \d+: the archive ends within a header/,
    );
    const second = 512 + Math.ceil(readFileSync(join(at, `${LEVEL2}_SR_B7.TIF`)).length / 512) * 512;
    expect(
      await change('bad.tar', (copy) => {
        copy.write('x', second);
        return copy;
      }),
    ).toMatch(new RegExp(`bad\\.tar: byte ${second}: cannot be read as a tar archive`));
    expect(await failure(tar(join(folder, 'other.tar'), [['readme.txt', Buffer.from('hello')]]))).toMatch(
      /other\.tar: is a tar archive, not an ENVI cube; unpack it/,
    );
    const lacking = tar(
      join(folder, 'lacking.tar'),
      readdirSync(at)
        .filter((name) => !name.includes('B5'))
        .map((name) => [name, readFileSync(join(at, name))]),
    );
    expect(await failure(lacking)).toMatch(/lacking\.tar\/.*_SR_B5\.TIF: a band is missing/);
  });
});

describe('level 1', () => {
  const metadata = metadataText('txt', HEIGHT, WIDTH)
    .replace('LANDSAT_8', 'LANDSAT_9')
    .replace('"L2SP"', '"L1TP"')
    .replace('SENSOR_ID', 'SUN_ELEVATION = 30.0\n  SENSOR_ID');

  it('is reflectance at the top of the atmosphere, by the elevation of the sun', async () => {
    const at = product(join(folder, 'level1'), LEVEL1, 'B', metadata);
    for (const path of [at, join(at, `${LEVEL1}_MTL.txt`), tarOf(join(folder, 'level1.tar'), at)]) {
      const { scene, values, valid } = await all(await openScene(path));
      expect(scene).toMatchObject({ units: 'reflectance at the top of the atmosphere', sensor: 'Landsat 9 OLI-2' });
      expect(valid[0]).toBe(0);
      // (2e-5 DN - 0.1) / sin 30 deg
      for (let b = 1; b <= 7; b++) expect(values[7 + b - 1]).toBeCloseTo(2 * (2e-5 * dn(b, 0, 1) - 0.1), 6);
    }
    await sameModel(folder);
    expect(await refusedHere(folder, 3, 'level1', '--out', 'never')).toMatch(
      /units: has other units than the model was trained on; found reflectance at the top of the atmosphere, expected reflectance.*order the level-2 product/,
    );
    const night = product(join(folder, 'night'), LEVEL1, 'B', metadata.replace('30.0', '-4.5'));
    expect(await failure(night)).toMatch(/SUN_ELEVATION: the sun is not above the horizon; found -4\.5/);
  });
});

describe('an imitation of HLS', () => {
  const id = 'HLS.L30.T11SPS.2022107T182000.v2.0';
  const write = (at: string, name: string) => {
    mkdirSync(at, { recursive: true });
    const value = (band: number) => (y: number, x: number) =>
      y === 0 && x === 0 ? -9999 : -50 + 100 * band + y * 10 + x;
    for (let b = 1; b <= 7; b++)
      writeFileSync(
        join(at, `${name}.B0${b}.tif`),
        tiff((y, x) => value(b)(y, x) & 0xffff, { format: 2 }),
      );
    // water, cloud, next to a cloud, shadow, snow: bits 5, 1, 2, 3, 4
    const flags = (y: number, x: number) => (y === 1 ? ([32, 2, 4, 8, 16][x] ?? 0) : 0);
    writeFileSync(join(at, `${name}.Fmask.tif`), tiff(flags, { bits: 8 }));
    return at;
  };

  it('L30 is surface reflectance under its mask', async () => {
    const at = write(join(folder, 'hls'), id);
    for (const path of [at, join(at, `${id}.B03.tif`)]) {
      const { scene, values, valid } = await all(await openScene(path));
      expect(scene).toMatchObject({ kind: 'HLS L30', name: id, units: 'reflectance', bands: 7, warnings: [] });
      expect([...valid.subarray(0, 14)]).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1]);
      expect(values[7 * 9 - 7]).toBe(Math.fround((-50 + 100 + 10) * 1e-4));
    }
    const kept = await all(await openScene(at, { clouds: 'keep' }));
    expect(kept.valid.reduce((sum, v) => sum + v, 0)).toBe(HEIGHT * WIDTH - 1);
    rmSync(join(at, `${id}.B05.tif`));
    expect(await failure(at)).toMatch(/hls: a band is missing; found B01, .*expected HLS\.L30.*\.B01\.tif to B07\.tif/);
  });

  it('S30 is refused by its name', async () => {
    expect(await failure(write(join(folder, 's30'), id.replace('L30', 'S30')))).toMatch(
      /s30: is HLS S30, made of Sentinel-2's bands, expected HLS L30, made of Landsat's/,
    );
  });
});

describeGdal('an imitation of an ARD tile', () => {
  it('lies in its Albers projection, as GDAL reads it', async () => {
    const at = join(folder, 'ard');
    const id = 'LC08_CU_003010_20200101_20210503_02';
    mkdirSync(at);
    const albers = '+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +x_0=0 +y_0=0 +datum=WGS84 +units=m';
    const values = Array.from({ length: 30 }, (_, i) => 8000 + i);
    const place = ['-a_srs', albers, '-a_ullr', '-2115585', '1814805', '-2115405', '1814655', '-a_nodata', '0'];
    for (let b = 1; b <= 7; b++)
      writeWithGdal(join(at, `${id}_SR_B${b}.TIF`), { type: 'UInt16', height: 5, width: 6, bands: 1, values }, place);
    const { scene } = await all(await openScene(at));
    expect(scene.georeference!.geotransform).toEqual([-2115585, 30, 0, 1814805, 0, -30]);
    const theirs = gdalInfo(join(at, `${id}_SR_B1.TIF`)).coordinateSystem!.wkt;
    for (const [name, value] of [
      ['standard parallel', 29.5],
      ['standard parallel', 45.5],
      ['Latitude of', 23],
      ['Longitude of', -96],
    ] as const)
      expect(theirs).toMatch(new RegExp(`${name}[^\\]]*",${value}`));
    expect(scene.georeference!.crsWkt).toMatch(
      /Albers_Conic_Equal_Area.*"standard_parallel_1",29\.5.*"standard_parallel_2",45\.5.*"latitude_of_center",23.*"longitude_of_center",-96/,
    );
    expect(scene.warnings.join()).not.toMatch(/coordinate system/);
  });
});

describeShared('the real product in an archive', `data/landsat_c2/${LEVEL2}`, (path) => {
  it('has the values of the folder, masks what QA says and keeps negative reflectance', async () => {
    const archive = join(folder, `${basename(path)}.tar`);
    cpSync(path, join(folder, 'copy'), { recursive: true });
    execFileSync('tar', ['-cf', archive, '-C', join(folder, 'copy'), '.']);
    const [inside, beside] = [await all(await openScene(archive)), await all(await openScene(path))];
    expect(Buffer.from(inside.values.buffer).equals(Buffer.from(beside.values.buffer))).toBe(true);
    expect(Buffer.from(inside.valid).equals(Buffer.from(beside.valid))).toBe(true);
    expect(inside.scene.georeference).toEqual(beside.scene.georeference);
    const kept = await all(await openScene(archive, { clouds: 'keep' }));
    const count = (valid: Uint8Array) => valid.reduce((sum, v) => sum + v, 0);
    expect(count(kept.valid)).toBeGreaterThan(count(inside.valid));
    expect(Math.min(...kept.values)).toBeLessThan(0);
  });
});
