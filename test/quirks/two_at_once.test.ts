/** Two processes at once: locks, caches, temporary names. What is computed by whole commands is in two_commands.long.test.ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { loadAddon } from '../../bindings/load.js';
import { contentHashes } from '../../src/base/content_hash.js';
import { takeLock } from '../../src/base/lock.js';
import { hasEnded, type Owner, readOwner, thisProcess, tryLock } from '../../src/base/process_lock.mjs';
import { engineIdentity } from '../../src/engine/identity.js';
import { openRunFolder } from '../../src/train/run_folder.js';
import { lockOf } from '../support/locks.js';
import { quirks } from './table.js';

const ROUNDS = process.env.BANDLIFT_FULL === '1' ? 400 : 15;
/** Above the largest process number of Linux. */
const NOBODY = 4194305;
const CHILD = fileURLToPath(new URL('../support/lock_child.mjs', import.meta.url));

const answer = async (child: ChildProcess) => (await once(child, 'message'))[0] as unknown;

/** Two processes ask for the lock at the same moment, over and over; `left` makes what they find. */
async function bothAsk(folder: string, left: (file: string) => void): Promise<void> {
  const children = [fork(CHILD), fork(CHILD)];
  try {
    await Promise.all(children.map(answer));
    for (let round = 0; round < ROUNDS; round++) {
      const file = join(folder, `round-${round}`);
      left(file);
      const at = Date.now() + 15;
      const answers = children.map(answer);
      for (const child of children) child.send({ file, at });
      const nonces = (await Promise.all(answers)).filter((nonce) => nonce !== false);
      expect(nonces).toHaveLength(1);
      expect((readOwner(file) as Owner).nonce).toBe(nonces[0]);
      const released = children.map(answer);
      for (const child of children) child.send('release');
      await Promise.all(released);
      expect(readdirSync(folder)).toEqual([]);
    }
  } finally {
    for (const child of children) child.kill();
  }
}

/** Whether a lock with these entries counts as left behind. */
const ended = (owner: Partial<Owner>) => hasEnded(JSON.parse(lockOf(owner)));
const { host, boot, machine, space } = thisProcess();

const REVIEW = 'reading the sources: 21 to 156 of 400 rounds had two holders';

