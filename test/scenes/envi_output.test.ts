/** Result cubes: every value where it belongs, the same bytes after an interruption, and nothing half-written. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { readEnvi } from '../../src/raster/envi.js';
import { type CubeDescription, EnviOutput } from '../../src/scenes/envi_output.js';
import { lockOf } from '../support/locks.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const HEIGHT = 7;
const WIDTH = 9;
const BANDS = 5;

/** Where a value stands tells what it is; exact in float32. */
const value = (y: number, x: number, b: number) => (y * 64 + x * 4 + b) / 1024;
const isValid = (y: number, x: number) => (x + 2 * y) % 5 !== 0;

const description = (more: Partial<CubeDescription> = {}): CubeDescription => ({
  height: HEIGHT,
  width: WIDTH,
  bands: BANDS,
  dataType: 'float32',
  interleave: 'bip',
  ...more,
});

/** A tile's values and validity by the formulas above. */
function tile(y0: number, x0: number, height: number, width: number) {
  const values = new Float32Array(height * width * BANDS);
  const valid = new Uint8Array(height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      valid[y * width + x] = isValid(y0 + y, x0 + x) ? 1 : 0;
      for (let b = 0; b < BANDS; b++) values[(y * width + x) * BANDS + b] = value(y0 + y, x0 + x, b);
    }
  return { window: { y: y0, x: x0, height, width }, values, valid };
}

/** Tiles of 3 x 4, row by row. */
const tiles = Array.from({ length: 9 }, (_, i) => {
  const [y, x] = [Math.floor(i / 3) * 3, (i % 3) * 4];
  return tile(y, x, Math.min(3, HEIGHT - y), Math.min(4, WIDTH - x));
});

const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const show = (error: unknown) => (error as Error).message;

