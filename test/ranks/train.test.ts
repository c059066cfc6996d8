/** Training over processes: two ranks make the run of one, and where one dies the others end. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bandlift, bandliftHere, cliPath, temporaryFolder } from '../support/cli.js';
import { describeMpi, OPEN_MPI } from '../support/mpi.js';
import { apart, epochsDone, processesOf, STAGE1, STAGE2, startOver, trainOver } from '../support/rank_runs.js';
import { testRowsOf } from '../support/runs.js';
import { writeTwoGrids } from '../support/two_grids.js';

const work = temporaryFolder();
const at = (name: string) => join(work, name);

beforeAll(async () => {
  // masked pixels: ranks have different numbers of valid ones
  mkdirSync(at('scenes'));
  await writeTwoGrids(at('scenes'), { hole: true, patches: 5 });
  for (const [args, name] of [
    [STAGE1, 'one1'],
    [STAGE2, 'one2'],
  ] as const)
    expect((await bandliftHere([...args, '--epochs', '3', '--output-dir', at(name)].map(absolute), work)).status).toBe(
      0,
    );
});

const absolute = (arg: string) => (arg === 'scenes' ? at('scenes') : arg);

/** float32 sums in another order, over a dozen steps of Adam. */
const CLOSE = 1e-5;

describeMpi(OPEN_MPI, (mpi) => {
  it.each([
    [1, STAGE1],
    [2, STAGE2],
  ])('two ranks train stage %i as one process does', (stage, args) => {
    const run = trainOver(2, [...args, '--epochs', '3', '--output-dir', `mpi${stage}`], work, mpi);
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/^ranks: 2 \(2 on .*\), 2 of a batch's 4 patches each; MPI: Open MPI v.*MPI_THREAD_/m);
    // what others print would be here twice
    expect(run.stdout.match(/^epoch 3\/3/gm)).toHaveLength(1);
    expect(apart(at(`one${stage}`), at(`mpi${stage}`))).toBeLessThan(CLOSE);
    testRowsOf(at(`one${stage}`)).forEach((row, i) => {
      expect(Math.abs(testRowsOf(at(`mpi${stage}`))[i]!.rmse / row.rmse - 1), row.label).toBeLessThan(CLOSE);
    });
  });
});

