/** `bandlift prepare` as a user meets it: several scenes, shards, resuming, interruption, broken scenes. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import h5wasm, { type Dataset } from 'h5wasm/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { processSpace } from '../../src/base/process_lock.mjs';
import { openPatchSet } from '../../src/data/patches.js';
import { expectOneError, fingerprint } from '../support/broken.js';
import { bandliftHere, startBandlift, temporaryFolder } from '../support/cli.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';

const work = temporaryFolder();
const BANDS = 105;
const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
const ENTRIES = {
  'map info': utm(4),
  wavelength: braces(wavelengths(BANDS)),
  'data ignore value': -9999,
  'reflectance scale factor': 10000,
};

/** 60 x 45 pixels are 8 x 6 coarse ones: 2 x 1 patches of 4, and two that stick out. */
function scene(name: string, seed: number): void {
  writeCube(join(work, name), {
    lines: 60,
    samples: 45,
    bands: BANDS,
    type: 2,
    interleave: 'bil',
    value: (y, x, b) => 1000 + ((y * 31 + x * 17 + b * 7 + seed * 101) % 900),
    entries: ENTRIES,
  });
}

const prepare = (out: string, ...more: string[]) =>
  bandliftHere(
    ['prepare', ...NAMES.map((name) => `${name}.hdr`), '--patch', '4', '--noise', '--out', out, ...more],
    work,
  );
/** Every value of the patch files of a folder by name, as a hash: HDF5 keeps the time in the files, their bytes differ. */
function patchFiles(out: string): Map<string, string> {
  const folder = join(work, out);
  const names = readdirSync(folder).filter((name) => name.endsWith('.h5'));
  return new Map(
    names.sort().map((name) => {
      const file = new h5wasm.File(join(folder, name), 'r');
      const hash = createHash('sha256');
      for (const key of file.keys().sort()) {
        const { shape, value } = file.get(key) as Dataset;
        hash.update(`${key} ${shape} `).update(new Uint8Array((value as Float32Array).buffer.slice(0)));
      }
      hash.update(JSON.stringify(Object.entries(file.attrs).map(([key, { value }]) => [key, String(value)])));
      file.close();
      return [name, hash.digest('hex')];
    }),
  );
}
const reportOf = (out: string) => JSON.parse(readFileSync(join(work, out, 'prepare_report.json'), 'utf8'));

beforeAll(async () => {
  await h5wasm.ready;
  NAMES.forEach(scene);
  const run = await prepare('whole');
  expect(run.stderr).not.toMatch(/error/);
  expect(run.status).toBe(0);
});

describe('a list of scenes', () => {
  it('becomes a file each, a report and a table', async () => {
    expect([...patchFiles('whole').keys()]).toEqual([...NAMES].sort().map((name) => `${name}.h5`));
    const report = reportOf('whole');
    expect(report.totals).toEqual({
      scenes: 5,
      candidates: 20,
      kept: 10,
      dropped: { empty: 0, nodata: 0, outside: 10 },
    });
    expect(report.scenes[0]).toMatchObject({
      scene: 'alpha.hdr',
      name: 'alpha',
      file: 'whole/alpha.h5',
      lines: 60,
      samples: 45,
      bands: { stored: 105, kept: 83, withoutData: 0 },
      units: 'reflectance',
      sensor: 'Landsat 8 OLI',
      gsd: { source: 4, fine: 4, coarse: 30 },
      patch: 4,
      stride: 4,
      validShare: 1,
    });
  });

  it('is read by the trainer', async () => {
    const set = await openPatchSet(NAMES.map((name) => join(work, 'whole', `${name}.h5`)));
    expect(set).toMatchObject({ count: 10, inBands: 7, outBands: 83 });
    expect(set.files.map((file) => file.scene).sort()).toEqual([...NAMES].sort());
  });

  it('does not depend on the number of threads, in shards neither', async () => {
    expect((await prepare('one', '--workers', '1')).status).toBe(0);
    expect(patchFiles('one')).toEqual(patchFiles('whole'));
    for (const part of ['1/3', '2/3', '3/3']) {
      const run = await prepare('shards', '--shard', part);
      expect(run.stderr).not.toMatch(/error/);
      expect(run.status).toBe(0);
    }
    expect(patchFiles('shards')).toEqual(patchFiles('whole'));
    // the last shard's report holds what the others did
    expect(reportOf('shards').totals).toEqual(reportOf('whole').totals);
    expect((await prepare('shards', '--shard', '7/7')).stderr).toBe(
      'warning: this shard has no scenes: there are fewer scenes than shards\n',
    );
  });

  it('in JSON is one object a line', async () => {
    const run = await prepare('json', '--json');
    const events = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual([...Array(5).fill('scene'), 'prepared']);
    expect(events.at(-1)).toMatchObject({ out: 'json', scenes: 5, failed: 0, patches: 10, interrupted: false });
  });

  it.each([
    [['--shard', '0/3'], /^error: --shard: not a valid shard; found 0\/3, expected i\/n/],
    [['--shard', '4/3'], /^error: --shard: not a valid shard/],
    [['--sensor', 'msi'], /^error: --sensor: unknown sensor; found msi, expected oli, oli2 or a \.csv file/],
    [['--patch', '5'], /^error: .*patch: must be an even number of Landsat pixels.*found 5/],
    [['--max-memory', 'lots'], /^error: --max-memory: not a size/],
  ])('with %j is a usage error', async (options, message) => {
    const run = await bandliftHere(['prepare', 'alpha.hdr', '--out', 'usage', ...options], work);
    expect(run.stderr).toMatch(message);
    expect(run.status).toBe(EXIT.usage);
  });

  it('of the same name in two folders is refused, a header beside its own data is not', async () => {
    mkdirSync(join(work, 'other'));
    const twice = await bandliftHere(['prepare', 'alpha.hdr', 'other/alpha.hdr', '--out', 'names'], work);
    expect(twice.stderr).toMatch(/^error: other\/alpha\.hdr: two scenes have the same name .*found alpha\.hdr/);
    expect(twice.status).toBe(EXIT.usage);
    expect(
      (await bandliftHere(['prepare', 'alpha.hdr', 'alpha.img', '--out', 'pair', '--patch', '4'], work)).status,
    ).toBe(0);
    expect([...patchFiles('pair').keys()]).toEqual(['alpha.h5']);
  });
});

