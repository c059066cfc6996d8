/** Tells a reporter what becomes of scenes that are prepared. */
import { duration } from '../base/duration.js';
import type { BandliftError } from '../base/errors.js';
import type { Progress, Reporter } from '../base/reporter.js';
import type { RunWatcher } from '../prepare/run.js';
import type { SceneReport } from '../prepare/types.js';

/** ms between lines on the state of long scenes. */
const SILENCE = 20_000;

/** Lines as scenes are done, a bar on a terminal, a line now and then elsewhere. */
export class Watcher implements RunWatcher {
  readonly #reporter: Reporter;
  readonly #single: boolean;
  readonly interrupted: () => boolean;
  readonly #settled = new Map<string, number>();
  #bar: Progress | undefined;
  #spoken = Date.now();

  constructor(reporter: Reporter, scenes: number, interrupted: () => boolean) {
    this.#reporter = reporter;
    this.#single = scenes === 1;
    this.interrupted = interrupted;
  }

  warn(text: string): void {
    this.#reporter.warn(text);
  }

  begin(candidates: number, workers: number): void {
    if (workers > 1) this.#reporter.line(`${workers} scenes at once`);
    if (candidates > 0) this.#bar = this.#reporter.progress(candidates, 'patches');
  }

  progress(scene: string, settled: number, candidates: number, kept: number): void {
    this.#settled.set(scene, settled);
    this.#bar?.update(
      [...this.#settled.values()].reduce((a, b) => a + b, 0),
      scene,
    );
    if (this.#reporter.isTerminal || Date.now() - this.#spoken < SILENCE) return;
    this.#spoken = Date.now();
    this.#reporter.line(`${scene}: ${settled} of ${candidates} places, ${kept} patches kept`);
  }

  finished(report: SceneReport, skipped: boolean): void {
    this.#spoken = Date.now();
    if (!skipped) for (const warning of report.warnings) this.#reporter.warn(warning);
    const how = skipped ? 'finished before' : duration(report.seconds);
    this.#reporter.line(`${report.name}: ${report.kept} of ${report.candidates} patches kept, ${how}`);
    this.#reporter.event('scene', { ...report, skipped });
  }

  failed(scene: string, error: BandliftError): void {
    // of one scene alone it is the command's own error
    if (!this.#single) this.#reporter.warn(`failed: ${error.message}`);
    this.#reporter.event('failed', { scene, error: error.message });
  }

  stop(): void {
    this.#bar?.stop();
  }
}
