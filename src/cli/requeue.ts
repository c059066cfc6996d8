/** Puts the SLURM job that this process runs in back into the queue. */
import { spawnSync } from 'node:child_process';
import type { Reporter } from '../base/reporter.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** As scontrol names it: a task of an array by array and number. */
export function jobOf(env: Environment): string | undefined {
  const { SLURM_ARRAY_JOB_ID: array, SLURM_ARRAY_TASK_ID: task, SLURM_JOB_ID: job } = env;
  return array && task ? `${array}_${task}` : job || undefined;
}

/** Says what was done; a job that cannot be queued again is a warning, since everything is saved. */
export function requeue(report: Reporter, env: Environment = process.env): void {
  const job = jobOf(env);
  if (job === undefined) {
    report.warn('--requeue: this is no SLURM job (SLURM_JOB_ID is not set)');
    return;
  }
  const { status, stderr, error } = spawnSync('scontrol', ['requeue', job], { encoding: 'utf8', timeout: 30_000 });
  if (status === 0) {
    report.line(`job ${job} is in the queue again`);
    return;
  }
  const why = error ? `scontrol cannot be called (${error.message})` : stderr.trim().split('\n')[0];
  report.warn(
    `--requeue: ${why}; in a container without scontrol, let the job script call \`scontrol requeue ${job}\` after exit code 130`,
  );
}
