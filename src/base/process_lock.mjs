/**
 * Locks between processes: a small file that says who holds it. Plain JavaScript, because the build needs it before anything
 * is compiled. It works on file systems shared between machines: nothing but link, rename and reading whole files is used.
 *
 *   take     a complete file of a name of its own is linked to the lock's name, which fails where one is there: a lock is
 *            never seen empty or half-written
 *   stale    the holder has ended, told by its process number and the moment it started, or by a restart of the machine. What
 *            another machine holds is never taken over, unless it is an earlier start of the same SLURM job
 *   replace  of all who see a stale lock one gets the lock LOCK.NONCE and renames its own file over the stale one
 *   release  removes the file while it holds one's own nonce
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * @typedef {object} Owner Who holds a lock.
 * @property {string} host name of the machine
 * @property {number} pid
 * @property {string} started of the process, in clock ticks since the machine started; '' where the system does not say
 * @property {string} boot the machine's identity since it started; '' where the system does not say
 * @property {string} space number space of processes: containers of one machine have one each
 * @property {string} machine hash of the machine's own identity; '' where it has none
 * @property {string} job SLURM's job; '' outside of one
 * @property {number} restart how often SLURM has started that job again
 * @property {string} time when the lock was taken, ISO 8601
 * @property {string} nonce of this lock alone
 */

/**
 * @typedef {object} Lock A lock that is held.
 * @property {Owner} owner
 * @property {() => void} release gives it free; does nothing when it is no longer one's own
 */

/** @param {() => string} read @returns {string} */
function orNothing(read) {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

/**
 * When a process began, in clock ticks since the machine did; '' when there is none. Tells a process from a later one of its
 * number.
 *
 * @param {number | 'self'} pid
 */
function startOf(pid) {
  // field 22 of proc(5); field 2 is the name in brackets, which may hold anything
  return orNothing(() => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' ')[19] ?? '');
}

/** @param {string} text */
const short = (text) => (text === '' ? '' : createHash('sha256').update(text).digest('hex').slice(0, 16));

/** @type {Omit<Owner, 'time' | 'nonce'> | undefined} */
let known;

/** This process. */
export function thisProcess() {
  known ??= {
    host: hostname(),
    pid: process.pid,
    started: startOf('self'),
    boot: orNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
    space: orNothing(() => readlinkSync('/proc/self/ns/pid')),
    machine: short(orNothing(() => readFileSync('/etc/machine-id', 'latin1'))),
    job: process.env.SLURM_JOB_ID ?? '',
    restart: Number(process.env.SLURM_RESTART_COUNT ?? 0) || 0,
  };
  return known;
}

/** Of all processes whose numbers can be compared with this one's: 8 hexadecimal digits, for names of files. */
export function processSpace() {
  const { host, boot, space } = thisProcess();
  return short(`${boot === '' ? host : boot} ${space}`).slice(0, 8);
}

/**
 * Whether a process of this number space is running.
 *
 * @param {number} pid
 * @param {string} started '' when it is not known
 */