describe('--resume', () => {
  it('skips what is finished with the same options and source, and does the rest', async () => {
    expect((await prepare('resumed')).status).toBe(0);
    const again = await prepare('resumed');
    expect(expectOneError(again.stderr)).toMatch(/resumed\/alpha\.h5: is already there; add --resume/);
    expect(again.status).toBe(EXIT.usage);

    rmSync(join(work, 'resumed/beta.h5'));
    scene('gamma', 77);
    const later = new Date(Date.now() + 5000);
    utimesSync(join(work, 'gamma.img'), later, later);
    const before = NAMES.map(
      (name) => statSync(join(work, 'resumed', `${name}.h5`), { throwIfNoEntry: false })?.mtimeMs,
    );
    const run = await prepare('resumed', '--resume', '--json');
    expect(run.status).toBe(0);
    const skipped = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'scene');
    expect(Object.fromEntries(skipped.map((event) => [event.name, event.skipped]))).toEqual({
      alpha: true,
      beta: false,
      gamma: false,
      delta: true,
      epsilon: true,
    });
    NAMES.forEach((name, i) => {
      const now = statSync(join(work, 'resumed', `${name}.h5`)).mtimeMs;
      expect(now === before[i], name).toBe(!['beta', 'gamma'].includes(name));
    });
    const files = patchFiles('resumed');
    expect(files.get('beta.h5')).toBe(patchFiles('whole').get('beta.h5'));
    expect(files.get('gamma.h5')).not.toBe(patchFiles('whole').get('gamma.h5'));

    // other options: everything again
    const other = await prepare('resumed', '--resume', '--json', '--seed', '3');
    expect(other.stdout).not.toContain('"skipped":true');
    scene('gamma', NAMES.indexOf('gamma'));
  });
});

describe('interruption', () => {
  it('leaves whole files only; --resume ends with the same values as if nothing had happened', async () => {
    // patches of 2 at a stride of 2: many, so that there is time
    const args = ['--patch', '2', '--stride', '2', '--workers', '1'];
    const list = NAMES.map((name) => `${name}.hdr`);
    expect((await bandliftHere(['prepare', ...list, '--out', 'calm', ...args], work)).status).toBe(0);

    const run = startBandlift(['prepare', ...list, '--out', 'torn', ...args], work);
    let text = '';
    await new Promise<void>((resolve, reject) => {
      run.child.stdout!.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (/of \d+ patches kept/.test(text)) resolve();
      });
      run.exited.then(() => reject(new Error(`ended before its first scene: ${run.stderr()}`)));
    });
    run.child.kill('SIGINT');
    expect(await run.exited).toEqual({ code: EXIT.interrupted, signal: null });
    expect(text).toMatch(/interrupted; the scenes named above are complete. The same command with --resume/);
    const left = readdirSync(join(work, 'torn')).filter((name) => /h5/.test(name));
    expect(left.length).toBeLessThan(5);
    expect(left.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    for (const name of left) expect(patchFiles('torn').get(name)).toBe(patchFiles('calm').get(name));

    // as after kill -9
    const half = join(work, `torn/epsilon.h5.${processSpace()}-4194305-1-00000000.tmp`);
    writeFileSync(half, 'half');
    expect((await bandliftHere(['prepare', ...list, '--out', 'torn', ...args, '--resume'], work)).status).toBe(0);
    expect(patchFiles('torn')).toEqual(patchFiles('calm'));
    expect(existsSync(half)).toBe(false);
  });
});

