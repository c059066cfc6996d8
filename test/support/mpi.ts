/** Launchers and libraries of MPI: Debian's two, and the wheel `mpich` 5 (standard ABI) beside the peers' Python. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'vitest';
import { python } from './python.js';

export interface Mpi {
  readonly name: string;
  readonly mpirun: string;
  readonly args: readonly string[];
  /** As BANDLIFT_MPI names it. */
  readonly library: string;
  /** What the library calls its ABI in its name. */
  readonly abi: string;
  readonly env: Readonly<Record<string, string>>;
}

const pythonFolder = () => {
  const path = python();
  return path === undefined ? undefined : dirname(dirname(path));
};

const onPath = (name: string) =>
  (process.env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

// tests run as root in containers, with more ranks than cores
const OPEN_MPI_ENV = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_mpi_yield_when_idle: '1',
  OMPI_MCA_btl_vader_single_copy_mechanism: 'none',
};

/** Debian's openmpi-bin. */
export const OPEN_MPI = {
  name: 'Open MPI',
  mpirun: onPath('mpirun.openmpi'),
  args: ['--bind-to', 'none'],
  library: 'libmpi.so.40',
  abi: "Open MPI's ABI",
  env: OPEN_MPI_ENV,
};

/** Debian's mpich, whose library has a name of its own. */
export const MPICH = {
  name: 'MPICH',
  mpirun: onPath('mpirun.mpich'),
  args: [],
  library: 'libmpich.so.12',
  abi: "MPICH's ABI",
  env: {},
};

const wheel = pythonFolder();
const wheelLibrary = wheel === undefined ? '' : join(wheel, 'lib/libmpi_abi.so.1');

export const STANDARD = {
  name: 'MPICH 5 (standard ABI)',
  mpirun: existsSync(wheelLibrary) ? join(wheel!, 'bin/mpiexec') : undefined,
  args: [],
  library: wheelLibrary,
  abi: 'standard ABI',
  env: {},
};

/** Declares tests that need this MPI; without it they are skipped and the reason is printed. */
export function describeMpi(mpi: Omit<Mpi, 'mpirun'> & { mpirun: string | undefined }, body: (mpi: Mpi) => void): void {
  const { mpirun } = mpi;
  if (mpirun !== undefined) return void describe(mpi.name, () => body({ ...mpi, mpirun }));
  if (process.env.BANDLIFT_REQUIRE_ALL === '1') throw new Error(`${mpi.name} is not installed`);
  describe.skip(`ranks (skipped: ${mpi.name} is not installed)`, () => body({ ...mpi, mpirun: 'mpirun' }));
}
