/**
 * Whole training steps beside PyTorch on this machine: both processes stay alive and take turns (A B A B ...), so that a
 * drift of the machine's speed hits both. Prints the median of the pairwise ratios with its spread, and peak memory.
 *   npm run bench:peers -- [--net spectral_sr] [--batch 1] [--size 256, of the input; 34 for stage 2] [--pairs 5] [--layout contiguous|channels_last] [--out FILE]
 * Needs BANDLIFT_PEERS_PYTHON: a Python with bench/peers/requirements.txt installed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../src/base/version.js';

const { values } = parseArgs({
  options: {
    net: { type: 'string' },
    batch: { type: 'string', default: '1' },
    size: { type: 'string' },
    pairs: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    layout: { type: 'string', default: 'contiguous' },
    out: { type: 'string' },
  },
});
const python = process.env.BANDLIFT_PEERS_PYTHON;
if (!python) {
  process.stderr.write(
    'error: BANDLIFT_PEERS_PYTHON is not set; make an environment: python3 -m venv .venv && .venv/bin/pip install -r bench/peers/requirements.txt\n',
  );
  process.exit(2);
}

class Peer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(command: string, args: string[]) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }
  async answer(): Promise<Record<string, number>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the peer process ended; its message is above');
    return JSON.parse(value) as Record<string, number>;
  }
  ask(line: string): Promise<Record<string, number>> {
    this.#process.stdin!.write(`${line}\n`);
    return this.answer();
  }
  /** Ends the process; its peak memory in bytes. */
  async quit(): Promise<number> {
    const { peak_bytes } = await this.ask('quit');
    this.#process.stdin!.end();
    return peak_bytes!;
  }
}

const median = (x: number[]) => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)]!;
const nets = values.net ? [values.net] : ['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight'];
const here = join(projectRoot(), 'bench/peers');
const results = [];
for (const net of nets) {
  const size = values.size ?? (net.startsWith('spatial_') ? '34' : '256');
  const sizes = [net, values.batch, size, values.threads];
  const ours = new Peer(process.execPath, [join(projectRoot(), 'dist/bench/peers/bandlift_step.js'), ...sizes]);
  const theirs = new Peer(python, [join(here, 'torch_step.py'), ...sizes, values.layout]);
  const plan = await ours.answer();
  const torch = await theirs.answer();
  const a: number[] = [];
  const b: number[] = [];
  for (let i = 0; i <= Number(values.pairs); i++) {
    const mine = (await ours.ask('step')).seconds!;
    const other = (await theirs.ask('step')).seconds!;
    if (i === 0) continue; // the first pair warms both up
    a.push(mine);
    b.push(other);
  }
  const ratios = a.map((x, i) => x / b[i]!);
  const ourPeak = await ours.quit();
  const torchPeak = await theirs.quit();
  const row = {
    net,
    batch: Number(values.batch),
    size: Number(size),
    threads: Number(values.threads),
    layout: values.layout,
    torch: torch.version,
    pairs: ratios.length,
    seconds: { bandlift: median(a), torch: median(b) },
    ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
    peakBytes: { bandlift: ourPeak, torch: torchPeak, ratio: ourPeak / torchPeak, planned: plan.planned_bytes },
  };
  results.push(row);
  const gib = (n: number) => (n / 2 ** 30).toFixed(2);
  console.log(
    `${net.padEnd(18)} bandlift ${row.seconds.bandlift.toFixed(3)} s, torch ${row.seconds.torch.toFixed(3)} s, ratio ${row.ratio.median.toFixed(3)} ` +
      `(${row.ratio.min.toFixed(3)} to ${row.ratio.max.toFixed(3)}, ${row.pairs} pairs); peak ${gib(ourPeak)} and ${gib(torchPeak)} GiB, ratio ${row.peakBytes.ratio.toFixed(2)}`,
  );
}
if (values.out) writeFileSync(values.out, `${JSON.stringify(results, null, 1)}\n`);
