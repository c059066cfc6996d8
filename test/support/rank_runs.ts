/** Training over several processes on small scenes, and what to compare of it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CliResult, cliPath } from './cli.js';
import type { Mpi } from './mpi.js';
import { allMetricsOf } from './runs.js';

/** A stage-1 run of a second on the scenes of two_grids.ts; one thread each. */
export const STAGE1 = [
  ...['train', 'stage1', '--data-dir', 'scenes', '--blocks', '1', '--hidden', '6', '--batch-size', '4', '--lr', '1e-3'],
  ...['--image-every', '0', '--patience', '0', '--seed', '7', '--device', 'cpu', '--threads', '1'],
];
export const STAGE2 = [
  ...['train', 'stage2', '--data-dir', 'scenes', '--input', 'simulated', '--model', 'spatial_lightweight'],
  ...['--features', '4', '--blocks', '1', '--batch-size', '4', '--lr', '1e-3', '--image-every', '0', '--patience', '0'],
  ...['--seed', '7', '--device', 'cpu', '--threads', '1'],
];

/** Program and arguments that start `args` on so many ranks; without `mpi` by `bandlift launch`. */
function launch(ranks: number, args: readonly string[], mpi?: Mpi): [string, string[]] {
  if (mpi === undefined) return [process.execPath, [cliPath, 'launch', '--ranks', String(ranks), '--', ...args]];
  return [mpi.mpirun, [...mpi.args, '-n', String(ranks), process.execPath, cliPath, ...args]];
}

const environment = (mpi?: Mpi) => ({
  ...process.env,
  ...mpi?.env,
  ...(mpi === undefined ? {} : { BANDLIFT_MPI: mpi.library }),
});

/** Trains over ranks to the end. */
export function trainOver(ranks: number, args: readonly string[], cwd: string, mpi?: Mpi): CliResult {
  const options = { cwd, encoding: 'utf8', env: environment(mpi), timeout: 120_000 } as const;
  const { status, stdout, stderr } = spawnSync(...launch(ranks, args, mpi), options);
  return { status, stdout, stderr };
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stderr(): string;
  stdout(): string;
}

export function startOver(ranks: number, args: readonly string[], cwd: string, mpi?: Mpi): Started {
  const child = spawn(...launch(ranks, args, mpi), { cwd, env: environment(mpi), stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.on('data', (chunk: Buffer) => {
      text[name] += chunk.toString();
    });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, ended, stderr: () => text.stderr, stdout: () => text.stdout };
}

/** Processes that are rank `rank` of the run that writes to `out`, by the environment that their launcher gave them. */
export function processesOf(out: string, rank: number): number[] {
  const names = ['RANK', 'OMPI_COMM_WORLD_RANK', 'PMI_RANK'];
  const read = (id: string, file: string) => {
    try {
      return readFileSync(`/proc/${id}/${file}`, 'utf8').split('\0');
    } catch {
      return []; // it has ended, or is another's
    }
  };
  return readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id))
    .filter((id) => read(id, 'cmdline').includes(out) && !read(id, 'cmdline').includes('launch'))
    .filter((id) => read(id, 'environ').some((line) => names.some((name) => line === `${name}=${rank}`)))
    .filter((id) => !/mpi|hydra/.test(read(id, 'cmdline')[0] ?? ''))
    .map(Number);
}

/** Waits until a run has measured so many epochs. */
export async function epochsDone(run: string, count: number): Promise<void> {
  const file = join(run, 'metrics.jsonl');
  for (let waited = 0; waited < 60_000; waited += 50) {
    if (existsSync(file) && readFileSync(file, 'utf8').split('\n').length > count + 1) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${run} did not get to epoch ${count}`);
}

/** Largest relative difference of any measurement of two runs, but for their speed. */
export function apart(a: string, b: string): number {
  const [one, two] = [allMetricsOf(a), allMetricsOf(b)];
  if (one.length !== two.length) throw new Error(`${one.length} and ${two.length} epochs`);
  let most = 0;
  for (const [i, line] of one.entries())
    for (const [name, value] of Object.entries(line))
      if (name !== 'train/patches_per_second') most = Math.max(most, Math.abs(two[i]![name]! / value - 1) || 0);
  return most;
}
