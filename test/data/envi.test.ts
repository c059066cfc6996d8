import { copyFileSync, existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EnviWriter, openEnvi, readEnvi, readEnviLines } from '../../src/raster/envi.js';
import { formatEnviHeader, geotransform, parseEnviHeader } from '../../src/raster/envi_header.js';
import { describeShared } from '../support/shared.js';
import { temporariesOf } from '../support/temporaries.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const MINIMAL = 'ENVI\nsamples = 3\nlines = 2\nbands = 4\ndata type = 4\ninterleave = bip\nbyte order = 0\n';

/** What a 2 x 3 x 4 test cube holds: lines in hundreds, samples in tens, bands in ones. */
const value = (line: number, sample: number, band: number) => 100 * line + 10 * sample + band;
const ORDERS = {
  bip: (i: number) => [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4],
  bil: (i: number) => [Math.floor(i / 12), i % 3, Math.floor(i / 3) % 4],
  bsq: (i: number) => [Math.floor(i / 3) % 2, i % 3, Math.floor(i / 6)],
} as const;

describe('ENVI data', () => {
  const types = [
    [1, 1, 'setUint8'],
    [2, 2, 'setInt16'],
    [3, 4, 'setInt32'],
    [4, 4, 'setFloat32'],
    [5, 8, 'setFloat64'],
    [12, 2, 'setUint16'],
  ] as const;
  const cases = types.flatMap(([type, bytes, set]) =>
    (['bip', 'bil', 'bsq'] as const).flatMap((interleave) =>
      [0, 1].map((order) => [type, bytes, set, interleave, order] as const),
    ),
  );

  it.each(cases)('type %i (%i bytes, %s), %s, byte order %i', async (type, bytes, set, interleave, order) => {
    const offset = 7;
    const view = new DataView(new ArrayBuffer(offset + 24 * bytes));
    for (let i = 0; i < 24; i++) {
      const [line, sample, band] = ORDERS[interleave](i);
      // type 1 has no room for 123: values modulo 256 are the same in every type
      view[set](offset + i * bytes, value(line!, sample!, band!), order === 0);
    }
    const stem = join(folder, `t${type}${interleave}${order}`);
    writeFileSync(`${stem}.img`, new Uint8Array(view.buffer));
    writeFileSync(
      `${stem}.hdr`,
      `ENVI\nsamples=3\nlines=2\nbands=4\nheader offset = ${offset}\nData  Type = ${type}\ninterleave = ${interleave.toUpperCase()}\nbyte order = ${order}\n`,
    );
    const { data } = await readEnvi(`${stem}.hdr`);
    const expected = Array.from({ length: 24 }, (_, i) => value(Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4));
    expect([...data]).toEqual(expected);
    const second = await readEnviLines(await openEnvi(`${stem}.img`), 1, 1);
    expect([...second]).toEqual(expected.slice(12));
  });

  it('written and read back is the same, with everything of the header', async () => {
    const path = join(folder, 'written.img');
    const header = {
      lines: 2,
      samples: 3,
      bands: 4,
      description: 'made by hand',
      wavelength: Float64Array.of(400.25, 500, 600, 2499.123456),
      fwhm: Float64Array.of(5.5, 5.6, 5.7, 6),
      bbl: Uint8Array.of(1, 1, 0, 1),
      bandNames: ['a', 'b', 'c', 'd'],
      mapInfo: ['UTM', '1', '1', '300000', '3900000', '30', '30', '11', 'North', 'WGS-84', 'units=Meters'],
      coordinateSystem: 'PROJCS["somewhere",UNIT["metre",1]]',
      nodata: -9999,
      reflectanceScale: 10000,
    };
    const data = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
    const writer = await EnviWriter.create(path, header);
    await writer.append(data.subarray(0, 12));
    expect(existsSync(path)).toBe(false);
    await writer.append(data.subarray(12));
    await writer.close();
    expect(temporariesOf(path).length > 0).toBe(false);
    const read = await readEnvi(path);
    expect(read.data).toEqual(data);
    expect(read.header).toEqual({
      ...header,
      dataType: 4,
      interleave: 'bip',
      byteOrder: 0,
      headerOffset: 0,
      other: {},
    });
    expect(geotransform(read.header.mapInfo!)).toEqual([300000, 30, 0, 3900000, 0, -30]);
  });

  it('of which too little was written never appears', async () => {
    const path = join(folder, 'short.img');
    const writer = await EnviWriter.create(path, { lines: 2, samples: 3, bands: 4 });
    await writer.append(new Float32Array(12));
    await expect(writer.close()).rejects.toThrow(/12 values were written, the header says 24/);
    expect(existsSync(path) || temporariesOf(path).length > 0).toBe(false);
  });

  it('outside the cube is refused', async () => {
    const cube = await openEnvi(join(folder, 't4bip0.hdr'));
    for (const [first, count] of [
      [1, 2],
      [-1, 1],
      [0, 0],
      [0.5, 1],
    ] as const)
      await expect(readEnviLines(cube, first, count)).rejects.toThrow(/lines outside the cube/);
  });
});

