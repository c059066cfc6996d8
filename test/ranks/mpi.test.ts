/** MPI through the addon: every call, of each binary interface, against sums made by hand. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { describeMpi, MPICH, OPEN_MPI, STANDARD } from '../support/mpi.js';

loadAddon();
const child = fileURLToPath(new URL('mpi_child.mjs', import.meta.url));

interface Line {
  rank: number;
  size: number;
  name: string;
  sum: number[];
  all: number[];
  word: string;
  waited: number;
  refused: string;
  ordered: number[];
}

for (const one of [OPEN_MPI, MPICH, STANDARD])
  describeMpi(one, (mpi) => {
    it('sums, gathers, broadcasts and waits over 4 ranks without holding up JavaScript', () => {
      const args = [...mpi.args, '-n', '4', process.execPath, child, addonPath()!, mpi.library];
      const run = spawnSync(mpi.mpirun, args, {
        encoding: 'utf8',
        env: { ...process.env, ...mpi.env },
        timeout: 60_000,
      });
      expect(run.stderr.replace(/^.*hwloc.*$/gm, '').trim()).toBe('');
      expect(run.status).toBe(0);
      const lines = run.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
        .sort((a, b) => a.rank - b.rank);
      expect(lines.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
      for (const line of lines) {
        expect(line.size).toBe(4);
        expect(line.name).toContain(mpi.abi);
        expect(line.name).toMatch(/MPI_THREAD_(SERIALIZED|MULTIPLE)\)$/);
        expect(line.sum).toEqual([10, 2, 1111]);
        expect(line.all).toEqual([0, 0, 1, 0.1, 2, 0.2, 3, 0.1 * 3]);
        expect(line.word).toBe('hello');
        // ((1e8 + 1) - 1e8) + 1 in float32; in pairs it would be 0
        expect(line.ordered).toEqual([1]);
        expect(line.refused).toBe('ERR_DISPOSED');
      }
      // 300 ms, of which a busy machine may take some
      expect(Math.max(...lines.map(({ waited }) => waited))).toBeGreaterThan(20);
    });
  });

describe('a library that is none', () => {
  it('is refused with what was tried and why', async () => {
    const addon = loadAddon();
    const report = addon.mpiReport(['libnot-there.so.1', 'libm.so.6']);
    expect(report).toMatchObject({ path: '', version: '', abi: '' });
    expect(report.problem).toMatch(
      /^no MPI library can be opened; libnot-there\.so\.1: .*cannot open shared object file.*; libm\.so\.6: it has no MPI_Init_thread$/,
    );
    await expect(addon.openMpi(['libm.so.6'])).rejects.toMatchObject({ code: 'ERR_DEVICE', message: /libm\.so\.6/ });
    expect(() => addon.mpiReport('libm.so.6' as never)).toThrow(/must be an array/);
  });
});
