// The job scripts of examples/slurm under a real SLURM of one machine: `npm run test:slurm`, as root. Prints a line for each case.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/build.mjs';
import { PROGRAMS, startSlurm } from './cluster.mjs';

const missing = PROGRAMS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
if (missing.length > 0) {
  console.log(`0 passed, 0 failed, 1 skipped (${missing.join(', ')} not installed)`);
  process.exit(process.env.BANDLIFT_REQUIRE_ALL === '1' ? 1 : 0);
}

const work = mkdtempSync(join(tmpdir(), 'bandlift-slurm-'));
const at = (name) => join(work, name);
const main = join(root, 'scripts/bandlift.mjs');
const script = (name) => join(root, 'examples/slurm', name);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const epochs = (run) => read(join(run, 'metrics.jsonl')).split('\n').length - 2;

const NETWORK = ['--blocks', '1', '--hidden', '6', '--batch-size', '4', '--image-every', '0', '--patience', '0'];
const OPTIONS = [...NETWORK, '--lr', '1e-4', '--device', 'cpu', '--threads', '1'];
const env = { BANDLIFT: main, DATA: at('sample/patches'), MPI_TYPE: 'pmi2', BANDLIFT_MPI: 'libmpich.so.12' };
const SMALL = ['--parsable', '--time=30', '--cpus-per-task=1', `--chdir=${work}`];

let failed = 0;
let passed = 0;
function check(what, ok, found = '') {
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${what}${ok || found === '' ? '' : `\n      ${found}`}`);
  if (ok) passed++;
  else failed++;
}

async function until(what, done, seconds = 180) {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await sleep(250)) if (done()) return true;
  check(what, false, `not within ${seconds} s`);
  return false;
}

const sample = spawnSync(
  process.execPath,
  [main, 'sample', '--out', 'sample', '--patch-size', '12', '--patches', '18', '--no-fine'],
  { cwd: work, encoding: 'utf8' },
);
if (sample.status !== 0) throw new Error(sample.stderr);
const slurm = await startSlurm(at('slurm'));
const stateOf = (job) => /JobState=(\w+)/.exec(slurm.command('scontrol', ['show', 'job', job]).text)?.[1] ?? 'GONE';
const submit = (name, options, args, more) =>
  slurm.command('sbatch', [...SMALL, ...options, script(name), ...args], { ...env, ...more }).text;
const ended = (job) => ['COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL', 'GONE'].includes(stateOf(job));

try {
  // ranks that are launched without an MPI they know
  const plain = slurm.command(
    'srun',
    ['-n', '2', process.execPath, main, 'train', 'stage1', '--data-dir', env.DATA, ...OPTIONS],
    env,
  );
  check(
    'plain srun: told, with what this srun offers',
    plain.status === 1 && /sees 1 rank: .*this srun offers .*pmi2/.test(plain.text),
    plain.text,
  );

  // normal end
  const normal = submit('one_node.sbatch', ['--ntasks-per-node=2'], [...OPTIONS, '--epochs', '2'], {
    RUN: at('normal'),
  });
  await until('one_node.sbatch ends', () => ended(normal));
  const log = read(at(`bandlift-${normal}.log`));
  check('one_node.sbatch: two ranks train to the end', stateOf(normal) === 'COMPLETED' && /^ranks: 2 /m.test(log), log);

  // time limit: the signal, the requeue, the second start; then a third start of a finished run
  const long = submit('one_node.sbatch', ['--ntasks-per-node=2'], [...OPTIONS, '--epochs', '40'], { RUN: at('long') });
  await until('epochs before the signal', () => epochs(at('long')) >= 2);
  slurm.command('scancel', ['--signal=USR2', long]);
  await until('the job is queued again', () => stateOf(long) === 'PENDING');
  // SLURM lets a requeued job wait for two minutes; started sooner it can meet what is left of itself
  await until('the job starts again', () => stateOf(long) === 'RUNNING', 300);
  await until('the job ends', () => ended(long), 300);
  const again = read(at(`bandlift-${long}.log`));
  check(
    'a signal stops all ranks at one step, the job queues itself, goes on and ends',
    stateOf(long) === 'COMPLETED' &&
      new RegExp(`^job ${long} is in the queue again$`, 'm').test(again) &&
      /^resuming at epoch \d+, batch \d+, step \d+$/m.test(again) &&
      epochs(at('long')) === 40,
    again,
  );
  const third = submit('one_node.sbatch', ['--ntasks-per-node=2'], [...OPTIONS, '--epochs', '40'], { RUN: at('long') });
  await until('the finished run', () => ended(third));
  const nothing = read(at(`bandlift-${third}.log`));
  check(
    'a finished run is left alone',
    stateOf(third) === 'COMPLETED' && /^this run is finished/m.test(nothing),
    nothing,
  );

  // a rank dies
  const dying = submit('one_node.sbatch', ['--ntasks-per-node=3'], [...OPTIONS, '--epochs', '5000'], {
    RUN: at('dying'),
  });
  await until('epochs before the death', () => epochs(at('dying')) >= 1);
  const victim = readdirSync('/proc').find(
    (id) =>
      /^\d+$/.test(id) &&
      read(`/proc/${id}/cmdline`).includes('stage1') &&
      read(`/proc/${id}/environ`).split('\0').includes('SLURM_PROCID=2') &&
      read(`/proc/${id}/environ`).split('\0').includes(`SLURM_JOB_ID=${dying}`) &&
      read(`/proc/${id}/comm`).startsWith('node'),
  );
  const killed = Date.now();
  process.kill(Number(victim), 'SIGKILL');
  await until('the job ends', () => ended(dying), 30);
  const death = read(at(`bandlift-${dying}.log`));
  check(
    `a rank that dies ends the job (${((Date.now() - killed) / 1000).toFixed(1)} s), saying which`,
    stateOf(dying) === 'FAILED' && /error: rank 2 \(host \S+, process \d+\) is gone; its last step was \d+/.test(death),
    death,
  );

  // an array prepares lines
  const lines = readdirSync(at('sample'), { recursive: true })
    .filter((name) => /line_\d+\.img$/.test(name))
    .slice(0, 3)
    .map((name) => at(join('sample', name)));
  const array = submit('prepare_array.sbatch', ['--array=1-2'], [...lines, '--patch', '2'], {
    DATA: at('prepared'),
  });
  await until('the array ends', () => !slurm.command('squeue', ['-h', '-j', array]).text.match(/prepare/), 240);
  const made = existsSync(at('prepared')) ? readdirSync(at('prepared')).filter((name) => name.endsWith('.h5')) : [];
  const logs = readdirSync(work).filter((name) => name.startsWith('prepare-'));
  check(
    `two tasks of an array prepare ${lines.length} lines`,
    lines.length > 0 && made.length === lines.length,
    `${lines.length} lines, files: ${made.join(', ')}\n${logs.map((name) => read(at(name))).join('\n')}`,
  );
} finally {
  slurm.stop();
  await sleep(1000);
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;