describe('result cubes', () => {
  it.each([
    ['float32', 'bip'],
    ['float32', 'bil'],
    ['int16', 'bip'],
    ['int16', 'bil'],
  ] as const)('%s %s: tiles in any order', async (dataType, interleave) => {
    const path = join(folder, `order_${dataType}_${interleave}.img`);
    const output = await EnviOutput.create(path, description({ dataType, interleave }));
    await Promise.all([...tiles].reverse().map((t, i) => output.write(t.window, t.values, t.valid, i)));
    const report = await output.finish();
    expect(report.counts).toEqual({ pixels: 63, nodata: 13, bounded: 0, clamped: 0, notFinite: 0 });
    expect(
      readdirSync(folder)
        .filter((f) => f.startsWith(`order_${dataType}_${interleave}`))
        .sort(),
    ).toEqual([`order_${dataType}_${interleave}.hdr`, `order_${dataType}_${interleave}.img`]);
    const { header, data } = await readEnvi(path);
    expect(header).toMatchObject({ lines: HEIGHT, samples: WIDTH, bands: BANDS, interleave });
    expect(header.nodata).toBe(dataType === 'int16' ? -32768 : -9999);
    for (let y = 0, i = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        for (let b = 0; b < BANDS; b++, i++) {
          // the nearest ten-thousandth in int16
          const stored = dataType === 'int16' ? Math.round(value(y, x, b) * 10000) : value(y, x, b);
          expect(data[i]).toBe(isValid(y, x) ? stored : header.nodata);
        }
  });

  it('clamps and counts what int16 cannot hold, and writes what is not finite as nodata', async () => {
    const path = join(folder, 'clamped.img');
    const output = await EnviOutput.create(path, description({ height: 1, width: 2, bands: 4, dataType: 'int16' }));
    const values = Float32Array.of(
      3.2768,
      -3.2768,
      3.2767,
      -3.27671,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      0.00005,
      -0.00005,
    );
    await output.write({ y: 0, x: 0, height: 1, width: 2 }, values);
    expect((await output.finish()).counts).toEqual({ pixels: 2, nodata: 0, bounded: 0, clamped: 2, notFinite: 2 });
    // halves go up: 0.5 -> 1, -0.5 -> 0 (float32's 0.00005 is a little below: 0.49999999 -> 0)
    const half = Math.round(Math.fround(0.00005) * 10000);
    expect([...(await readEnvi(path)).data]).toEqual([32767, -32767, 32767, -32767, -32768, -32768, half, 0]);
  });

  it.each(['bip', 'bil'] as const)(
    'interrupted and resumed (%s): the same bytes, data and header',
    async (interleave) => {
      const dated = (date: string) => description({ interleave, provenance: { 'made on': date } });
      const whole = join(folder, `whole_${interleave}.img`);
      const first = await EnviOutput.create(whole, dated('Monday'));
      for (const [i, t] of tiles.entries()) await first.write(t.window, t.values, t.valid, i);
      const expected = await first.finish();

      const path = join(folder, `resumed_${interleave}.img`);
      const one = await EnviOutput.open(path, dated('Monday'), 'the same work');
      expect(one.resumed).toBe(false);
      for (const i of [0, 4, 5, 8]) await one.write(tiles[i]!.window, tiles[i]!.values, tiles[i]!.valid, i);
      await one.sync();
      // half of the next tile is there when the process dies; what is not synced is done again
      const torn = tile(0, 4, 2, 4);
      await one.write(torn.window, torn.values.fill(77), torn.valid, 1);
      await one.abandon(true);
      expect(existsSync(path)).toBe(false);

      const two = await EnviOutput.open(path, dated('Tuesday'), 'the same work');
      expect(two.resumed).toBe(true);
      expect([...two.done].sort()).toEqual([0, 4, 5, 8]);
      for (const [i, t] of tiles.entries()) if (!two.done.has(i)) await two.write(t.window, t.values, t.valid, i);
      const report = await two.finish();
      expect(report.counts).toEqual(expected.counts);
      expect(sha(path)).toBe(sha(whole));
      expect(sha(report.headerPath)).toBe(sha(expected.headerPath));
      expect(readFileSync(report.headerPath, 'utf8')).toContain('made on = Monday');
    },
  );

  it('resumes after a kill between the rename of the data and the header', async () => {
    const path = join(folder, 'renamed.img');
    const output = await EnviOutput.open(path, description(), 'k');
    for (const [i, t] of tiles.entries()) await output.write(t.window, t.values, t.valid, i);
    await output.sync();
    await output.abandon(true);
    const journal = readFileSync(`${path}.partial.json`, 'utf8').replace('"finishing":false', '"finishing":true');
    writeFileSync(path, readFileSync(`${path}.partial`));
    rmSync(`${path}.partial`);
    writeFileSync(`${path}.partial.json`, journal);
    const again = await EnviOutput.open(path, description(), 'k');
    expect(again.done.size).toBe(9);
    await again.finish();
    expect((await readEnvi(path)).data[1]).toBe(-9999);
    expect((await readEnvi(path)).data[BANDS]).toBe(value(0, 1, 0));
  });

  it('refuses the unfinished cube of other work, and says when it begins anew', async () => {
    const path = join(folder, 'other.img');
    const output = await EnviOutput.open(path, description(), 'checkpoint A');
    await output.write(tiles[0]!.window, tiles[0]!.values, tiles[0]!.valid, 0);
    await output.sync();
    await output.abandon(true);
    const before = sha(`${path}.partial`);
    expect(await EnviOutput.open(path, description(), 'checkpoint B').catch(show)).toMatch(
      /other\.img\.partial: is the unfinished result of another prediction/,
    );
    expect(await EnviOutput.open(path, description({ dataType: 'int16' }), 'checkpoint A').catch(show)).toMatch(
      /found 7 9 5 float32 bip 1 -9999, expected 7 9 5 int16 bip 10000 -32768/,
    );
    expect(sha(`${path}.partial`)).toBe(before);
    // cut off by somebody: nothing of it can be trusted
    truncateSync(`${path}.partial`, 100);
    const anew = await EnviOutput.open(path, description(), 'checkpoint A');
    expect(anew.resumed).toBe(false);
    await anew.abandon(false);
    expect(readdirSync(folder).filter((f) => f.startsWith('other'))).toEqual([]);
  });

  it('does not touch a finished cube without overwrite, and replaces it only at the end', async () => {
    const path = join(folder, 'taken.img');
    writeFileSync(path, 'precious');
    expect(await EnviOutput.create(path, description()).catch(show)).toMatch(/taken\.img: exists already/);
    const output = await EnviOutput.create(path, description(), '', { overwrite: true });
    expect(readFileSync(path, 'utf8')).toBe('precious');
    for (const t of tiles) await output.write(t.window, t.values, t.valid);
    expect(readFileSync(path, 'utf8')).toBe('precious');
    await output.finish();
    expect((await readEnvi(path)).header.lines).toBe(HEIGHT);
  });

  it('refuses the cube of a live process, and takes over that of a dead one', async () => {
    const path = join(folder, 'owner.img');
    const output = await EnviOutput.open(path, description(), 'k');
    await output.write(tiles[0]!.window, tiles[0]!.values, tiles[0]!.valid, 0);
    await output.sync();
    const journal = readFileSync(`${path}.partial.json`, 'utf8');
    expect(await EnviOutput.open(path, description(), 'k').catch(show)).toMatch(
      new RegExp(`owner\\.img: another process is writing this result; found process ${process.pid} since`),
    );
    expect(await EnviOutput.create(path, description(), 'k').catch(show)).toMatch(/another process is writing/);
    await output.abandon(true);
    writeFileSync(join(folder, 'owner.lock'), lockOf({ pid: 2 ** 22 + 1 }));
    const again = await EnviOutput.open(path, description(), 'k');
    expect(again.resumed).toBe(true);
    await again.abandon(true);
    expect(existsSync(join(folder, 'owner.lock'))).toBe(false);
    writeFileSync(`${path}.partial.json`, journal.slice(0, 50));
    expect(await EnviOutput.open(path, description(), 'k').catch(show)).toMatch(/is not the journal/);
    const anew = await EnviOutput.create(path, description(), 'k');
    await anew.write(tiles[0]!.window, tiles[0]!.values, tiles[0]!.valid, 0);
    await expect(anew.finish()).rejects.toThrow(/12 pixels were written, the cube has 63/);
    await anew.abandon(false);
  });

  it('survives kill -9 with what was synced', async () => {
    const path = join(folder, 'killed.img');
    const script = `
      import { EnviOutput } from ${JSON.stringify(new URL('../../dist/src/scenes/envi_output.js', import.meta.url).href)};
      const output = await EnviOutput.open(process.argv[1], JSON.parse(process.argv[2]), 'k');
      const tile = { values: new Float32Array(60).fill(0.5), valid: new Uint8Array(12).fill(1) };
      for (const [unit, [y, x]] of [[0, 0], [0, 4], [3, 0]].entries()) {
        await output.write({ y, x, height: 3, width: 4 }, tile.values, tile.valid, unit);
        if (unit === 1) await output.sync();
      }
      process.kill(process.pid, 'SIGKILL');`;
    const args = ['--input-type=module', '-e', script, path, JSON.stringify(description())];
    expect(spawnSync(process.execPath, args).signal).toBe('SIGKILL');
    const output = await EnviOutput.open(path, description(), 'k');
    expect([...output.done]).toEqual([0, 1]);
    for (const [i, t] of tiles.entries()) if (!output.done.has(i)) await output.write(t.window, t.values, t.valid, i);
    // the two tiles of the dead process have no pixel without data
    const missing = tiles.slice(2).reduce((sum, t) => sum + t.valid.filter((v) => v === 0).length, 0);
    expect((await output.finish()).counts).toEqual({
      pixels: 63,
      nodata: missing,
      bounded: 0,
      clamped: 0,
      notFinite: 0,
    });
    const { data } = await readEnvi(path);
    expect(data[0]).toBe(0.5);
    expect(data[(6 * WIDTH + 8) * BANDS]).toBe(isValid(6, 8) ? value(6, 8, 0) : -9999);
  });

  it('checks the room on the disk before anything is made', async () => {
    const { bavail, bsize } = statfsSync(folder);
    const path = join(folder, 'huge.img');
    // twice the room there is
    const height = Math.ceil((2 * bavail * bsize) / (1e6 * 340 * 4));
    const error = await EnviOutput.create(path, description({ height, width: 1e6, bands: 340 })).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(BandliftError);
    expect(show(error)).toMatch(
      /huge\.img: the disk is too small for the result; found [\d,]+ bytes free, expected [\d,]+/,
    );
    expect(readdirSync(folder).filter((f) => f.startsWith('huge'))).toEqual([]);
  });

  it('names what is wrong with a description or a window', async () => {
    const path = join(folder, 'wrong.img');
    const wrong = (more: Partial<CubeDescription>) => EnviOutput.create(path, description(more)).catch(show);
    expect(await wrong({ wavelength: Float64Array.of(1, 2) })).toMatch(/wavelength: .*found 2 entries, expected 5/);
    expect(await wrong({ width: 0 })).toMatch(/width: .*found 0/);
    expect(await wrong({ dataType: 'int16', nodata: -40000 })).toMatch(/nodata: does not fit int16; found -40000/);
    expect(await EnviOutput.create(join(folder, 'no', 'such.img'), description()).catch(show)).toMatch(
      /such\.img.*no such/,
    );
    const output = await EnviOutput.create(path, description());
    expect(await output.write({ y: 5, x: 0, height: 3, width: 1 }, new Float32Array(15)).catch(show)).toMatch(
      /outside the scene; found 3 x 1 pixels from row 5, column 0, expected within 7 x 9/,
    );
    await output.abandon(false);
  });
});
