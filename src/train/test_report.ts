/**
 * What every training run ends with: SAM and RMSE on the test split in physical units, the model beside the closed-form
 * baselines. No skill over these baselines means no skill. `evaluate` measures the same way (evaluate/measure.ts), so it
 * gives the same numbers for the same checkpoint and patches.
 */

import { availableParallelism } from 'node:os';
import { parseBytes } from '../base/bytes.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { measuredData } from '../evaluate/common.js';
import type { KnownModel } from '../evaluate/evaluation_data.js';
import type { Machine, Method } from '../evaluate/method.js';
import { measureRows } from '../evaluate/rows.js';
import type { EvaluationPool } from '../evaluate/worker_pool.js';
import type { MethodResult } from '../metrics/types.js';
import type { TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';
import { deviceOption } from './device_option.js';

/** Threads that compute metrics: each holds two patches. */
const MOST_THREADS = 4;

/** The best checkpoint of a run as the methods of an evaluation take it. */
export function knownModel(path: string, best: Checkpoint): KnownModel {
  const { tensors, state: _, statistics, ...contract } = best;
  return { path, contract, stored: { model: best.model, tensors, contract, ...(statistics ? { statistics } : {}) } };
}

export function machineOf(config: TrainConfig): Machine {
  const maxMemory = parseBytes(config.max_memory, '--max-memory');
  return { device: deviceOption(config), ...(maxMemory > 0 ? { maxMemory } : {}) };
}

/** Rows of these methods on the test split. */
export function testRows(
  config: TrainConfig,
  data: TrainingData,
  methods: (pool: EvaluationPool) => readonly Method[],
): Promise<MethodResult[]> {
  const good = data.bandMask ?? new Uint8Array(data.set.outBands).fill(1);
  const measured = measuredData(data.reader, data.split.test, good);
  const threads = Math.min(config.threads || availableParallelism(), MOST_THREADS);
  return measureRows(measured, methods, data.set.width / data.set.inputWidth, threads);
}
