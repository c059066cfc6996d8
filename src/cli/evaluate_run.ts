/** `bandlift evaluate` at work: every metric of a model beside its baselines and an oracle, as a table, files and a report. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { parseBytes } from '../base/bytes.js';
import { makeFolder } from '../base/folders.js';
import type { DeviceChoice } from '../engine/device.js';
import type { EvaluationOptions } from '../evaluate/common.js';
import { parsePixel } from '../evaluate/picks.js';
import { type EvaluationResult, metricsJson } from '../evaluate/result.js';
import { evaluateStage1 } from '../evaluate/stage1.js';
import { evaluateStage2 } from '../evaluate/stage2.js';
import { formatFullTable } from '../metrics/table.js';
import { writeReport } from '../report/index.js';
import type { DeviceFlags } from './device_options.js';
import { Output } from './output.js';

export interface EvaluateFlags extends DeviceFlags {
  stage1?: string;
  stage2?: string;
  dataDir: string;
  out: string;
  split?: 'test' | 'validation' | 'all';
  baselinesFrom?: string;
  library?: string;
  pixels?: string[];
  maxMemory?: string;
  json?: boolean;
}

/** Threads that compute metrics: each holds two patches. */
const MOST_METRIC_THREADS = 4;

export async function runEvaluate(flags: EvaluateFlags, device: DeviceChoice): Promise<void> {
  const output = new Output(flags.json === true);
  const result = await evaluate(flags, optionsOf(flags, device), output);
  makeFolder(flags.out, 'give another --out');
  const metrics = join(flags.out, 'metrics.json');
  await writeFileAtomic(metrics, metricsJson(result));
  const files = [metrics, ...(await writeReport(result, flags.out))];
  output.line();
  output.line(formatFullTable(result.methods, result.data));
  output.line();
  for (const file of files.filter((f) => /\.(html|json|csv)$/.test(f))) output.line(`written: ${file}`);
  output.event('evaluated', { stage: result.stage, methods: result.methods, files });
}

function evaluate(
  { stage1, stage2 }: EvaluateFlags,
  options: EvaluationOptions,
  output: Output,
): Promise<EvaluationResult> {
  if (stage2 === undefined) return evaluateStage1(stage1!, options, output);
  return evaluateStage2({ stage2, ...(stage1 === undefined ? {} : { stage1 }) }, options, output);
}

function optionsOf(flags: EvaluateFlags, device: DeviceChoice): EvaluationOptions {
  const limit = flags.maxMemory === undefined ? 0 : parseBytes(flags.maxMemory, '--max-memory');
  return {
    data: flags.dataDir,
    ...(flags.split === undefined ? {} : { split: flags.split }),
    ...(flags.baselinesFrom === undefined ? {} : { baselinesFrom: flags.baselinesFrom }),
    machine: { device },
    threads: Math.min(flags.threads ?? availableParallelism(), MOST_METRIC_THREADS),
    ...(limit > 0 ? { maxMemory: limit } : {}),
    ...(flags.library === undefined ? {} : { library: flags.library }),
    ...(flags.pixels === undefined ? {} : { pixels: flags.pixels.map(parsePixel) }),
  };
}
