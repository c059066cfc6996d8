/** `bandlift launch` at work: N processes of this program, and every signal to all of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { SIGNALS } from './interrupt.js';

export interface LaunchFlags {
  readonly ranks: number;
}

/** ms after the first rank that failed until those that are left are killed: they end by themselves within 10 s. */
const PATIENCE = 15_000;

/** Starts the ranks and waits for them. Sets the exit code. */
export async function runLaunch(command: readonly string[], { ranks }: LaunchFlags): Promise<void> {
  if (command[0] !== 'train')
    throw new BandliftError(
      'only `train` runs over several ranks',
      { field: 'command', found: command.join(' '), expected: 'train stage1 or train stage2' },
      EXIT.usage,
    );
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-ranks-'));
  try {
    const threads = Math.max(1, Math.floor(loadAddon().cpuFeatures().physicalCores / ranks));
    const children = Array.from({ length: ranks }, (_, rank) =>
      spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...command], {
        // a process group of its own: Ctrl-C reaches the ranks through us, once
        detached: true,
        stdio: [rank === 0 ? 'inherit' : 'ignore', 'inherit', 'inherit'],
        env: {
          BANDLIFT_THREADS: String(threads),
          ...process.env,
          RANK: String(rank),
          WORLD_SIZE: String(ranks),
          LOCAL_RANK: String(rank),
          LOCAL_WORLD_SIZE: String(ranks),
          BANDLIFT_RENDEZVOUS: join(folder, 'rank0'),
        },
      }),
    );
    process.exitCode = await waitForAll(children);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function waitForAll(children: readonly ChildProcess[]): Promise<number> {
  const pass = (signal: NodeJS.Signals) => {
    for (const child of children) child.kill(signal);
  };
  // instead of those that would end this process
  for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, pass);
  let first = EXIT.ok as number;
  let timer: NodeJS.Timeout | undefined;
  const codes = await Promise.all(
    children.map(
      (child) =>
        new Promise<number>((resolve) => {
          child.on('error', () => resolve(EXIT.failure));
          child.on('close', (code, signal) => {
            // as shells tell it: 128 + the signal's number
            const result = code ?? 128 + (signal ? constants.signals[signal] : 0);
            if (result !== EXIT.ok && first === EXIT.ok) {
              first = result;
              timer = setTimeout(() => pass('SIGKILL'), PATIENCE);
            }
            resolve(result);
          });
        }),
    ),
  );
  clearTimeout(timer);
  return codes[0] !== EXIT.ok ? codes[0]! : first;
}
