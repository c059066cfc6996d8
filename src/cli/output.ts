/**
 * What commands print: people get lines and a progress bar on a terminal, plain lines elsewhere; `--json` gets one JSON
 * object a line on stdout and nothing else there.
 */
import { createRequire } from 'node:module';
import type { SingleBar } from 'cli-progress';
import type { Progress, Reporter } from '../base/reporter.js';

export class Output implements Reporter {
  readonly json: boolean;
  #bar: SingleBar | undefined;

  constructor(json: boolean) {
    this.json = json;
  }

  get isTerminal(): boolean {
    // Open MPI's mpirun gives ranks a terminal of its own, which goes to a log as it is
    const ofMpirun = process.env.OMPI_COMM_WORLD_SIZE !== undefined;
    return !this.json && process.stdout.isTTY === true && !ofMpirun;
  }

  line(text = ''): void {
    if (this.json) return;
    // a line printed while a bar is drawn would land on the bar's row
    if (this.#bar) process.stdout.write('\r\x1b[K');
    process.stdout.write(`${text}\n`);
  }

  warn(text: string): void {
    if (this.#bar) process.stderr.write('\r\x1b[K');
    process.stderr.write(`warning: ${text}\n`);
  }

  event(kind: string, fields: Record<string, unknown>): void {
    if (this.json) process.stdout.write(`${JSON.stringify({ event: kind, ...fields })}\n`);
  }

  /** A bar with rate and time left on a terminal; elsewhere callers print their own plain lines. */
  progress(total: number, unit: string, start = 0): Progress {
    if (!this.isTerminal) return { update: () => {}, stop: () => {} };
    // loaded where a bar is drawn, and nowhere else
    const { SingleBar } = createRequire(import.meta.url)('cli-progress') as typeof import('cli-progress');
    const bar = new SingleBar({
      format: `{bar} {percentage}% | {value}/{total} ${unit} | {rate} | {eta_formatted} left | {status}`,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 24,
      etaBuffer: 20,
    });
    bar.start(total, start, { status: '', rate: '' });
    this.#bar = bar;
    const began = Date.now();
    return {
      update: (done, status) => {
        const perSecond = (done - start) / Math.max(1e-3, (Date.now() - began) / 1000);
        const rate =
          perSecond >= 1
            ? `${perSecond.toFixed(1)} ${unit}/s`
            : `${(1 / Math.max(perSecond, 1e-9)).toFixed(1)} s/${unit.replace(/s$/, '')}`;
        bar.update(done, { status, rate });
      },
      stop: () => {
        bar.stop();
        this.#bar = undefined;
      },
    };
  }
}
