/** A PyTorch process that answers a line of JSON to each line it is asked; several can stay alive and take turns. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../src/base/version.js';

/** BANDLIFT_PEERS_PYTHON, else python3, where it has a PyTorch that sees a GPU; else why not. */
export function findTorch(): { python: string } | { reason: string } {
  const python = process.env.BANDLIFT_PEERS_PYTHON ?? 'python3';
  const check = 'import torch,sys; sys.exit(0 if torch.cuda.is_available() else 3)';
  const { status, error } = spawnSync(python, ['-c', check], { stdio: 'ignore' });
  if (status === 0) return { python };
  const remedy = 'set BANDLIFT_PEERS_PYTHON to a Python with PyTorch';
  if (error) return { reason: `${python} does not start: ${remedy}` };
  return { reason: status === 3 ? `PyTorch of ${python} sees no GPU` : `${python} has no PyTorch: ${remedy}` };
}

export class TorchPeer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, script: string, args: readonly string[]) {
    const path = join(projectRoot(), 'bench/peers', script);
    this.#process = spawn(python, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin!.on('error', () => {}); // of a peer that ended: its missing answer tells
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line; torch.compile's first one takes minutes, but not for ever. */
  async answer(seconds = 300): Promise<Record<string, number | string>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`PyTorch did not answer within ${seconds} s`)), seconds * 1000);
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late]);
      if (done) throw new Error('the PyTorch process ended; its message is above');
      return JSON.parse(value) as Record<string, number | string>;
    } finally {
      clearTimeout(timer);
    }
  }

  ask(line: string): Promise<Record<string, number | string>> {
    this.#process.stdin!.write(`${line}\n`);
    return this.answer();
  }

  stop(): void {
    this.#process.stdin!.end();
    if (this.#process.pid !== undefined) this.#process.kill();
  }
}
