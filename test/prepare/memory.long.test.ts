/** --max-memory: resident memory stays below it whatever the size of the scene. The cube is sparse: mostly a hole in the file. */
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bandlift, temporaryFolder } from '../support/cli.js';
import { braces, enviHeader, utm } from '../support/envi_cubes.js';

const work = temporaryFolder();
const SAMPLES = 300;
const BANDS = 425;
const LINES = 8000;
/** Tells the largest resident memory of the whole process, threads included, in KiB. */
const PEAK = `data:text/javascript,import {isMainThread} from 'node:worker_threads';import {writeFileSync} from 'node:fs';if(isMainThread)process.on('exit',()=>writeFileSync('peak',String(process.resourceUsage().maxRSS)));`;

/** 2 GB of int16 BIL, of which 300 lines from `first` on are there. */
function sparseCube(name: string, first: number): void {
  const size = { lines: LINES, samples: SAMPLES, bands: BANDS };
  const entries = {
    'map info': utm(4),
    wavelength: braces(Array.from({ length: BANDS }, (_, b) => 376.86 + 5.009 * b)),
    'data ignore value': -9999,
    'reflectance scale factor': 10000,
  };
  writeFileSync(join(work, `${name}.hdr`), enviHeader({ ...size, type: 2, interleave: 'bil', entries }));
  const path = join(work, `${name}.img`);
  writeFileSync(path, '');
  truncateSync(path, LINES * SAMPLES * BANDS * 2);
  const handle = openSync(path, 'r+');
  for (let line = 0; line < 300; line++) {
    const values = Int16Array.from({ length: SAMPLES * BANDS }, (_, i) => 1000 + ((i * 7919 + line * 104729) % 4000));
    writeSync(handle, Buffer.from(values.buffer), 0, values.byteLength, (first + line) * SAMPLES * BANDS * 2);
  }
  closeSync(handle);
}

it('2 GB under 512 MiB: what is there is found, empty strips are passed over', () => {
  sparseCube('sparse', 3800);
  const args = ['prepare', 'sparse.hdr', '--out', 'out', '--max-memory', '512M', '--noise', '--json'];
  const run = bandlift(args, work, { NODE_OPTIONS: `--import "${PEAK}"` });
  expect(run.stderr).not.toMatch(/error/);
  expect(run.status).toBe(0);
  const events = run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  // 8000 lines are 1066 coarse rows: 31 rows of patches of 34 and a rest; 300 samples are 40 columns: one patch and a rest.
  // Lines 3800 to 4099 hold the patch row of lines 3825 to 4079 whole and parts of its neighbours: 25 and 20 lines of 255.
  expect(events.find((event) => event.event === 'scene')).toMatchObject({
    candidates: 64,
    kept: 1,
    dropped: { empty: 28, nodata: 2, outside: 33 },
  });
  expect(Number(readFileSync(join(work, 'peak'), 'utf8'))).toBeLessThan(512 * 1024);
});

it('too small a limit is refused before anything is read, with what would do', () => {
  const run = bandlift(['prepare', 'sparse.hdr', '--out', 'small', '--max-memory', '260M'], work);
  expect(run.status).toBe(5);
  expect(run.stderr).toMatch(
    /^error: sparse\.hdr: max-memory: does not fit into the memory allowed for it; found 180 MiB for this scene, expected at least \d+ MiB for patches of 34 Landsat pixels; raise the limit by \d+ MiB, use fewer --workers, or --patch \d+\n$/,
  );
});
