/** The viewer's server without a browser: who is let in, and that numbers are those of the file. */
import { truncateSync } from 'node:fs';
import { request } from 'node:http';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Spectrum } from '../../src/view/page/ask.js';
import { bounds } from '../../src/view/page/pins.js';
import { startViewer, type Viewer } from '../../src/view/server.js';
import { braces, writeCube } from '../support/envi_cubes.js';
import { temporaryFolder } from '../support/temporary.js';
import { BAD, BANDS, COARSE, coarseValue, FINE, fineValue, hasData, WAVELENGTH, writeScenes } from './view_scenes.js';

const folder = temporaryFolder();
let viewer: Viewer;
beforeAll(async () => {
  const { coarse, fine, sd } = writeScenes(folder);
  viewer = await startViewer({ files: [coarse], truth: fine, uncertainty: sd, port: 0 });
});
afterAll(() => viewer?.close());

interface Reply {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** As any program may ask: the path goes out as it stands, `..` included. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET', port = viewer.port): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode!, body: Buffer.concat(chunks), headers: response.headers }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

const token = () => new URL(viewer.address).pathname;
const get = (path: string) => ask(`${token()}${path}`);
async function json<T>(path: string): Promise<T> {
  const { status, body } = await get(path);
  expect(status, body.toString()).toBe(200);
  return JSON.parse(body.toString());
}

describe('who is let in', () => {
  const refused = async (reply: Promise<Reply>, status: number, reason: RegExp) => {
    const { status: found, body } = await reply;
    expect([found, body.toString()]).toEqual([status, expect.stringMatching(reason)]);
    expect(body.toString().trim().split('\n')).toHaveLength(1);
  };

  it('whoever knows the address, also through a tunnel that has another port', async () => {
    expect((await get('')).status).toBe(200);
    expect((await ask(`${token()}api/session`, { host: 'localhost:9999' })).status).toBe(200);
    expect(
      (await ask(token(), { host: `127.0.0.1:${viewer.port}`, origin: `http://127.0.0.1:${viewer.port}` })).status,
    ).toBe(200);
  });

  it('has a token of 128 random bits, another at each start', async () => {
    const other = await startViewer({ files: [join(folder, 'coarse.hdr')], port: 0 });
    await other.close();
    expect(token()).toMatch(/^\/[0-9a-f]{32}\/$/);
    expect(new URL(other.address).pathname).not.toBe(token());
  });

  it.each([
    ['no token', '/'],
    ['a wrong token', `/${'0'.repeat(32)}/api/session`],
    ['the token cut off', null],
  ])('not with %s', (_, path) => refused(ask(path ?? `${token().slice(0, -2)}/`), 403, /token is missing or wrong/));

  it.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '10.0.0.1'])('not as Host %j', (host) =>
    refused(ask(token(), { host }), 403, /is not this machine/),
  );

  it.each(['http://evil.example', 'null', 'https://127.0.0.1', 'http://127.0.0.1:1'])(
    'not for a page of %s',
    (origin) => refused(ask(token(), { origin }), 403, /may not ask here/),
  );

