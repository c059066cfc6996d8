/** What doctor says of MPI and SLURM. */
import { expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { inspectMpi, inspectSlurm } from '../../src/cli/doctor_cluster.js';
import { describeMpi, MPICH, OPEN_MPI } from '../support/mpi.js';

loadAddon();

for (const one of [OPEN_MPI, MPICH])
  describeMpi(one, (mpi) => {
    it('is found with its ABI and the thread level it grants, also inside a job', () => {
      process.env.PMI_SIZE = '4'; // of a launcher that is not there for doctor's own process
      try {
        const finding = inspectMpi(addonPath()!, { BANDLIFT_MPI: mpi.library });
        expect(finding).toMatchObject({ what: 'MPI', ok: true, optional: true });
        expect(finding.found).toMatch(/^(Open MPI v|MPICH Version:)\S* ?\(/);
        expect(finding.found).toContain(`(${mpi.library}, ${mpi.abi}, MPI_THREAD_`);
      } finally {
        delete process.env.PMI_SIZE;
      }
    });
  });

it('a machine without MPI or SLURM lacks nothing, and is told what to do for several nodes', () => {
  const none = inspectMpi(addonPath()!, { BANDLIFT_MPI: 'libnot-there.so' });
  expect(none).toMatchObject({ ok: false, optional: true, found: 'none of libnot-there.so' });
  expect(none.remedy).toMatch(/BANDLIFT_MPI/);
  const path = process.env.PATH;
  process.env.PATH = '';
  try {
    expect(inspectSlurm()).toEqual({ what: 'SLURM', found: 'no srun', ok: false, optional: true });
  } finally {
    process.env.PATH = path;
  }
});
