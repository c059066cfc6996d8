/** MPI: which library, and whether it sees the ranks that were launched. */
import { spawnSync } from 'node:child_process';
import { loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Communicator } from './communicator.js';
import type { MpiPlacement } from './placement.js';

const OPEN_MPI = ['libmpi.so.40'];
/** libmpich.so.12 is Debian's name. */
const MPICH = ['libmpi_abi.so.1', 'libmpi.so.12', 'libmpich.so.12'];

/** Names to try, those that fit the launcher first: another family's library would see one rank. BANDLIFT_MPI alone counts. */
export function mpiNames(env: Readonly<Record<string, string | undefined>>): string[] {
  if (env.BANDLIFT_MPI) return [env.BANDLIFT_MPI];
  if (env.OMPI_COMM_WORLD_SIZE !== undefined) return [...OPEN_MPI, 'libmpi_abi.so.1', 'libmpi.so'];
  if (env.PMI_SIZE !== undefined && env.PMIX_RANK === undefined) return [...MPICH, 'libmpi.so', ...OPEN_MPI];
  return ['libmpi_abi.so.1', 'libmpi.so', 'libmpi.so.12', ...OPEN_MPI, 'libmpich.so.12'];
}

/** What `srun` could start MPI with; '' where there is no srun. */
export function srunTypes(): string {
  const { stdout, stderr, status } = spawnSync('srun', ['--mpi=list'], { encoding: 'utf8', timeout: 5000 });
  if (status !== 0) return '';
  return namesOfTypes(`${stdout}${stderr}`);
}

/** 'MPI plugin types are...', then a name on each line; some versions go on with 'specific pmix plugin versions available: ...'. */
export function namesOfTypes(text: string): string {
  const names = text.split('\n').map((line) => line.trim());
  return names.filter((name) => /^[\w-]+$/.test(name)).join(', ');
}

/**
 * UCX (below MPICH and Open MPI) and Open MPI itself watch memory: they write over the first instructions of mmap, munmap and brk,
 * and UCX tries its own by moving the heap's end up and down again. JavaScript's threads are inside these functions at any time and
 * lose what they got in between: with Debian's MPICH a process crashed now and then (1 start of 8 that made garbage meanwhile; none
 * of 8 with this). What is lost is a cache of registered memory, for networks that need one. Whoever sets these variables knows better.
 */
export function keepMemoryAlone(env: Record<string, string | undefined>): void {
  env.UCX_MEM_EVENTS ??= 'n';
  env.OMPI_MCA_memory ??= '^patcher';
}

/**
 * Opens MPI. Throws (exit 1) where there is none, or where it sees another number of ranks than the launcher started: an MPI
 * that does not know its launcher starts every rank as rank 0 of 1, without a word.
 */
export async function openMpi({ size, from }: MpiPlacement): Promise<Communicator> {
  const names = mpiNames(process.env);
  keepMemoryAlone(process.env);
  const communicator = await loadAddon()
    .openMpi(names)
    .catch((error: Error) => {
      const hint =
        'load a module of MPI, or name its library with BANDLIFT_MPI=FILE; on one host `bandlift launch --ranks N` needs none';
      throw new BandliftError(error.message, { field: from, found: size, hint }, EXIT.failure);
    });
  if (communicator.size === size) return communicator;
  const types = srunTypes();
  const launch = types === '' ? '' : ` (this srun offers ${types})`;
  throw new BandliftError(
    `${communicator.name} sees ${communicator.size} rank${communicator.size === 1 ? '' : 's'}: it does not know what launched it`,
    {
      field: from,
      found: size,
      hint: `launch with \`srun --mpi=pmix\` or \`srun --mpi=pmi2\`${launch}, or with the mpirun that belongs to this library; BANDLIFT_MPI=FILE names another library; BANDLIFT_RANKS=off for processes that are alone`,
    },
    EXIT.failure,
  );
}
