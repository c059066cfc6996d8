/** `bandlift predict` as a user runs it: files in, files out, killed, interrupted, short of memory. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelSpec } from '../../src/models/spec.js';
import { EnviOutput } from '../../src/scenes/envi_output.js';
import { checkpointOf, memoryScene } from '../predict/support.js';
import { bandlift, bandliftHere, startBandlift, temporaryFolder } from '../support/cli.js';
import { describeLong } from '../support/long.js';

const WIDE: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 7,
  outBands: 200,
  hidden: 32,
  blocks: 1,
  axis: 'row',
  regression: 'none',
};

const folder = temporaryFolder();
const hash = (name: string) =>
  createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');

async function writeScene(name: string, height: number, width: number): Promise<void> {
  const { values, valid, georeference } = memoryScene(height, width, 7, (y, x) => y + x === 9);
  const description = {
    height,
    width,
    bands: 7,
    dataType: 'float32',
    interleave: 'bip',
    units: 'reflectance',
  } as const;
  const output = await EnviOutput.create(join(folder, name), { ...description, georeference: georeference! });
  await output.write({ y: 0, x: 0, height, width }, values, valid, 0);
  await output.finish();
}

interface Event {
  readonly event: string;
  readonly [field: string]: unknown;
}

function run(...args: string[]): { status: number | null; stderr: string; events: Event[] } {
  const { status, stdout, stderr } = bandlift(['predict', '--stage1', 'wide.safetensors', ...args, '--json'], folder);
  const events = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
  return { status, stderr, events };
}

const done = (events: Event[]) => events.find(({ event }) => event === 'done') as Event & Record<string, number>;

beforeAll(async () => {
  await checkpointOf(folder, 'wide', WIDE);
  await writeScene('small', 120, 130);
  await writeScene('large', 240, 260);
});

describeLong('bandlift predict', () => {
  it('killed in the middle, then interrupted, it ends with the same bytes', { timeout: 300_000 }, async () => {
    const args = ['predict', '--stage1', 'wide.safetensors', 'small.img', '--tile', '3'];
    expect(bandlift([...args, '--out', 'straight'], folder).status).toBe(0);
    const first = startBandlift([...args, '--out', 'killed'], folder);
    // the first pass is done and noted: the second, as long, has just begun
    const state = join(folder, 'killed.work/stage1/state.json');
    const journal = () => existsSync(state) && readFileSync(state, 'utf8').includes('"segment":1');
    while (!journal() && first.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
    first.child.kill('SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');
    const second = startBandlift([...args, '--out', 'killed', '--resume'], folder);
    await new Promise((resolve) => second.child.stdout!.once('data', resolve));
    second.child.kill('SIGINT');
    expect((await second.exited).code).toBe(130);
    expect(second.stderr()).toMatch(/run the same command again to continue/);
    expect(existsSync(join(folder, 'killed.img'))).toBe(false);
    expect(bandlift([...args, '--out', 'killed', '--resume', '--threads', '1'], folder).status).toBe(0);
    expect(hash('killed.img')).toBe(hash('straight.img'));
    expect(hash('killed.hdr')).toBe(hash('straight.hdr'));
  });
});

describe('bandlift predict', () => {
  it('writes a cube and nothing else; --plan writes nothing', () => {
    const plan = run('small.img', '--out', 'cube', '--tile', '50', '--plan');
    expect(plan.status).toBe(0);
    expect(plan.events.map(({ event }) => event)).toEqual(['plan']);
    // 3 x 3 tiles of 50 pixels; convolutions reach 2 + 2 pixels before the mean, and one more after it
    expect((plan.events[0]!.stages as { passes: object[] }[])[0]!.passes).toEqual([
      { tiles: 9, tile_height: 50, tile_width: 50, halo: 4 },
      { tiles: 9, tile_height: 50, tile_width: 50, halo: 5 },
    ]);
    expect(readdirSync(folder).filter((name) => name.startsWith('cube'))).toEqual([]);
    const { status, stderr, events } = run('small.img', '--out', 'cube', '--tile', '50');
    expect([status, stderr]).toEqual([0, '']);
    expect(done(events)).toMatchObject({ bytes: 120 * 130 * 200 * 4, pixels: 120 * 130, nodata: 10, notFinite: 0 });
    expect(readdirSync(folder).filter((name) => name.startsWith('cube'))).toEqual(['cube.hdr', 'cube.img']);
  });

  it('tells what is wrong in one line', async () => {
    for (const [args, status, text] of [
      [['small.img', '--out', 'w', '--roi', '1,2,3'], 2, /x0,y0,width,height/],
      [['small.img', '--out', 'w', '--roi-map', '5,5,1,1'], 2, /xmin,ymin,xmax,ymax/],
      [['small.img', '--out', 'w', '--max-memory', '10M'], 5, /max-memory.*expected at least/],
      [['small.img', '--out', 'nowhere/w'], 2, /nowhere: no such folder/],
      [['small.img', '--out', 'w', '--scale', '2'], 2, /int16/],
      [['missing.img', '--out', 'w'], 3, /missing.img/],
      [['small.img', '--out', 'w', '--resume'], 2, /no unfinished prediction/],
      [['wide.safetensors', '--out', 'w'], 3, /wide.safetensors/],
    ] as const) {
      const result = await bandliftHere(['predict', '--stage1', 'wide.safetensors', ...args, '--json'], folder);
      expect([args, result.status]).toEqual([args, status]);
      expect(result.stderr).toMatch(text);
      expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('w.'))).toEqual([]);
  });
});

describeLong('bandlift predict of a large scene', () => {
  it('stays within --max-memory, however large the scene', { timeout: 300_000 }, () => {
    const limit = 420 * 2 ** 20;
    const peakOf = (name: string, ...more: string[]) => {
      const { status, stderr, events } = run(
        `${name}.img`,
        '--out',
        'm',
        '--overwrite',
        '--max-memory',
        '420M',
        ...more,
      );
      expect([status, stderr]).toEqual([0, '']);
      return done(events).peak_rss_bytes!;
    };
    // the cube has 200 MB, half of the limit
    expect(peakOf('large')).toBeLessThan(limit);
    // tiles of one size, four times as many: 150 MB more are written. V8 lets some 64 MB of dead arrays stand before it
    // collects, which the smaller scene does not reach
    const growth = peakOf('large', '--tile', '40') - peakOf('small', '--tile', '40');
    expect(growth).toBeLessThan(64 * 2 ** 20);
  });
});