  it('not for a picture in a page of another site', () =>
    refused(ask(token(), { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 403, /another site/));

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('not with %s', (method) =>
    refused(ask(token(), {}, method), 405, /this server only shows/),
  );

  it.each([
    '../../etc/passwd',
    'page/../../server.js',
    'page/%2e%2e%2fserver.js',
    'page/nothing.js',
    'api/file?path=/etc/passwd',
  ])('gives nothing for %s', (path) => refused(get(path), 404, /nothing here/));

  it('sends a policy with which a page can load nothing from elsewhere', async () => {
    const { headers } = await get('');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
  });
});

describe('scenes', () => {
  it('are described as their headers say', async () => {
    const { scenes } = await json<{ scenes: Record<string, unknown>[] }>('api/session');
    expect(scenes.map(({ role, width, height, bands, levels }) => [role, width, height, bands, levels])).toEqual([
      ['scene', COARSE.samples, COARSE.lines, BANDS, 1],
      ['truth', FINE.samples, FINE.lines, BANDS, 3],
      ['uncertainty', COARSE.samples, COARSE.lines, BANDS, 1],
    ]);
    expect(scenes[0]).toMatchObject({
      name: 'coarse',
      wavelength: WAVELENGTH,
      crs: 'EPSG:32611',
      geotransform: [300000, 30, 0, 3900000, 0, -30],
    });
    expect((scenes[0]!.goodBands as number[]).flatMap((good, b) => (good ? [] : [b]))).toEqual(BAD);
  });

  const tile = async (query: string) => {
    const { status, body, headers } = await get(`api/tile?${query}&format=float32`);
    expect(status, body.toString()).toBe(200);
    const [width, height] = String(headers['x-tile-size']).split(' ').map(Number) as [number, number];
    return {
      width,
      height,
      values: new Float32Array(body.buffer.slice(body.byteOffset, body.byteOffset + body.length)),
    };
  };

  it('give the numbers of the file as tiles, bad bands too, and NaN where there are no data', async () => {
    const { width, height, values } = await tile('scene=0&bands=20,11,0&level=0&x=0&y=0');
    expect([width, height]).toEqual([COARSE.samples, COARSE.lines]);
    const expected = new Float32Array(values.length);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (const b of [20, 11, 0]) expected[i++] = hasData(y, x) ? coarseValue(y, x, b) : Number.NaN;
    expect(values).toEqual(expected);
  });

  it('give the middle of each square of pixels at a coarser level', async () => {
    const { width, height, values } = await tile('scene=1&bands=3&level=1&x=1&y=0');
    // columns 512 to 674, two by two: 81 whole squares and half of one, whose middle is outside
    expect([width, height]).toEqual([81, 225]);
    for (const [y, x] of [
      [0, 0],
      [17, 40],
      [224, 80],
    ] as const)
      expect(values[y * width + x]).toBe(fineValue(2 * y + 1, 512 + 2 * x + 1, 3));
  });

  it('of the same name are told apart', async () => {
    const file = join(folder, 'coarse.hdr');
    const twice = await startViewer({ files: [file, join(folder, 'fine.hdr')], truth: file, port: 0 });
    const { body } = await ask(`${new URL(twice.address).pathname}api/session`, {}, 'GET', twice.port);
    await twice.close();
    const names = JSON.parse(body.toString()).scenes.map(({ name }: { name: string }) => name);
    expect(names).toEqual([`${basename(folder)}/coarse (1)`, 'fine', `${basename(folder)}/coarse (3)`]);
  });

  it('reads far pixels of a cube in pixel order one by one, with the same numbers', async () => {
    const value = (y: number, x: number, b: number) => 1 + y * 700 + x + b / 512;
    const wide = writeCube(join(folder, 'wide'), { lines: 4, samples: 700, bands: 512, value });
    const one = await startViewer({ files: [wide], port: 0 });
    try {
      const { body } = await ask(
        `${new URL(one.address).pathname}api/tile?scene=0&bands=511&level=2&x=0&y=0&format=float32`,
        {},
        'GET',
        one.port,
      );
      const values = new Float32Array(body.buffer.slice(body.byteOffset, body.byteOffset + body.length));
      expect([...values]).toEqual(Array.from({ length: 175 }, (_, i) => Math.fround(value(2, 4 * i + 2, 511))));
    } finally {
      await one.close();
    }
  });

  it('give pictures that are clear where there are no data and stretched elsewhere', async () => {
    const { default: sharp } = await import('sharp');
    const range = '0.1,0.3';
    const { body, headers } = await get(
      `api/tile?scene=0&bands=0,1,2&ranges=${range},${range},${range}&level=0&x=0&y=0`,
    );
    expect(headers['content-type']).toBe('image/png');
    const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([COARSE.samples, COARSE.lines, 4]);
    const pixel = (y: number, x: number) => [...data.subarray(4 * (y * info.width + x), 4 * (y * info.width + x) + 4)];
    expect(pixel(2, 3)[3]).toBe(0);
    const shade = (v: number) => Math.round(255 * Math.min(1, Math.max(0, (v - 0.1) / 0.2)) ** (1 / 1.4));
    expect(pixel(20, 30)).toEqual([...[0, 1, 2].map((b) => shade(coarseValue(20, 30, b))), 255]);
  });

  it('give the spectrum of a pixel, null in bad bands', async () => {
    const { mean, pixels, sd } = await json<{ mean: (number | null)[]; pixels: number; sd?: unknown }>(
      'api/spectrum?scene=0&x=33&y=21',
    );
    expect(pixels).toBe(1);
    expect(sd).toBeUndefined();
    expect(mean).toEqual(WAVELENGTH.map((_, b) => (BAD.includes(b) ? null : coarseValue(21, 33, b))));
  });

  it('give mean and deviation of a box, without pixels that have no data', async () => {
    const found = await json<{ mean: number[]; sd: number[]; pixels: number }>(
      'api/spectrum?scene=0&x=4&y=3&width=6&height=4',
    );
    const spectra: number[][] = [];
    for (let y = 3; y < 7; y++)
      for (let x = 4; x < 10; x++) if (hasData(y, x)) spectra.push(WAVELENGTH.map((_, b) => coarseValue(y, x, b)));
    expect(found.pixels).toBe(spectra.length);
    expect(spectra.length).toBe(24 - 2 * 3);
    for (const b of [0, 5, 23]) {
      const mean = spectra.reduce((sum, s) => sum + s[b]!, 0) / spectra.length;
      const sd = Math.sqrt(spectra.reduce((sum, s) => sum + (s[b]! - mean) ** 2, 0) / spectra.length);
      // sent as float32
      expect(found.mean[b]).toBeCloseTo(mean, 6);
      expect(found.sd[b]).toBeCloseTo(sd, 6);
    }
  });

  it('give the shares of a band for its stretch', async () => {
    const [shares] = await json<number[][]>('api/stretch?scene=0&bands=4');
    const all: number[] = [];
    for (let y = 0; y < COARSE.lines; y++)
      for (let x = 0; x < COARSE.samples; x++) if (hasData(y, x)) all.push(coarseValue(y, x, 4));
    all.sort((a, b) => a - b);
    expect(shares![0]).toBe(all[0]);
    expect(shares![8]).toBe(all[all.length - 1]);
    expect(shares![2]).toBe(all[Math.round(0.02 * (all.length - 1))]);
  });

  it.each([
    ['api/tile?scene=7&bands=1&level=0&x=0&y=0', /scene: is wrong; found 7, expected 0 to 2/],
    ['api/tile?scene=0&bands=99&level=0&x=0&y=0&format=float32', /no such band; found 99/],
    ['api/tile?scene=0&bands=1&level=9&x=0&y=0&format=float32', /no such tile/],
    ['api/tile?scene=0&bands=1&level=0&x=5&y=0&format=float32', /outside the scene/],
    ['api/tile?scene=0&bands=1&level=0&x=0&y=0', /ranges: is wrong; found nothing, expected 2 numbers/],
    ['api/tile?scene=0&bands=1,2&ranges=0,1,0,1&level=0&x=0&y=0', /one or three/],
    ['api/tile?scene=0&bands=-1&level=0&x=0&y=0', /bands: is wrong/],
    ['api/spectrum?scene=0&x=90&y=0', /outside the scene/],
    ['api/spectrum?scene=1&x=0&y=0&width=675&height=450', /too large; found 303750 pixels/],
    ['api/spectrum?scene=0&x=1e3&y=0', /x: is wrong; found 1e3, expected a whole number/],
  ])('%s is refused in one line', async (path, reason) => {
    const { status, body } = await get(path);
    expect([status, body.toString()]).toEqual([400, expect.stringMatching(reason)]);
    expect(body.toString().trim().split('\n')).toHaveLength(1);
  });
});

it('intervals, whose file holds all lower and then all upper bounds, become the bounds of each band', async () => {
  const twice = [...WAVELENGTH, ...WAVELENGTH];
  const interval = writeCube(join(folder, 'interval'), {
    ...COARSE,
    bands: 2 * BANDS,
    value: (_, __, b) => (b < BANDS ? 0.1 + b / 100 : 5 + b),
    entries: {
      wavelength: braces(twice),
      'wavelength units': 'Nanometers',
      bbl: braces(twice.map((_, b) => (BAD.includes(b % BANDS) ? 0 : 1))),
    },
  });
  const one = await startViewer({ files: [join(folder, 'coarse.hdr')], uncertainty: interval, port: 0 });
  const spectrum = async (id: number): Promise<Spectrum> =>
    JSON.parse(
      (
        await ask(`${new URL(one.address).pathname}api/spectrum?scene=${id}&x=9&y=9`, {}, 'GET', one.port)
      ).body.toString(),
    );
  const found = bounds(await spectrum(0), await spectrum(1), Array.from(one.scenes[1]!.scene.wavelength!));
  await one.close();
  const good = (value: (b: number) => number) => WAVELENGTH.map((_, b) => (BAD.includes(b) ? null : value(b)));
  expect(found).toEqual({ lower: good((b) => Math.fround(0.1 + b / 100)), upper: good((b) => 5 + BANDS + b) });
});

describe('files', () => {
  it('a cube that is cut off is refused, at the start and while it is shown', async () => {
    const cube = writeCube(join(folder, 'cut'), { lines: 8, samples: 8, bands: 4, value: () => 1 });
    const cut = await startViewer({ files: [cube], port: 0 });
    truncateSync(join(folder, 'cut.img'), 100);
    const path = `${new URL(cut.address).pathname}api/spectrum?scene=0&x=7&y=7`;
    const { status, body } = await ask(path, {}, 'GET', cut.port);
    await cut.close();
    expect(status).toBe(400);
    expect(body.toString()).toMatch(/cut\.img.*\n$/);
    await expect(startViewer({ files: [cube], port: 0 })).rejects.toThrow(/cut\.img/);
  });

  it('a port that is taken is named', async () => {
    await expect(startViewer({ files: [join(folder, 'coarse.hdr')], port: viewer.port })).rejects.toThrow(
      /another program uses this port/,
    );
  });

  it('an uncertainty of other bands is refused', async () => {
    const other = writeCube(join(folder, 'other'), { lines: 2, samples: 2, bands: 5, value: () => 1 });
    await expect(startViewer({ files: [join(folder, 'coarse.hdr')], uncertainty: other, port: 0 })).rejects.toThrow(
      /other\.hdr: bands: does not belong to the first cube; found 5, expected 24 .* or 48/,
    );
    // of another zone it would be laid over by relative position
    const info = '{UTM, 1, 1, 600000, 4200000, 30, 30, 12, North, WGS-84, units=Meters}';
    const size = { lines: COARSE.lines, samples: COARSE.samples, bands: BANDS };
    const away = writeCube(join(folder, 'away'), { ...size, value: () => 1, entries: { 'map info': info } });
    await expect(startViewer({ files: [join(folder, 'coarse.hdr')], uncertainty: away, port: 0 })).rejects.toThrow(
      /away\.hdr: does not lie where the first cube does; found EPSG:32612, expected EPSG:32611/,
    );
  });
});