describe('bandlift launch', () => {
  it('ends all ranks within 10 s of the death of one, saying which', async () => {
    const run = startOver(3, [...STAGE1, '--epochs', '100000', '--output-dir', at('killed')], work);
    await epochsDone(at('killed'), 3);
    const [victim, ...none] = processesOf(at('killed'), 2);
    expect(none).toEqual([]);
    const killed = Date.now();
    process.kill(victim!, 'SIGKILL');
    expect(await run.ended).toBe(1);
    expect(Date.now() - killed).toBeLessThan(10_000);
    expect(run.stderr().trim()).toMatch(
      new RegExp(
        `^error: rank 2 \\(host \\S+, process ${victim}\\) is gone; its last step was \\d+; ending the other ranks$`,
      ),
    );
    expect(processesOf(at('killed'), 0)).toEqual([]);
    expect(processesOf(at('killed'), 1)).toEqual([]);
    // nobody was left to save it: the last checkpoint on the disk is whole
    expect(existsSync(at('killed/checkpoints/last.safetensors'))).toBe(true);
  });

  it('stops at the same step on all ranks when one is signalled, and another number of ranks goes on', async () => {
    const args = [...STAGE1, '--epochs', '400', '--output-dir', at('part')];
    const run = startOver(3, args, work);
    await epochsDone(at('part'), 2);
    process.kill(processesOf(at('part'), 1)[0]!, 'SIGUSR2');
    expect(await run.ended).toBe(130);
    expect(run.stdout()).toMatch(/^interrupted; everything up to this step is in .*last\.safetensors$/m);
    const go = ['train', 'stage1', '--resume', '--epochs', '4', '--output-dir', at('part')];
    const resumed = trainOver(2, go, work);
    expect(resumed.stderr).toBe('');
    expect(resumed.status).toBe(0);
    expect(resumed.stdout).toMatch(/^resuming at epoch \d+, batch \d+, step \d+$/m);
  });

  it('goes on, starts or does nothing with --resume auto, and queues its job again', async () => {
    const args = [...STAGE1, '--epochs', '2', '--init', at('one1/checkpoints/best.safetensors'), '--resume', 'auto'];
    const auto = (...more: string[]) =>
      bandliftHere([...args, '--output-dir', at('auto'), ...more].map(absolute), work);
    const first = await auto();
    expect(first.stdout).toMatch(/^epoch 2\/2/m);
    expect(first.status).toBe(0);
    const again = await auto();
    expect(again.stdout).toMatch(/^this run is finished; its table is in .*test_metrics\.json$/m);
    expect(again.stdout).not.toMatch(/^epoch/m);
    expect(again.status).toBe(0);
    const more = await auto('--epochs', '3');
    expect(more.stdout).toMatch(/^resuming at epoch 3, batch 0/m);
    expect(more.stdout).toMatch(/^epoch 3\/3/m);
    expect((await auto('--epochs', '3')).stdout).toMatch(/^this run is finished/m);
    // a state that is newer than the table has no table yet
    utimesSync(at('auto/test_metrics.json'), 0, 0);
    expect((await auto('--epochs', '3')).stdout).toMatch(/^test split/m);
    for (const [wrong, message] of [
      [['--resume', 'soon'], /--resume: no such way to resume; found soon, expected nothing, or auto/],
      [['--requeue'], /--requeue: a job that runs again must go on; add --resume auto/],
      [['--resume', 'auto', '--checkpoint', 'x'], /--checkpoint: would take every start of the job back/],
    ] as const) {
      const run = await bandliftHere([...STAGE1, ...wrong], work);
      expect(run.stderr).toMatch(message);
      expect(run.status).toBe(2);
    }
  });

  it('queues its SLURM job again when it is stopped', async () => {
    // a scontrol that writes down what it is asked
    mkdirSync(at('bin'));
    writeFileSync(at('bin/scontrol'), `#!/bin/sh\necho "$@" > ${at('asked')}\n`, { mode: 0o755 });
    const args = [...STAGE1, '--epochs', '100000', '--resume', 'auto', '--requeue', '--output-dir', at('queued')];
    const job = { SLURM_JOB_ID: '4712', PATH: `${at('bin')}:${process.env.PATH}` };
    const child = spawn(process.execPath, [cliPath, ...args], { cwd: work, env: { ...process.env, ...job } });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await epochsDone(at('queued'), 1);
    child.kill('SIGUSR2');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(readFileSync(at('asked'), 'utf8')).toBe('requeue 4712\n');
    expect(text).toMatch(/^job 4712 is in the queue again$/m);
  });

  it('refuses what cannot be, before a run begins', () => {
    const few = trainOver(5, [...STAGE1, '--output-dir', 'few'], work);
    expect(few.status).toBe(2);
    expect(few.stderr.trim()).toBe(
      'error: --batch-size: a batch has fewer patches than there are ranks; found 4, expected at least 5',
    );
    expect(existsSync(at('few/config.yaml'))).toBe(false);
    const other = bandlift(['launch', '--ranks', '2', '--', 'evaluate'], work);
    expect(other.status).toBe(2);
    expect(other.stderr).toMatch(/^error: command: only `train` runs over several ranks; found evaluate/);
  });

  it('tells an MPI that does not know its launcher', () => {
    const run = bandlift([...STAGE1, '--output-dir', 'single'], work, {
      SLURM_STEP_NUM_TASKS: '4',
      BANDLIFT_MPI: 'libnot-there.so',
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(
      /^error: SLURM_STEP_NUM_TASKS: no MPI library can be opened; libnot-there\.so: .*; found 4; load a module of MPI/,
    );
  });
});

describeMpi(OPEN_MPI, (mpi) => {
  it('that was started by another launcher is no rank 0 of 1', () => {
    const run = bandlift([...STAGE1, '--output-dir', 'single'], work, {
      ...mpi.env,
      SLURM_STEP_NUM_TASKS: '4',
      BANDLIFT_MPI: mpi.library,
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(
      /^error: SLURM_STEP_NUM_TASKS: MPI: Open MPI .* sees 1 rank: it does not know what launched it; found 4; launch with `srun --mpi=pmix`/,
    );
    expect(existsSync(at('single'))).toBe(false);
  });
});
