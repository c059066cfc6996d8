/** A disk that runs full: a tmpfs of 1 MB, mounted for the test (needs root on Linux). */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { expectOneError, fingerprint } from '../support/broken.js';
import { bandlift, TINY, temporaryFolder } from '../support/cli.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';

const work = temporaryFolder();
const disk = join(work, 'disk');
mkdirSync(disk);
const mount = () => spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { encoding: 'utf8' });
const unmount = () => void execFileSync('umount', [disk]);
const mounted = mount(); // a try: tests must be declared or left out before they run
if (mounted.status === 0) unmount();
const refusal =
  mounted.status === 0 ? undefined : (mounted.error?.message ?? mounted.stderr.trim()).replaceAll(/\s+/g, ' ');
// Whoever asks for all tests gets this one wherever it can run: only a system that forbids mounting may leave it out.
const forbidden = process.getuid?.() !== 0 || /permission|permitted|superuser|denied/i.test(refusal ?? '');
if (refusal !== undefined && process.env.BANDLIFT_REQUIRE_ALL === '1' && !forbidden)
  throw new Error(`a tmpfs cannot be mounted: ${refusal}`);

const train = (epochs: string, ...more: string[]) => [
  'train',
  'stage1',
  '--data-dir',
  '../patches.h5',
  '--output-dir',
  'run',
  '--epochs',
  epochs,
  ...TINY,
  ...more,
];

/** Uses up the disk but for `room` bytes. */
function fill(room: number): void {
  rmSync(join(disk, 'filler'), { force: true });
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - room)));
}

const noTemporaries = () =>
  expect([...fingerprint(disk).keys()].filter((name) => /\.(tmp|lock)$/.test(name))).toEqual([]);

const title = 'a full disk';
if (refusal !== undefined) describe.skip(`${title} (skipped: mount: ${refusal})`, () => it('needs a tmpfs', () => {}));
else
  describe(title, () => {
    beforeAll(async () => {
      expect(mount().status).toBe(0);
      const shape = { patches: 6, height: 8, width: 8, inBands: 7, outBands: 12 };
      await writeHdf5(join(work, 'patches.h5'), { ...patchDatasets(shape) });
      expect(bandlift(train('1'), disk).status).toBe(EXIT.ok);
      cpSync(join(disk, 'run'), join(work, 'run'), { recursive: true });
      rmSync(join(disk, 'run'), { recursive: true });
    });
    afterAll(unmount);

    it.each([0, 4096, 12288, 24576])('training with %i bytes left', async (room) => {
      fill(room);
      try {
        const result = bandlift(train('1'), disk);
        expect(expectOneError(result.stderr)).toMatch(
          /run.*: the disk is full.*free some space or choose another folder/,
        );
        expect(result.status).toBe(EXIT.failure);
        noTemporaries();
      } finally {
        rmSync(join(disk, 'run'), { recursive: true, force: true });
      }
    });

    it('resuming keeps the checkpoint that was there, and goes on when there is room', async () => {
      rmSync(join(disk, 'filler'), { force: true });
      cpSync(join(work, 'run'), join(disk, 'run'), { recursive: true });
      fill(8192);
      const checkpoints = join(disk, 'run/checkpoints');
      const before = fingerprint(checkpoints);
      const result = bandlift(train('3', '--resume'), disk);
      expect(expectOneError(result.stderr)).toMatch(/run.*: the disk is full/);
      expect(result.status).toBe(EXIT.failure);
      noTemporaries();
      expect(fingerprint(checkpoints)).toEqual(before);
      fill(600_000);
      const again = bandlift(train('3', '--resume'), disk);
      expect(again.stderr).not.toMatch(/error/);
      expect(again.status).toBe(EXIT.ok);
      const { state } = await loadCheckpoint(join(checkpoints, 'last.safetensors'));
      expect(state.progress.epoch).toBe(4);
      rmSync(join(disk, 'run'), { recursive: true });
    });

    it('a sample leaves nothing half-written', () => {
      fill(100_000);
      const result = bandlift(
        ['sample', '--out', 'sample', '--patch-size', '12', '--patches', '18', '--no-fine'],
        disk,
      );
      expect(expectOneError(result.stderr)).toMatch(/sample.*: the disk is full/);
      expect(result.status).toBe(EXIT.failure);
      noTemporaries();
      expect([...fingerprint(disk).keys()]).not.toContain('sample/sample.json');
      rmSync(join(disk, 'sample'), { recursive: true, force: true });
    });
  });
