/** Writes what a run measures: TensorBoard, metrics.jsonl and lines for people. One place, so that the three agree. */
import type { LossTerms } from '../engine/types.js';
import type { MetricsLog } from './metrics_log.js';
import type { Reporter } from './reporter.js';
import type { TensorBoardWriter } from './tensorboard.js';

const degrees = (radians: number) => (radians * 180) / Math.PI;

export interface EpochRecord {
  readonly epoch: number;
  readonly step: number;
  readonly epochs: number;
  readonly train: LossTerms;
  readonly validation: LossTerms;
  readonly learningRate: number;
  readonly gradNorm: number;
  readonly patchesPerSecond: number;
  readonly seconds: number;
  readonly improved: boolean;
}

/** The documented tags and their values for one set of loss terms. */
export function lossScalars(prefix: 'train' | 'validation', terms: LossTerms): Record<string, number> {
  return {
    [`${prefix}/loss`]: terms.total,
    [`${prefix}/l1`]: terms.l1,
    [`${prefix}/sam_rad`]: terms.sam,
    [`${prefix}/sam_deg`]: degrees(terms.sam),
    [`${prefix}/spectral_gradient`]: terms.gradient,
  };
}

export class Monitor {
  readonly #board: TensorBoardWriter;
  readonly #log: MetricsLog;
  readonly #report: Reporter;

  constructor(board: TensorBoardWriter, log: MetricsLog, report: Reporter) {
    this.#board = board;
    this.#log = log;
    this.#report = report;
  }

  epoch(record: EpochRecord): void {
    const scalars = {
      ...lossScalars('train', record.train),
      ...lossScalars('validation', record.validation),
      'train/learning_rate': record.learningRate,
      'train/gradient_norm': record.gradNorm,
      'train/patches_per_second': record.patchesPerSecond,
    };
    for (const [tag, value] of Object.entries(scalars)) this.#board.scalar(tag, value, record.step);
    this.#board.flush();
    this.#log.append({ epoch: record.epoch, step: record.step, ...scalars });
    this.#report.event('epoch', { epoch: record.epoch, step: record.step, ...scalars, best: record.improved });
    const width = String(record.epochs).length;
    this.#report.line(
      `epoch ${String(record.epoch).padStart(width)}/${record.epochs}  train ${record.train.total.toFixed(5)}  val ${record.validation.total.toFixed(5)}  ` +
        `L1 ${record.validation.l1.toFixed(5)}  SAM ${degrees(record.validation.sam).toFixed(3)} deg  lr ${record.learningRate.toExponential(1)}  ` +
        `${record.patchesPerSecond.toFixed(2)} patches/s${record.improved ? '  best' : ''}`,
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
