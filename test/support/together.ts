/** Command lines started at the same moment, and what is left of them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startBandlift } from './cli.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts every command line at once; resolves when all have ended. */
export function together(lines: readonly string[][], folder: string): Promise<Ended[]> {
  return Promise.all(
    lines.map(async (args) => {
      const { child, exited, stderr } = startBandlift(args, folder);
      let stdout = '';
      child.stdout!.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      const { code } = await exited;
      return { code, stdout, stderr: stderr() };
    }),
  );
}

/** Files that only exist while somebody writes: locks, temporary and unfinished ones. */
export const unfinishedIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /\.tmp$|\.lock$|\.new$|\.partial(\.json)?$|\.work$/.test(name))
    .map((name) => join(folder, name));

/** Pairs of processes: one in the usual tests, three with BANDLIFT_FULL=1; twenty take a quarter of an hour (BANDLIFT_PAIRS=20). */
export const PAIRS = Number(process.env.BANDLIFT_PAIRS ?? (process.env.BANDLIFT_FULL === '1' ? 3 : 1));