quirks('locks', [
  {
    name: 'no lock yet',
    source: REVIEW,
    input: 'two processes ask at the same millisecond',
    right: 'one holds it, in every round',
    check: (folder) => bothAsk(folder, () => {}),
  },
  {
    name: 'stale lock',
    source: REVIEW,
    input: 'two processes find the lock of a dead one',
    right: 'one holds it, in every round',
    check: (folder) => bothAsk(folder, (file) => writeFileSync(file, lockOf({ pid: NOBODY }))),
  },
  {
    name: 'stale lock that was being taken over',
    source: 'a kill between the two renames',
    input: 'the lock of a dead process, and the lock on it of another dead one',
    right: 'one holds it, and nothing of the dead is left',
    check: (folder) =>
      bothAsk(folder, (file) => {
        writeFileSync(file, lockOf({ pid: NOBODY, nonce: '00000000000000aa' }));
        writeFileSync(`${file}.00000000000000aa`, lockOf({ pid: NOBODY, nonce: '00000000000000bb' }));
        writeFileSync(`${file}.00000000000000bb.new`, lockOf({ pid: NOBODY, nonce: '00000000000000bb' }));
      }),
  },
  {
    name: 'empty lock',
    source: REVIEW,
    input: 'an empty file, or one with a process number alone',
    right: 'nobody takes it; the line says what to remove',
    check: (folder) => {
      const file = join(folder, '.lock');
      for (const content of ['', '999999', '{"host":"a"}']) {
        writeFileSync(file, content);
        expect(() => takeLock(file, 'another process is at work', folder, 'wait')).toThrow(
          `${folder}: another process is at work; found a file that is not a lock of this version; if no other bandlift is running here, remove ${file}, or wait`,
        );
        expect(readFileSync(file, 'utf8')).toBe(content);
      }
    },
  },
  {
    name: 'who has ended',
    source: 'reading the sources (other nodes, containers, reused process numbers); clusters (requeued jobs)',
    input: 'owners of ten kinds',
    right: 'only what has ended for certain is taken over',
    check: () => {
      const living = readFileSync('/proc/1/stat', 'latin1').split(') ')[1]!.split(' ')[19]!;
      expect(ended({ pid: 1, started: living })).toBe(false);
      expect(ended({ pid: 1, started: '123456789' })).toBe(true); // another process of that number
      expect(ended({ pid: NOBODY })).toBe(true);
      expect(ended({ pid: process.pid, started: '' })).toBe(false); // a system without /proc
      expect(ended({ pid: NOBODY, started: '' })).toBe(true);
      expect(ended({ pid: NOBODY, host: 'node7', boot: 'another', machine: 'another' })).toBe(false);
      expect(ended({ pid: NOBODY, host: 'node7' })).toBe(true); // this machine under its old name
      expect(ended({ pid: NOBODY, space: 'pid:[1]' })).toBe(false); // a container beside this one
      const restarted = { pid: 1, boot: 'before', machine: '00112233' };
      expect(ended({ ...restarted, machine })).toBe(machine !== '');
      expect(ended({ ...restarted, host: 'other', machine })).toBe(false);
      expect(ended({ ...restarted, machine: '' })).toBe(false); // cannot be told from another machine
      expect([host, boot, space].every((text) => text !== '')).toBe(true);
    },
  },
  {
    name: 'a job that was started again elsewhere',
    source: 'notes on clusters 3.1: a requeued job finds the lock of its own killed start',
    input: 'a lock of the same SLURM job, an earlier and the same start',
    right: 'the earlier one has ended',
    check: () => {
      const here = thisProcess();
      const [job, restart] = [here.job, here.restart];
      Object.assign(here, { job: '4711', restart: 1 });
      try {
        const there = { pid: NOBODY, host: 'node7', boot: 'another', machine: 'another', job: '4711' };
        expect(ended({ ...there, restart: 0 })).toBe(true);
        expect(ended({ ...there, restart: 1 })).toBe(false); // another step of this start
        expect(ended({ ...there, job: '4712', restart: 0 })).toBe(false);
      } finally {
        Object.assign(here, { job, restart });
      }
    },
  },
  {
    name: 'release',
    source: 'reading the sources',
    input: 'a lock that was removed by hand and taken by another process',
    right: 'the first holder leaves it alone',
    check: (folder) => {
      const file = join(folder, '.lock');
      const found = tryLock(file);
      if ('holder' in found) throw new Error('nobody holds it');
      const other = lockOf({ host: 'node7' });
      writeFileSync(file, other);
      found.release();
      expect(readFileSync(file, 'utf8')).toBe(other);
    },
  },
  {
    name: 'run folder of another node',
    source: 'reading the sources: a second node saw the process as dead and took over a live run',
    input: 'a lock of node7, whose process number is nobody here',
    right: 'refused; host, time and what to do are named',
    check: (folder) => {
      const owner = { pid: NOBODY, host: 'node7', boot: 'b', machine: 'm', time: '2026-05-01T12:00:00.000Z' };
      const [path, file] = [join(folder, 'run'), join(folder, 'run/.lock')];
      mkdirSync(path);
      writeFileSync(file, lockOf(owner));
      expect(() => openRunFolder(path, false)).toThrow(
        `${path}: another process is training in this folder; found process ${NOBODY} on node7 since 2026-05-01 12:00:00 UTC; wait for it; if it has ended without a trace (a killed job, a lost machine), remove ${file}, or give another --output-dir`,
      );
      expect(readFileSync(file, 'utf8')).toBe(lockOf(owner));
    },
  },
  {
    name: 'run that ended meanwhile',
    source: 'found by reading: the folder was looked at before it was locked, not after',
    input: 'a run that begins and ends between the look and the lock',
    right: 'its folder is not written over',
    check: (folder) => {
      const path = join(folder, 'run');
      const first = openRunFolder(path, false);
      expect(() => openRunFolder(path, false)).toThrow(/another process is training/);
      writeFileSync(first.config, 'epochs: 1\n');
      first.unlock();
      expect(existsSync(join(path, '.lock'))).toBe(false);
      expect(() => openRunFolder(path, false)).toThrow(/already holds a run/);
      expect(existsSync(join(path, '.lock'))).toBe(false);
    },
  },
]);

quirks("the cache's key", [
  {
    name: 'equal names, sizes and times',
    source: 'reading the sources: predictions of other patches were taken without a word',
    input: 'a file that is written anew and given its old time',
    right: 'another hash; the old one when the old content comes back',
    check: async (folder) => {
      const [file, memory] = [join(folder, 'a.h5'), join(folder, 'hashes.json')];
      const old = new Date(1_700_000_000_000);
      const write = (content: string) => {
        writeFileSync(file, content);
        utimesSync(file, old, old);
        return contentHashes([file], memory);
      };
      const [first] = await write('one!');
      const { mtimeMs, size } = statSync(file);
      const [second] = await write('two!');
      expect([statSync(file).mtimeMs, statSync(file).size]).toEqual([mtimeMs, size]);
      // printf one! | sha256sum
      expect([first, second]).toEqual([
        '89e674b01e5f5f7edb286b33dc2a0ae5887bddd5ba6853a34745ed8a4409c9fc',
        'a97b629a5b1da759586c3353a9bc284bf673970d8eca56e11e556b715c329614',
      ]);
      expect(await write('one!')).toEqual([first]);
    },
  },
  {
    name: 'instruction set',
    source: 'reading the sources: what computes changes the last bits, the key did not say it',
    input: 'each instruction set of this CPU; one thread and two',
    right: 'other keys; the same key',
    check: async () => {
      const of = (more: object) => engineIdentity({ kind: 'cpu', ...more });
      const sets = loadAddon().cpuFeatures().isa;
      const keys = await Promise.all(sets.map((isa) => of({ isa })));
      expect(new Set(keys).size).toBe(sets.length);
      expect(await of({ threads: 1 })).toBe(await of({ threads: 2 }));
      expect(await of({})).toMatch(/^\d+\.\d+\.\d+\n[0-9a-f]{64}\ncpu\n.*\nfp32$/);
    },
  },
]);
