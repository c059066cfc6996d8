/** What launchers leave in the environment, and what follows from it. */
import { describe, expect, it } from 'vitest';
import { jobOf } from '../../src/cli/requeue.js';
import { keepMemoryAlone, mpiNames, namesOfTypes } from '../../src/ranks/mpi.js';
import { placementOf, unusedTasks } from '../../src/ranks/placement.js';

const TORCHRUN = {
  RANK: '1',
  WORLD_SIZE: '4',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '2',
  MASTER_ADDR: 'h',
  MASTER_PORT: '29500',
};

describe('placementOf', () => {
  it.each([
    [{}, undefined],
    [{ WORLD_SIZE: '1', RANK: '0' }, undefined],
    [{ OMPI_COMM_WORLD_SIZE: '1', WORLD_SIZE: '4', RANK: '0' }, undefined],
    [{ OMPI_COMM_WORLD_SIZE: '4' }, { transport: 'mpi', size: 4, from: 'OMPI_COMM_WORLD_SIZE' }],
    // mpirun inside a job starts its own daemons by srun, one for each node
    [
      { OMPI_COMM_WORLD_SIZE: '4', SLURM_STEP_NUM_TASKS: '2' },
      { transport: 'mpi', size: 4, from: 'OMPI_COMM_WORLD_SIZE' },
    ],
    [{ PMI_SIZE: '3' }, { transport: 'mpi', size: 3, from: 'PMI_SIZE' }],
    [
      { SLURM_STEP_NUM_TASKS: '8', SLURM_NTASKS: '8' },
      { transport: 'mpi', size: 8, from: 'SLURM_STEP_NUM_TASKS' },
    ],
    // the script of a job with several tasks runs once
    [{ SLURM_NTASKS: '8', SLURM_PROCID: '0' }, undefined],
    [{ OMPI_COMM_WORLD_SIZE: '4', BANDLIFT_RANKS: 'off' }, undefined],
    [TORCHRUN, { transport: 'tcp', rank: 1, size: 4, oneHost: false, host: 'h', port: 29500 }],
    [
      { ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: 'True' },
      { transport: 'tcp', rank: 1, size: 4, oneHost: false, host: 'h', port: 29501 },
    ],
    [
      { RANK: '0', WORLD_SIZE: '2', LOCAL_WORLD_SIZE: '2', BANDLIFT_RENDEZVOUS: '/f' },
      { transport: 'tcp', rank: 0, size: 2, oneHost: true, file: '/f' },
    ],
  ] as const)('%o', (env, expected) => {
    expect(placementOf(env)).toEqual(expected);
  });

  it.each([
    [{ WORLD_SIZE: '4' }, /^RANK: is not a rank of WORLD_SIZE; found nothing, expected 0 to 3$/],
    [{ WORLD_SIZE: '4', RANK: '4' }, /found 4, expected 0 to 3/],
    [{ WORLD_SIZE: 'many' }, /^WORLD_SIZE: is not a whole number; found many$/],
    [{ WORLD_SIZE: '2', RANK: '0' }, /^MASTER_ADDR, MASTER_PORT: ranks cannot meet; found nothing, nothing; set both/],
    [{ PMI_SIZE: '-1' }, /^PMI_SIZE: is not a whole number/],
  ])('refuses %o', (env, message) => {
    expect(() => placementOf(env)).toThrow(message);
  });

  it('tells a script that has tasks for srun', () => {
    expect(unusedTasks({ SLURM_NTASKS: '4' })).toBe(4);
    expect(unusedTasks({ SLURM_NTASKS: '1' })).toBeUndefined();
    expect(unusedTasks({ SLURM_NTASKS: '4', SLURM_STEP_NUM_TASKS: '4' })).toBeUndefined();
    expect(unusedTasks({ SLURM_NTASKS: '4', BANDLIFT_RANKS: 'off' })).toBeUndefined();
  });
});

describe('SLURM', () => {
  it('names what srun can start MPI with, by what srun 22.05 and 23.11 print', () => {
    const old = 'MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n';
    expect(namesOfTypes(old)).toBe('pmix, none, pmi2');
    expect(namesOfTypes('srun: MPI types are...\nnone\npmi2\n')).toBe('none, pmi2');
  });

  it('names a job as scontrol does', () => {
    expect(jobOf({ SLURM_JOB_ID: '17' })).toBe('17');
    expect(jobOf({ SLURM_JOB_ID: '19', SLURM_ARRAY_JOB_ID: '17', SLURM_ARRAY_TASK_ID: '2' })).toBe('17_2');
    expect(jobOf({})).toBeUndefined();
  });
});

describe('keepMemoryAlone', () => {
  it('sets what is not set', () => {
    const env: Record<string, string | undefined> = { UCX_MEM_EVENTS: 'y' };
    keepMemoryAlone(env);
    expect(env).toEqual({ UCX_MEM_EVENTS: 'y', OMPI_MCA_memory: '^patcher' });
  });
});

describe('mpiNames', () => {
  it('begins with the family of the launcher, and BANDLIFT_MPI wins', () => {
    expect(mpiNames({ OMPI_COMM_WORLD_SIZE: '2' })[0]).toBe('libmpi.so.40');
    expect(mpiNames({ PMI_SIZE: '2' }).indexOf('libmpich.so.12')).toBeLessThan(
      mpiNames({ PMI_SIZE: '2' }).indexOf('libmpi.so.40'),
    );
    expect(mpiNames({ SLURM_STEP_NUM_TASKS: '2' })[0]).toBe('libmpi_abi.so.1');
    expect(mpiNames({ OMPI_COMM_WORLD_SIZE: '2', BANDLIFT_MPI: '/opt/libmpi.so' })).toEqual(['/opt/libmpi.so']);
  });
});
