/** What the environment says about the ranks of this start: who launched them, how many, which one this is. */
import { BandliftError, EXIT } from '../base/errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface TcpPlacement {
  readonly transport: 'tcp';
  readonly rank: number;
  readonly size: number;
  /** Whether all ranks are on this host. */
  readonly oneHost: boolean;
  /** Where rank 0 writes its address; else `host` and `port` are given. */
  readonly file?: string;
  readonly host?: string;
  readonly port?: number;
}

export interface MpiPlacement {
  readonly transport: 'mpi';
  /** Ranks that the launcher says there are. */
  readonly size: number;
  /** The variable that says it. */
  readonly from: string;
}

export type Placement = TcpPlacement | MpiPlacement;

function whole(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new BandliftError('is not a whole number', { field: name, found: text }, EXIT.usage);
}

/**
 * Launchers in the order in which they count: one that was started by another is nearer. SLURM_STEP_NUM_TASKS is of `srun`;
 * SLURM_NTASKS alone is of the allocation, whose script runs once.
 */
const MPI_SIZES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE', 'MV2_COMM_WORLD_SIZE', 'SLURM_STEP_NUM_TASKS'] as const;

/** Undefined for a process that is alone. Throws (exit 2) for variables that contradict each other. */
export function placementOf(env: Environment): Placement | undefined {
  if (env.BANDLIFT_RANKS === 'off') return undefined;
  for (const from of MPI_SIZES) {
    const size = whole(env, from);
    if (size !== undefined) return size > 1 ? { transport: 'mpi', size, from } : undefined;
  }
  const size = whole(env, 'WORLD_SIZE');
  if (size === undefined || size <= 1) return undefined;
  const rank = whole(env, 'RANK');
  if (rank === undefined || rank >= size)
    throw new BandliftError(
      'is not a rank of WORLD_SIZE',
      { field: 'RANK', found: env.RANK ?? 'nothing', expected: `0 to ${size - 1}` },
      EXIT.usage,
    );
  const oneHost = whole(env, 'LOCAL_WORLD_SIZE') === size;
  const file = env.BANDLIFT_RENDEZVOUS;
  if (file) return { transport: 'tcp', rank, size, oneHost, file };
  const host = env.MASTER_ADDR;
  const port = whole(env, 'MASTER_PORT');
  if (!host || port === undefined)
    throw new BandliftError(
      'ranks cannot meet',
      {
        field: 'MASTER_ADDR, MASTER_PORT',
        found: `${host ?? 'nothing'}, ${port ?? 'nothing'}`,
        hint: 'set both, or BANDLIFT_RENDEZVOUS to a file that all ranks see; WORLD_SIZE=1 or BANDLIFT_RANKS=off for one process',
      },
      EXIT.usage,
    );
  // torchrun's own store listens at MASTER_PORT
  const taken = env.TORCHELASTIC_USE_AGENT_STORE === 'True';
  return { transport: 'tcp', rank, size, oneHost, host, port: taken ? port + 1 : port };
}

/** A batch script that was given several tasks runs once: they are there for `srun`. */
export function unusedTasks(env: Environment): number | undefined {
  const tasks = whole(env, 'SLURM_NTASKS');
  const alone = placementOf(env) === undefined && env.SLURM_STEP_NUM_TASKS === undefined;
  return alone && env.BANDLIFT_RANKS !== 'off' && tasks !== undefined && tasks > 1 ? tasks : undefined;
}
