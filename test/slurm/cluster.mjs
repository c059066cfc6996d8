// A SLURM of one machine for tests: munge, slurmctld and slurmd in a folder of their own, on ports of their own. Needs root, and
// Debian's slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins, munge.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

export const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'srun', 'sbatch', 'scontrol'];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts it; `command` runs a program of SLURM and gives what it printed, `stop` ends all of it. */
export async function startSlurm(folder) {
  const host = hostname().split('.')[0];
  for (const name of ['state', 'spool', 'log']) mkdirSync(join(folder, name), { recursive: true });
  const conf = join(folder, 'slurm.conf');
  writeFileSync(
    conf,
    `ClusterName=bandlift
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/log/slurmctld.log
SlurmdLogFile=${folder}/log/slurmd.log
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SwitchType=switch/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=15
NodeName=${host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`,
  );
  writeFileSync(join(folder, 'munge.key'), randomBytes(1024), { mode: 0o400 });
  execFileSync('munged', [
    '--force',
    ...[
      'key-file=munge.key',
      'socket=munge.socket',
      'pid-file=munged.pid',
      'log-file=log/munged.log',
      'seed-file=seed',
    ].map((one) => `--${one.replace('=', `=${folder}/`)}`),
  ]);
  const env = { ...process.env, SLURM_CONF: conf };
  const command = (name, args, more = {}) => {
    const { stdout, stderr, status } = spawnSync(name, args, {
      encoding: 'utf8',
      env: { ...env, ...more },
      timeout: 120_000,
    });
    return { status, text: `${stdout}${stderr}`.trim() };
  };
  const stop = () => {
    for (const name of ['slurmd', 'slurmctld', 'munged']) {
      try {
        process.kill(Number(readFileSync(join(folder, `${name}.pid`), 'utf8')), 'SIGTERM');
      } catch {
        // it never started
      }
    }
  };
  execFileSync('slurmctld', ['-c'], { env });
  await sleep(1000);
  execFileSync('slurmd', [], { env });
  for (let i = 0; i < 30; i++) {
    if (/idle/.test(command('sinfo', ['-h', '-o', '%T']).text)) return { command, stop };
    await sleep(500);
  }
  stop();
  throw new Error(`SLURM does not start: ${readFileSync(join(folder, 'log/slurmctld.log'), 'utf8').slice(-1000)}`);
}