export function isRunning(pid, started) {
  if (started !== '') return startOf(pid) === started;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * Whether the holder's number means the same process here.
 *
 * @param {Owner} owner
 */
function sharesNumbers({ host, boot, space }) {
  const here = thisProcess();
  return boot === here.boot && space === here.space && (boot !== '' || host === here.host);
}

/**
 * Whether the holder has certainly ended. In doubt (another machine, another container) it has not.
 *
 * @param {Owner} owner
 */
export function hasEnded(owner) {
  const here = thisProcess();
  if (owner.job !== '' && owner.job === here.job && owner.restart < here.restart) return true;
  if (sharesNumbers(owner)) return !isRunning(owner.pid, owner.started);
  const sameMachine = owner.host === here.host && owner.machine !== '' && owner.machine === here.machine;
  return sameMachine && owner.boot !== '' && owner.boot !== here.boot;
}

/**
 * Who holds a lock; undefined where there is none, 'unreadable' for a file that is no lock.
 *
 * @param {string} file
 * @returns {Owner | 'unreadable' | undefined}
 */
export function readOwner(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const owner = JSON.parse(text);
    const texts = [owner.host, owner.started, owner.boot, owner.space, owner.machine, owner.job, owner.time];
    const isOwner =
      texts.every((entry) => typeof entry === 'string') &&
      Number.isInteger(owner.pid) &&
      Number.isInteger(owner.restart) &&
      /^[0-9a-f]{16}$/.test(owner.nonce);
    return isOwner ? owner : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/** @param {number} ms */
const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Where the file system has no hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

/**
 * Gives a complete file a second name, unless that is taken.
 *
 * @param {string} own @param {string} file @param {string} content
 * @returns {boolean} whether it was free
 */
function claim(own, file, content) {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    // NFS may answer a repeated request although the first one did the work
    if (code === 'EEXIST') return statSync(own).nlink === 2 && readFileSync(file, 'utf8') === content;
    if (!NO_LINKS.includes(code ?? '')) throw error;
  }
  try {
    writeFileSync(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** Looks at a lock that is being taken over or written, 10 ms apart. */
const LOOKS = 20;

/**
 * The lock, or who holds it.
 *
 * @param {string} file a name in an existing folder
 * @returns {Lock | { readonly holder: Owner | 'unreadable' }}
 * @throws the system's error when the file cannot be written
 */
export function tryLock(file) {
  const nonce = randomBytes(8).toString('hex');
  const owner = { ...thisProcess(), time: new Date().toISOString(), nonce };
  const content = `${JSON.stringify(owner)}\n`;
  const own = `${file}.${nonce}.new`;
  const lock = { owner, release: () => release(file, nonce) };
  try {
    writeFileSync(own, content, { flag: 'wx' });
    for (let look = 0; ; look++) {
      if (claim(own, file, content)) {
        removeLeftovers(file);
        return lock;
      }
      const holder = readOwner(file);
      if (holder === undefined) continue; // released meanwhile
      if (holder !== 'unreadable') {
        if (!hasEnded(holder)) return { holder };
        if (replaceStale(own, file, holder)) {
          removeLeftovers(file);
          return lock;
        }
      }
      if (look === LOOKS) return { holder };
      pause(10);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Puts one's own file in the place of a stale lock. Only who holds the lock's own lock may, and finds the same stale lock then.
 *
 * @param {string} own @param {string} file @param {Owner} stale
 */
function replaceStale(own, file, stale) {
  const guard = tryLock(`${file}.${stale.nonce}`);
  if ('holder' in guard) return false;
  try {
    const now = readOwner(file);
    if (now === undefined || now === 'unreadable' || now.nonce !== stale.nonce) return false;
    renameSync(own, file);
    return true;
  } finally {
    guard.release();
  }
}

/**
 * Removes what takers left that were killed in between. Called by the holder: locks of stale locks have lost their meaning.
 *
 * @param {string} file
 */
function removeLeftovers(file) {
  const prefix = `${basename(file)}.`;
  for (const name of readdirSync(dirname(file))) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{16}(\.new)?$/.test(name.slice(prefix.length))) continue;
    const path = join(dirname(file), name);
    const owner = orNobody(path);
    if (owner !== undefined && hasEnded(owner)) rmSync(path, { force: true });
  }
}

/** @param {string} file @param {string} nonce */
function release(file, nonce) {
  const owner = orNobody(file);
  if (owner?.nonce === nonce) rmSync(file, { force: true });
}

/** @param {string} file @returns {Owner | undefined} */
function orNobody(file) {
  try {
    const owner = readOwner(file);
    return owner === 'unreadable' ? undefined : owner;
  } catch {
    return undefined; // the folder has gone
  }
}

/**
 * A holder in words: "process 12 on node7 since 2026-05-01 12:00:00 UTC".
 *
 * @param {Owner | 'unreadable'} holder
 */
export function describeHolder(holder) {
  if (holder === 'unreadable') return 'a file that is not a lock of this version';
  const time = holder.time.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
  if (sharesNumbers(holder)) return `process ${holder.pid} since ${time}`;
  const container = holder.boot === thisProcess().boot ? ' in another container' : '';
  return `process ${holder.pid} on ${holder.host}${container} since ${time}`;
}

/**
 * What to do about a holder.
 *
 * @param {Owner | 'unreadable'} holder
 * @param {string} file
 */
export function holderHint(holder, file) {
  if (holder === 'unreadable') return `if no other bandlift is running here, remove ${file}`;
  if (sharesNumbers(holder)) return 'wait for it';
  return `wait for it; if it has ended without a trace (a killed job, a lost machine), remove ${file}`;
}
