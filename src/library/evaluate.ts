/** Measuring a trained model: its numbers beside baselines and an oracle. */
import { availableParallelism } from 'node:os';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import type { EvaluationOptions } from '../evaluate/common.js';
import type { EvaluationResult } from '../evaluate/result.js';
import { evaluateStage1 } from '../evaluate/stage1.js';
import { evaluateStage2 } from '../evaluate/stage2.js';
import { AbortError, abortable, type DeviceWork, deviceOf, interruptedBy, reporterOf } from './work.js';

export interface EvaluateOptions extends DeviceWork, Omit<EvaluationOptions, 'data' | 'machine' | 'threads'> {
  /** A model of either stage. */
  readonly checkpoint?: string;
  /** Instead of `checkpoint`: a model of each stage, or of both as one, end to end. */
  readonly stage1?: string;
  readonly stage2?: string;
  /** Folder or file of HDF5 patches: those of the checkpoint's run, or others of the same bands and units. */
  readonly data: string;
}

/** Threads that compute metrics: each holds two patches. */
const MOST_METRIC_THREADS = 4;

/**
 * Measures a model on its run's test split, or on patches it has never seen.
 *
 * @returns for each method (baselines, the model, an oracle) SAM in degrees, RMSE and MAE in the units of the data, PSNR in dB
 *   and more, over all bands and by region; and what a report is drawn from (see writeReport)
 * @throws BandliftError for a checkpoint or patches that do not serve; AbortError when the signal ended it
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { checkpoint, reporter, signal, device, precision, threads, stage1, stage2, ...rest } = options;
  const models = checkpoint === undefined ? { stage1, stage2 } : await stageOf(checkpoint);
  if (models.stage1 === undefined && models.stage2 === undefined)
    throw new BandliftError(
      'there is no model to evaluate',
      { expected: 'a checkpoint of stage 1, stage 2 or both' },
      EXIT.usage,
    );
  if (models.stage2 !== undefined && options.library !== undefined)
    throw new BandliftError('is a baseline of stage 1 alone', { field: '--library' }, EXIT.usage);
  const settings: EvaluationOptions = {
    ...rest,
    machine: { device: deviceOf(options) },
    threads: Math.min(threads ?? availableParallelism(), MOST_METRIC_THREADS),
  };
  const report = stoppable(reporterOf(options), interruptedBy(options));
  return abortable('the evaluation', options, () =>
    models.stage2 === undefined
      ? evaluateStage1(models.stage1!, settings, report)
      : evaluateStage2({ stage2: models.stage2, ...(models.stage1 && { stage1: models.stage1 }) }, settings, report),
  );
}

async function stageOf(checkpoint: string): Promise<{ stage1?: string; stage2?: string }> {
  const { model } = await inspectCheckpoint(checkpoint);
  return 'up' in model || model.kind === 'cascade' ? { stage2: checkpoint } : { stage1: checkpoint };
}

/** An evaluation keeps nothing: it is ended where it tells its progress, after a patch. */
function stoppable(reporter: Reporter, interrupted: () => boolean): Reporter {
  return {
    line: (text) => reporter.line(text),
    warn: (text) => reporter.warn(text),
    event: (kind, fields) => reporter.event(kind, fields),
    isTerminal: reporter.isTerminal === true,
    progress(total, unit, start) {
      const bar = reporter.progress(total, unit, start);
      return {
        update(done, status) {
          if (interrupted()) throw new AbortError('the evaluation');
          bar.update(done, status);
        },
        stop: () => bar.stop(),
      };
    },
  };
}
