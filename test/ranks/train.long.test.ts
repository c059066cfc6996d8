/** Ranks by every MPI, four of them, over 50 steps and more; the same bits with --deterministic-ranks; 4 ranks, then 2. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bandlift, temporaryFolder } from '../support/cli.js';
import { describeMpi, MPICH, OPEN_MPI, STANDARD } from '../support/mpi.js';
import { apart, epochsDone, processesOf, STAGE1, STAGE2, startOver, trainOver } from '../support/rank_runs.js';
import { allMetricsOf, hashOf } from '../support/runs.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const at = (name: string) => join(work, name);
/** Three batches an epoch, the last of fewer patches. */
const LONG = ['--epochs', '18', '--lr', '1e-4'];
const MIXED = STAGE2.map((arg) => (arg === 'simulated' ? 'mix' : arg));
const last = (run: string) => hashOf(at(`${run}/checkpoints/last.safetensors`));

beforeAll(async () => {
  mkdirSync(at('scenes'));
  await writeTwoGrids(at('scenes'), { hole: true, patches: 5 });
  for (const [args, out] of [
    [STAGE1, 'one1'],
    [STAGE2, 'one2'],
  ] as const)
    expect(bandlift([...args, ...LONG, '--output-dir', out], work).status).toBe(0);
});

for (const one of [OPEN_MPI, MPICH, STANDARD])
  describeMpi(one, (mpi) => {
    it.each([
      [1, 2, STAGE1],
      [1, 4, STAGE1],
      [2, 2, STAGE2],
      [2, 4, STAGE2],
    ])('stage %i on %i ranks: the curve of one process', (stage, ranks, args) => {
      const out = `${mpi.abi.replace(/\W/g, '')}-${stage}-${ranks}`;
      const run = trainOver(ranks, [...args, ...LONG, '--output-dir', out], work, mpi);
      expect(run.stderr).toBe('');
      expect(run.status).toBe(0);
      expect(run.stdout).toContain(mpi.abi);
      expect(allMetricsOf(at(out)).at(-1)!.step).toBeGreaterThanOrEqual(50);
      // float32 sums in another order
      expect(apart(at(`one${stage}`), at(out))).toBeLessThan(1e-5);
    });

    it('the same bits with --deterministic-ranks, by MPI and by TCP', () => {
      const args = [...STAGE1, '--epochs', '3', '--deterministic-ranks'];
      const out = `${mpi.abi.replace(/\W/g, '')}-bits`;
      expect(trainOver(4, [...args, '--output-dir', out], work, mpi).status).toBe(0);
      expect(trainOver(4, [...args, '--output-dir', `${out}-tcp`], work).status).toBe(0);
      expect(last(`${out}-tcp`)).toBe(last(out));
    });

    it('ends within 10 s of the death of a rank', async () => {
      const out = at(`${mpi.abi.replace(/\W/g, '')}-killed`);
      const run = startOver(3, [...STAGE1, '--epochs', '100000', '--output-dir', out], work, mpi);
      await epochsDone(out, 3);
      const [victim] = processesOf(out, 1);
      const killed = Date.now();
      process.kill(victim!, 'SIGKILL');
      expect(await run.ended).not.toBe(0);
      expect(Date.now() - killed).toBeLessThan(10_000);
      // MPICH's mpirun kills all that are left before they can say anything
      expect(run.stderr() + run.stdout()).toMatch(
        /rank 1 \(host \S+, process \d+\) is gone; its last step was \d+|rank 1 .*signal 9|EXIT CODE: 9/i,
      );
    });
  });

describe('another number of ranks', () => {
  it('goes on with a run: 4, then 2, as one process', async () => {
    const run = startOver(4, [...STAGE1, ...LONG, '--output-dir', at('four')], work);
    await epochsDone(at('four'), 2);
    process.kill(processesOf(at('four'), 3)[0]!, 'SIGTERM');
    expect(await run.ended).toBe(130);
    const resumed = trainOver(2, ['train', 'stage1', '--resume', '--output-dir', at('four')], work);
    expect(resumed.status).toBe(0);
    expect(apart(at('one1'), at('four'))).toBeLessThan(1e-5);
  });
});

describe('a mixture of inputs', () => {
  it('is the same on ranks', () => {
    const stage1 = ['--stage1', at('one1/checkpoints/best.safetensors')];
    const args = [...MIXED, ...stage1, '--epochs', '3'];
    expect(bandlift([...args, '--output-dir', 'mix1'], work).status).toBe(0);
    const run = trainOver(2, [...args, '--output-dir', 'mix2'], work);
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    expect(apart(at('mix1'), at('mix2'))).toBeLessThan(1e-5);
    const held = [...args, '--data-on-device', 'on', '--output-dir', 'mix3'];
    expect(trainOver(2, held, work).status).toBe(0);
    expect(last('mix3')).toBe(last('mix2'));
  });
});
