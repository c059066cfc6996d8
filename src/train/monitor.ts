/** Writes what a run measures: TensorBoard, metrics.jsonl and lines for people. One place, so that the three agree. */

import type { Reporter } from '../base/reporter.js';
import type { LossTerms } from '../engine/types.js';
import type { MethodResult } from '../metrics/types.js';
import { type Board, degrees } from './board.js';
import type { MetricsLog } from './metrics_log.js';

export interface EpochRecord {
  readonly epoch: number;
  readonly step: number;
  readonly epochs: number;
  readonly train: LossTerms;
  readonly validation: LossTerms;
  readonly learningRate: number;
  readonly gradNorm: number;
  /** Undefined where no batch of the epoch was left to do. */
  readonly patchesPerSecond: number | undefined;
  readonly seconds: number;
  readonly improved: boolean;
}

/** The documented fields of metrics.jsonl for one set of loss terms; sam_rad is the term of the loss. */
export function lossScalars(prefix: 'train' | 'validation', terms: LossTerms): Record<string, number> {
  return {
    [`${prefix}/loss`]: terms.total,
    [`${prefix}/l1`]: terms.l1,
    [`${prefix}/sam_rad`]: terms.sam,
    [`${prefix}/sam_deg`]: degrees(terms.sam),
    [`${prefix}/spectral_gradient`]: terms.gradient,
  };
}

export class TrainingMonitor {
  readonly #board: Board;
  readonly #log: MetricsLog;
  readonly #report: Reporter;

  constructor(board: Board, log: MetricsLog, report: Reporter) {
    this.#board = board;
    this.#log = log;
    this.#report = report;
  }

  /** What a new run begins with. */
  settings(config: object, yaml: string): void {
    this.#board.start(config, yaml);
  }

  /** The model before its first step: epoch 0. */
  start(validation: LossTerms): void {
    this.#board.validation(validation, 0);
    this.#board.flush();
    this.#log.append({ epoch: 0, step: 0, ...lossScalars('validation', validation) });
  }

  /** The final table, as rows and as text. */
  test(rows: readonly MethodResult[], table: string, lastStep: number): void {
    this.#board.test(rows, table, lastStep);
  }

  epoch(record: EpochRecord): void {
    const rate = record.patchesPerSecond;
    const others = { learning_rate: record.learningRate, gradient_norm: record.gradNorm };
    this.#board.train(
      record.train,
      { ...others, ...(rate !== undefined && { patches_per_second: rate }) },
      record.step,
    );
    this.#board.validation(record.validation, record.step);
    this.#board.flush();
    const scalars = {
      ...lossScalars('train', record.train),
      ...lossScalars('validation', record.validation),
      'train/learning_rate': record.learningRate,
      'train/gradient_norm': record.gradNorm,
      'train/patches_per_second': rate ?? null,
    };
    this.#log.append({ epoch: record.epoch, step: record.step, ...scalars });
    this.#report.event('epoch', { epoch: record.epoch, step: record.step, ...scalars, best: record.improved });
    const width = String(record.epochs).length;
    this.#report.line(
      `epoch ${String(record.epoch).padStart(width)}/${record.epochs}  train ${record.train.total.toFixed(5)}  val ${record.validation.total.toFixed(5)}  ` +
        `L1 ${record.validation.l1.toFixed(5)}  SAM ${degrees(record.validation.sam).toFixed(3)} deg  lr ${record.learningRate.toExponential(1)}  ` +
        `${rate === undefined ? '' : `${rate.toFixed(2)} patches/s`}${record.improved ? '  best' : ''}`,
    );
  }

  image(tag: string, png: Uint8Array, width: number, height: number, step: number): void {
    this.#board.image(tag, png, width, height, step);
  }

  close(): void {
    this.#board.close();
    this.#log.close();
  }
}