describe('ENVI headers', () => {
  it('may be in micrometres, with lists over many lines, comments and names of any case', () => {
    const header = parseEnviHeader(
      `ENVI\r\n; a comment\r\nSAMPLES = 3\nlines=2\nbands = 4\ndata type = 4\ninterleave = bip\nwavelength units = Micrometers\nwavelength = {\n 0.5, 0.75,\n 1.5,\n 2.25 }\nfwhm = {0.0055, 0.0055, 0.006, 0.006}\nsensor type = toy\ndata ignore value = NaN\n`,
      'x.hdr',
    );
    expect([...header.wavelength!]).toEqual([500, 750, 1500, 2250]);
    // 0.0055 * 1000 in binary
    expect(header.fwhm![0]).toBeCloseTo(5.5, 12);
    expect(header.other).toEqual({ 'sensor type': 'toy' });
    expect(header.nodata).toBeNaN();
    expect(header.byteOrder).toBe(0);
  });

  it('turned on the map', () => {
    // A pixel of 2 x 3 m turned by 30 degrees: one column on is (2 cos 30, 2 sin 30); one row on is (3 sin 30, -3 cos 30).
    const g = geotransform(['UTM', '2', '1', '100', '200', '2', '3', '11', 'North', 'WGS-84', 'rotation=30']);
    const [c, s] = [Math.sqrt(3) / 2, 0.5];
    // reference pixel 2 is one column right of the corner
    [100 - 2 * c, 2 * c, 3 * s, 200 - 2 * s, 2 * s, -3 * c].forEach((expected, i) => {
      expect(g[i]!).toBeCloseTo(expected, 12);
    });
    expect(() => geotransform(['UTM', '1', '1', 'x'])).toThrow(/map info: not a map position/);
  });

  it.each([
    ['not ENVI at all', 'JPEG\n', /x\.hdr: line 1: not an ENVI header; found "JPEG"/],
    ['empty', '', /line 1: not an ENVI header/],
    [
      'without bands',
      MINIMAL.replace('bands = 4\n', ''),
      /bands: the header cannot be used; found nothing, expected an entry/,
    ],
    [
      'with negative lines',
      MINIMAL.replace('lines = 2', 'lines = -2'),
      /lines: .*found -2, expected a whole number from 1/,
    ],
    ['with half a sample', MINIMAL.replace('samples = 3', 'samples = 3.5'), /samples: .*found 3.5/],
    [
      'with 2^63 samples',
      MINIMAL.replace('samples = 3', 'samples = 9223372036854775808'),
      /samples: .*found 9223372036854775808/,
    ],
    ['with words for a number', MINIMAL.replace('samples = 3', 'samples = many'), /samples: .*found many/],
    [
      'of complex numbers',
      MINIMAL.replace('data type = 4', 'data type = 6'),
      /data type: .*found 6, expected one of 1, 2, 3, 4, 5, 12/,
    ],
    ['of another interleave', MINIMAL.replace('bip', 'tiled'), /interleave: .*found tiled/],
    ['without interleave', MINIMAL.replace('interleave = bip\n', ''), /interleave: .*found nothing/],
    ['of a third byte order', MINIMAL.replace('byte order = 0', 'byte order = 2'), /byte order: .*found 2/],
    [
      'with a list that never ends',
      `${MINIMAL}wavelength = {1, 2,\n3, 4\n`,
      /wavelength: the list is never closed; found { at line 8/,
    ],
    [
      'with too few wavelengths',
      `${MINIMAL}wavelength = {400, 500, 600}\n`,
      /wavelength: .*found 3 entries, expected 4, one a band/,
    ],
    ['with a word among them', `${MINIMAL}wavelength = {400, 500, x, 600}\n`, /wavelength, entry 3: .*found x/],
    [
      'with a wavelength of zero',
      `${MINIMAL}wavelength = {0, 500, 550, 600}\n`,
      /wavelength 1: not a wavelength; found 0/,
    ],
    ['with a line that is no entry', `${MINIMAL}hello\n`, /line 8: not an entry.*found "hello"/],
    ['with a negative scale', `${MINIMAL}reflectance scale factor = -1\n`, /reflectance scale factor: .*found -1/],
    ['with a negative offset', `${MINIMAL}header offset = -1\n`, /header offset: .*found -1/],
  ])('%s', (_, text, message) => {
    expect(() => parseEnviHeader(text, 'x.hdr')).toThrow(message);
  });

  it('whose data file is too short, too long or missing', async () => {
    const stem = join(folder, 'size');
    writeFileSync(`${stem}.hdr`, MINIMAL);
    await expect(openEnvi(`${stem}.hdr`)).rejects.toThrow(/size\.hdr: the data file of this header is missing/);
    writeFileSync(`${stem}.img`, new Uint8Array(96));
    await openEnvi(`${stem}.hdr`);
    truncateSync(`${stem}.img`, 95);
    await expect(openEnvi(`${stem}.img`)).rejects.toThrow(
      /size\.img: .*found 95 bytes, expected 96 \(2 lines x 3 samples x 4 bands of float32, offset 0\); the file is cut off/,
    );
    writeFileSync(`${stem}.img`, new Uint8Array(97));
    await expect(openEnvi(`${stem}.img`)).rejects.toThrow(/found 97 bytes/);
    copyFileSync(`${stem}.img`, join(folder, 'alone.img'));
    await expect(openEnvi(join(folder, 'alone.img'))).rejects.toThrow(/the header of this data file is missing/);
  });

  it('whose sizes multiply beyond any file', async () => {
    const stem = join(folder, 'huge');
    const most = Number.MAX_SAFE_INTEGER;
    writeFileSync(
      `${stem}.hdr`,
      MINIMAL.replace('samples = 3', `samples = ${most}`).replace('lines = 2', `lines = ${most}`),
    );
    writeFileSync(`${stem}.img`, new Uint8Array(8));
    await expect(openEnvi(`${stem}.hdr`)).rejects.toThrow(/found 8 bytes, expected \d{30,}/);
  });

  it('come back from their text', () => {
    const text = formatEnviHeader(parseEnviHeader(`${MINIMAL}bbl = {1, 0, 1, 1}\nextra = {a,\nb}\n`, 'x.hdr'));
    expect(text).toContain('bbl = {\n 1, 0, 1, 1}');
    expect(parseEnviHeader(text, 'y.hdr').other).toEqual({ extra: 'a,\nb' });
  });
});

describeShared('real cubes', 'data', (path) => {
  it('read as numpy reads them', async () => {
    // numpy: fromfile('<f4').reshape(10, 425, 10)[3, 100, 7] and fromfile('<i2').reshape(426, 30, 30)[100, 11, 5]
    const ng = await readEnvi(join(path, 'aviris_ng/ang20170323t202244_rdn_10x10.hdr'));
    expect(ng.data[(3 * 10 + 7) * 425 + 100]).toBe(Math.fround(10.000630378723145));
    expect(ng.header.nodata).toBe(-9999);
    const neon = await readEnvi(join(path, 'neon/sjer_30x30x426.hdr'));
    expect(neon.data[(11 * 30 + 5) * 426 + 100]).toBe(3223);
    expect(neon.header.reflectanceScale).toBe(10000);
  });
});
