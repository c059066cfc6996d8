/** TIFFs made byte by byte: right ones are read right, wrong ones give one clear line, absurd ones take no memory. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { openStackScene } from '../../src/scenes/stack_scene.js';
import { temporaryFolder } from '../support/temporary.js';
import { makeTiff, type TiffToMake } from '../support/tiff_bytes.mjs';

const folder = temporaryFolder();
let files = 0;

function write(bytes: Uint8Array): string {
  const path = join(folder, `t${files++}.tif`);
  writeFileSync(path, bytes);
  return path;
}

/** Opens and reads everything; what goes wrong as its message, which must be one line that names the file. */
async function attempt(path: string): Promise<string> {
  try {
    const scene = await openStackScene(path);
    try {
      await scene.read({ y: 0, x: 0, height: Math.min(scene.height, 64), width: Math.min(scene.width, 64) });
      return 'read';
    } finally {
      await scene.close();
    }
  } catch (error) {
    expect(error).toBeInstanceOf(BandliftError);
    const { message } = error as Error;
    expect(message).toContain(path);
    expect(message).not.toContain('\n');
    return message;
  }
}

const broken = (options: TiffToMake) => attempt(write(makeTiff(options)));

describe('TIFFs made by hand', () => {
  const kinds = [1, 5, 8, 32773, 50000].flatMap((compression) =>
    [{}, { tile: 16 }, { planar: true }, { tile: 16, planar: true }].flatMap((shape) =>
      [{}, { little: false }, { big: true }, { little: false, big: true }].map((order) => ({
        compression,
        ...shape,
        ...order,
      })),
    ),
  );
  it.each(kinds)('%o', async (kind) => {
    const scene = await openStackScene(write(makeTiff(kind)));
    const { values } = await scene.read({ y: 3, x: 5, height: 11, width: 14 });
    for (let i = 0; i < values.length; i++) {
      const [y, x, b] = [3 + Math.floor(i / 98), 5 + (Math.floor(i / 7) % 14), i % 7];
      if (values[i] !== (y * 64 + x * 8 + b) / 1024) throw new Error(`${y}, ${x}, ${b}: ${values[i]}`);
    }
    expect(scene.georeference).toMatchObject({ geotransform: [300000, 30, 0, 4000000, 0, -30] });
    expect(scene.georeference!.crsWkt).toContain('UTM zone 11N');
    await scene.close();
  });

  it('reads one large uncompressed strip in pieces', async () => {
    // 3 MB in one strip of 1201 rows (prime), more than the piece of 1 MiB
    const path = write(makeTiff({ width: 90, height: 1201, rows: 1201 }));
    const scene = await openStackScene(path);
    for (const y of [0, 600, 1200]) {
      const { values } = await scene.read({ y, x: 89, height: 1, width: 1 });
      expect(values[6]).toBe((y * 64 + 89 * 8 + 6) / 1024);
    }
    await scene.close();
  });
});