describe('broken scenes', () => {
  const broken = (name: string, change: (header: string) => string, bytes?: number) => {
    scene(name, 1);
    const path = join(work, `${name}.hdr`);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    if (bytes !== undefined) truncateSync(join(work, `${name}.img`), bytes);
  };

  it.each([
    [
      'cut off',
      'cut',
      (h: string) => h,
      1000,
      /cut\.img: the size of the data file is not what its header says; found 1000 bytes/,
    ],
    [
      'of absurd size',
      'absurd',
      (h: string) => h.replace('lines = 60', 'lines = 999999999999'),
      undefined,
      /absurd\.img: the size of the data file/,
    ],
    [
      'with a list of another length',
      'short',
      (h: string) => h.replace(/wavelength = \{400, /, 'wavelength = {'),
      undefined,
      /short\.hdr: wavelength: .*found 104 entries, expected 105/,
    ],
    ['that is no header', 'none', () => 'JPEG', undefined, /none\.hdr: line 1: not an ENVI header/],
    [
      'without a place on the map',
      'nowhere',
      (h: string) => h.replace(/map info.*\n/, ''),
      undefined,
      /nowhere\.hdr: map info: the size of its pixels is unknown/,
    ],
    [
      'of a pixel size of nothing',
      'flat',
      (h: string) => h.replace(/3900000, 4, 4/, '3900000, 0, 0'),
      undefined,
      /flat\.hdr: map info: not a pixel size; found 0 x 0/,
    ],
    [
      'missing',
      'missing',
      undefined,
      undefined,
      /missing\.hdr: (no such file|the data file of this header is missing)/,
    ],
  ] as const)('%s: one line, exit 3, no patch file', async (_, name, change, bytes, message) => {
    if (change) broken(name, change, bytes);
    const out = `broken_${name}`;
    const run = await bandliftHere(['prepare', `${name}.hdr`, '--out', out, '--patch', '4'], work);
    expect(expectOneError(run.stderr)).toMatch(message);
    expect(run.status).toBe(EXIT.badInput);
    expect([...fingerprint(join(work, out)).keys()].filter((file) => /h5/.test(file))).toEqual([]);
  });

  it('do not hold up the others, and are in the report', async () => {
    broken('bad', () => 'JPEG');
    const run = await bandliftHere(
      ['prepare', 'bad.hdr', 'alpha.hdr', 'beta.hdr', '--out', 'mixed', '--patch', '4'],
      work,
    );
    expect(run.status).toBe(EXIT.badInput);
    expect(run.stderr).toMatch(/warning: failed: bad\.hdr: line 1: not an ENVI header/);
    expect(expectOneError(run.stderr)).toMatch(/1 of 3 scenes failed; the first: bad\.hdr: line 1/);
    expect([...patchFiles('mixed').keys()]).toEqual(['alpha.h5', 'beta.h5']);
    const report = reportOf('mixed');
    expect(report.failed).toMatchObject([{ scene: 'bad.hdr', name: 'bad' }]);
    expect(report.totals.scenes).toBe(2);
  });

  it('without any valid pixel: no patch was kept', async () => {
    writeCube(join(work, 'void'), {
      lines: 40,
      samples: 40,
      bands: BANDS,
      type: 2,
      value: () => -9999,
      entries: ENTRIES,
    });
    const run = await bandliftHere(['prepare', 'void.hdr', '--out', 'empty'], work);
    expect(expectOneError(run.stderr)).toMatch(/empty: no patch was kept; the table says why/);
    expect(run.status).toBe(EXIT.badInput);
    expect(run.stdout).toMatch(/void +40 x 40 +105 -> 83 +4 +4 +0 +1 +0 +3 +-/);
  });
});
