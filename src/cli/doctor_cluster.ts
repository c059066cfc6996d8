/** What doctor says of MPI and SLURM. A machine without them lacks nothing for one process. */
import { spawnSync } from 'node:child_process';
import { loadAddon } from '../../bindings/load.js';
import { mpiNames, srunTypes } from '../ranks/mpi.js';

/** A line of doctor's. */
export interface ClusterFinding {
  readonly what: string;
  readonly found: string;
  readonly ok: boolean;
  readonly optional: true;
  readonly remedy?: string;
}

/** ms: some libraries look for networks for a while. */
const PATIENCE = 20_000;

/** In a process of its own: a library that cannot start may end it, or wait. `names` as mpiNames gives them. */
function initialised(addon: string, names: readonly string[]): { name: string } | { problem: string } {
  const script =
    'require(process.argv[1]).openMpi(JSON.parse(process.argv[2])).then(async (c) => { console.log(c.name); await c.finish(); }, (e) => { console.error(e.message); process.exit(1); })';
  // what a launcher left would make it wait for other ranks
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OMPI|PMI|PMIX|PRTE|SLURM|HYDRA|MPI_)/.test(name)),
  );
  const result = spawnSync(process.execPath, ['-e', script, addon, JSON.stringify(names)], {
    encoding: 'utf8',
    timeout: PATIENCE,
    env: {
      UCX_MEM_EVENTS: 'n',
      OMPI_MCA_memory: '^patcher',
      ...env,
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    },
  });
  if (result.status === 0) return { name: result.stdout.trim().split('\n').at(-1)! };
  const lines = result.stderr.trim().split('\n');
  const why = result.signal ? `it did not answer within ${PATIENCE / 1000} s` : (lines.at(-1) ?? '');
  return { problem: why === '' ? `exit code ${result.status}` : why };
}

/** `addon`: its file. */
export function inspectMpi(addon: string, env = process.env): ClusterFinding {
  const names = mpiNames(env);
  const { path, version, abi, problem } = loadAddon().mpiReport(names);
  const optional = true as const;
  if (problem !== '') {
    const remedy = 'for several nodes: load a module of MPI, or set BANDLIFT_MPI; `bandlift launch` needs none';
    return { what: 'MPI', found: `none of ${names.join(', ')}`, ok: false, optional, remedy };
  }
  const started = initialised(addon, [path]);
  if ('name' in started) return { what: 'MPI', found: started.name.replace(/^MPI: /, ''), ok: true, optional };
  const remedy = 'try another library with BANDLIFT_MPI';
  return {
    what: 'MPI',
    found: `${version} (${path}, ${abi}) does not start: ${started.problem}`,
    ok: false,
    optional,
    remedy,
  };
}

export function inspectSlurm(): ClusterFinding {
  const { status, stdout } = spawnSync('srun', ['--version'], { encoding: 'utf8', timeout: 5000 });
  if (status !== 0) return { what: 'SLURM', found: 'no srun', ok: false, optional: true };
  const types = srunTypes();
  const offers = types === '' ? 'it does not tell what MPI it offers' : `srun --mpi offers ${types}`;
  return { what: 'SLURM', found: `${stdout.trim()}, ${offers}`, ok: true, optional: true };
}