describe('TIFFs that cannot be read', () => {
  it('no TIFF at all', async () => {
    expect(await attempt(write(Buffer.from('<html>not found</html>')))).toMatch(
      /: not a TIFF file; it does not begin like/,
    );
    expect(await attempt(write(Buffer.alloc(0)))).toMatch(/: not a TIFF file; the file is empty/);
    expect(await attempt(write(Buffer.from('II\x2a\0\xff\xff\xff\x7f', 'latin1')))).toMatch(
      /directory: .*within the file's 8 bytes/,
    );
    expect(await attempt(join(folder, 'nothing.tif'))).toMatch(/nothing\.tif: no such file/);
    expect(await attempt(folder)).toMatch(/is a folder/);
  });

  it.each([
    [
      '2^31 x 2^31',
      { tags: { 256: [4, [2 ** 31]], 257: [4, [2 ** 31]] } },
      /width: cannot be read; found 2147483648, expected 1 to/,
    ],
    ['no size', { tags: { 256: undefined } }, /width: .*found nothing/],
    [
      'a million columns in one strip',
      { tags: { 256: [4, [2 ** 20]], 257: [4, [2 ** 20]], 278: [4, [2 ** 20]], 259: [3, [8]] } },
      /strip size: .*found 1048576 x 1048576 pixels/,
    ],
    [
      'a giant LZW tile',
      { compression: 5, tile: 16, tags: { 322: [4, [8192]], 323: [4, [8192]] } },
      /tile size: .*8192 x 8192 pixels = 1879048192 bytes, expected at most 268435456; gdal_translate/,
    ],
    ['too many bands', { tags: { 277: [3, [65535]] } }, /samplesPerPixel: .*found 65535/],
    ['too few offsets', { tags: { 273: [4, [8]] } }, /stripOffsets: .*found 1 entries, expected 4, one a block/],
    ['an endless list', { tags: { 273: [4, [8, 8], 2 ** 31] } }, /tag stripOffsets: .*found 2147483648 values/],
    ['a list outside the file', { tags: { 279: [4, [8, 8], 100000] } }, /tag stripByteCounts: .*within the file's/],
    [
      'a block outside the file',
      { tags: { 273: [4, [8, 8, 8, 2 ** 32 - 8]] } },
      /strip 3: .*a file of 8746 bytes, expected at least 4294968968/,
    ],
    [
      'negative sizes',
      { tags: { 279: [8, [-100, 10, 10, 10]] } },
      /stripByteCounts: .*found -100, expected whole numbers/,
    ],
    ['sizes as text', { tags: { 256: [2, 'twenty'] } }, /tag width: .*found text, expected numbers/],
    ['half of a pixel', { tags: { 258: [3, Array(7).fill(12)] } }, /sample format: .*floating point of 12 bits/],
    [
      'mixed bits',
      { tags: { 258: [3, [8, 16, 32, 32, 32, 32, 32]] } },
      /bitsPerSample: .*found 8, 16, 32, expected the same/,
    ],
    ['JPEG', { tags: { 259: [3, [7]] } }, /compression: .*found 7, expected none, DEFLATE.*gdal_translate/],
    ['predictor 7', { compression: 8, tags: { 317: [3, [7]] } }, /predictor: .*found 7/],
    ['no rows to a strip', { tags: { 278: [4, [0]] } }, /rowsPerStrip: .*found 0/],
  ] as [string, TiffToMake, RegExp][])('%s', async (_, options, message) => {
    expect(await broken(options)).toMatch(message);
  });

  it.each([1, 5, 8, 32773, 50000])('damaged blocks, compression %i', async (compression) => {
    const bytes = makeTiff({ compression });
    // the first strip follows the header of 8 bytes
    bytes.fill(0xa5, 8, 220);
    const result = await attempt(write(bytes));
    // uncompressed numbers and literal runs cannot tell
    if (compression === 1) expect(result).toBe('read');
    else
      expect(result).toMatch(
        compression === 32773 ? /read|strip 0: cannot be decoded/ : /strip 0: cannot be decoded: /,
      );
    const short = { compression, tags: { 279: [4, [30, 30, 30, 30]] } } as TiffToMake;
    expect(await broken(short)).toMatch(/strip \d: cannot be decoded: .*(bytes came out, expected|damaged)/);
  });

  it('cut off', async () => {
    const path = write(makeTiff({ compression: 8, tile: 16 }));
    truncateSync(path, 1000);
    expect(await attempt(path)).toMatch(
      /directory: cannot be read as TIFF; found bytes .* within the file's 1000 bytes/,
    );
    const open = write(makeTiff({}));
    const scene = await openStackScene(open);
    truncateSync(open, 500);
    await expect(scene.read({ y: 0, x: 0, height: 15, width: 20 })).rejects.toThrow(
      /the file ends early; found 500 bytes/,
    );
    await scene.close();
  });

  it('a compressed bomb stops at the size of its block', async () => {
    const bomb = deflateSync(Buffer.alloc(64 * 2 ** 20));
    const bytes = makeTiff({ compression: 8, tags: { 273: [4, [8, 8, 8, 8]] } });
    // the blocks lie behind everything else
    const tiff = makeTiff({
      compression: 8,
      tags: { 273: [4, Array(4).fill(bytes.length)], 279: [4, Array(4).fill(bomb.length)] },
    });
    const path = write(Buffer.concat([tiff, Buffer.alloc(Math.max(0, bytes.length - tiff.length)), bomb]));
    expect(await attempt(path)).toMatch(/strip 0: cannot be decoded: Cannot create a Buffer larger than 2240 bytes/);
  });

  it('a scene without place or with an impossible one', async () => {
    const open = async (tags: TiffToMake['tags']) => {
      const scene = await openStackScene(write(makeTiff({ tags: tags! })));
      await scene.close();
      return scene;
    };
    expect(await open({ 33550: undefined, 33922: undefined, 34735: undefined })).toMatchObject({
      georeference: undefined,
      warnings: ['the file does not say where on the ground it lies'],
    });
    expect((await open({ 33550: [12, [0, 0, 0]] })).warnings[0]).toMatch(/geotransform cannot be used/);
    expect((await open({ 34735: [3, [1, 1, 0, 1, 1024, 0, 1, 1]] })).warnings[0]).toMatch(/no coordinate system/);
    const controlPoints = Array.from({ length: 12 }, (_, i) => i);
    expect((await open({ 33550: undefined, 33922: [12, controlPoints] })).warnings[0]).toMatch(/control points only/);
    // spelled out, as the USGS does in Antarctica: polar stereographic, true at 71 S
    const keys = [
      1, 1, 0, 6, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32767, 3075, 0, 1, 15, 3081, 34736, 1, 0, 3095, 34736, 1, 1,
    ];
    const polar = await open({ 34735: [3, keys], 34736: [12, [-71, 0]] });
    expect(polar.georeference!.crsWkt).toContain('"EPSG","3031"');
  });
});
