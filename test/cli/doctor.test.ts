/** `bandlift doctor`: addon, C library, processor, memory and its limits, and the folder for runs. GPUs: test/gpu. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { groupMemoryLimit } from '../../src/base/memory_limit.js';
import { mountOf } from '../../src/base/mounts.js';
import type { Finding } from '../../src/cli/doctor_finding.js';
import { addressSpaceLimit, inspectMemory } from '../../src/cli/doctor_memory.js';
import { inspectStorage } from '../../src/cli/doctor_storage.js';
import { bandlift, temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();

describe('doctor', () => {
  const told = (...args: string[]) => {
    const { stdout, stderr } = bandlift(['doctor', ...args, '--json'], work);
    expect(stderr).toBe('');
    const { findings } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { findings: Finding[] };
    return (what: string) => findings.find((finding) => finding.what === what);
  };

  it('names the addon, who found it, the C library that it needs beside the one here, and tries the folder given', () => {
    const runs = join(work, 'runs');
    mkdirSync(runs);
    const line = told(runs);
    loadAddon();
    expect(line('addon')).toMatchObject({ ok: true });
    expect(line('addon')!.found).toContain(addonPath());
    expect(line('addon')!.found).toMatch(
      process.env.BANDLIFT_ADDON ? /found by: BANDLIFT_ADDON$/ : /found by: build of this checkout$/,
    );
    const here = spawnSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' }).stdout.trim().split(' ')[1];
    const { stdout } = spawnSync('readelf', ['-V', '-W', addonPath()!], { encoding: 'utf8' });
    const minors = [...stdout.matchAll(/Name: GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(line('glibc')!.found).toMatch(new RegExp(`^${here}; the addon needs 2\\.${Math.max(...minors)}\\b`));
    expect(line('instructions')!.found).toMatch(/^(avx512|avx2|baseline) of .*baseline$/);
    expect(line('processor')!.found).toContain(process.arch);
    expect(line('memory limit')).toBeDefined();
    expect(line('folder')!.found).toMatch(new RegExp(`^${runs}: writable, .* free, `));
    expect(line('locks, renames')).toMatchObject({ found: expect.stringMatching(/^work/), ok: true });
    expect(readdirSync(runs)).toEqual([]);
  });

  it('ends with 1 where the folder cannot be used', () => {
    const absent = bandlift(['doctor', join(work, 'absent')], work);
    expect(absent.status).toBe(1);
    expect(absent.stdout).toMatch(/MISSING folder .*absent is not there {2}-> {2}make it, or name one that is there/);
  });
});

describe('the folder for runs', () => {
  it('is refused below /proc, where no file can be made', () => {
    expect(inspectStorage('/proc')).toEqual([
      {
        what: 'folder',
        found: expect.stringMatching(/^\/proc(: not writable|)/),
        ok: false,
        remedy: expect.any(String),
      },
    ]);
  });

  it('is on the mount with the longest name that holds it, and on the later of two', () => {
    const table = [
      '1 0 8:1 / / rw - ext4 /dev/sda1 rw',
      '2 1 0:4 / /home rw,relatime shared:1 - nfs4 server:/home rw',
      '3 2 0:5 / /home/my\\040scratch rw - lustre 10.0.0.1@o2ib:/fs rw',
      '4 1 0:6 / /mnt rw - tmpfs first rw',
      '5 4 0:7 / /mnt rw - fuse.sshfs me@host:/x rw',
      '',
    ].join('\n');
    expect(mountOf('/home/me/runs', table)).toEqual({ folder: '/home', type: 'nfs4', source: 'server:/home' });
    expect(mountOf('/home/my scratch/a', table)?.type).toBe('lustre');
    expect(mountOf('/homes', table)?.type).toBe('ext4');
    expect(mountOf('/mnt', table)?.type).toBe('fuse.sshfs');
    expect(mountOf('/mnt', '')).toBeUndefined();
  });

  it('has the file system that stat tells', () => {
    const { stdout } = spawnSync('stat', ['-f', '-c', '%T', work], { encoding: 'utf8' });
    const [line] = inspectStorage(work);
    // ext2, ext3 and ext4 have one number, which stat calls ext2/ext3
    const name = stdout.trim() === 'ext2/ext3' ? 'ext' : stdout.trim().replace('overlayfs', 'overlay');
    expect(line!.found).toContain(`free, ${name}`);
  });
});

describe('limits of memory', () => {
  const root = join(work, 'cgroup');
  const limit = (folder: string, name: string, text: string) => {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, name), `${text}\n`);
  };

  it('are the least of a group and those around it, in version 2', () => {
    limit('slurm/job_7', 'memory.max', String(8 * 2 ** 30));
    limit('slurm/job_7/step_0', 'memory.max', 'max');
    limit('slurm', 'memory.max', String(64 * 2 ** 30));
    expect(groupMemoryLimit('0::/slurm/job_7/step_0\n', root)).toBe(8 * 2 ** 30);
    expect(groupMemoryLimit('0::/slurm\n', root)).toBe(64 * 2 ** 30);
    expect(groupMemoryLimit('0::/\n', root)).toBeUndefined();
  });

  it('are read in version 1, whose "no limit" is a number', () => {
    limit('memory/job', 'memory.limit_in_bytes', String(2 ** 30));
    limit('memory', 'memory.limit_in_bytes', '9223372036854771712');
    expect(groupMemoryLimit('5:cpu,cpuacct:/job\n4:memory:/job\n', root)).toBe(2 ** 30);
    expect(groupMemoryLimit('4:memory:/\n', root)).toBeUndefined();
    expect(groupMemoryLimit('5:cpu:/job\n', root)).toBeUndefined();
  });

  it('are told with what to do where they are too small', () => {
    const line = (what: string, group?: number, space?: number) =>
      inspectMemory(group, space).find((finding) => finding.what === what);
    expect(line('memory limit', 2 ** 30)).toMatchObject({ found: expect.stringMatching(/^1.0 GiB/), ok: true });
    expect(line('memory limit', 2 ** 30)!.remedy).toMatch(/--mem=/);
    expect(line('memory limit', 2 ** 50)!.remedy).toBeUndefined();
    expect(line('address space', 2 ** 50, 2 ** 30)).toMatchObject({ ok: false, remedy: 'ulimit -v unlimited' });
    expect(addressSpaceLimit('Max address space         1073741824           unlimited            bytes\n')).toBe(
      2 ** 30,
    );
    expect(
      addressSpaceLimit('Max address space         unlimited            unlimited            bytes\n'),
    ).toBeUndefined();
    expect(addressSpaceLimit(readFileSync('/proc/self/limits', 'utf8'))).toBeUndefined();
  });
});
