/** `bandlift evaluate` at work: every metric of a model beside its baselines and an oracle, as a table, files and a report. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { parseBytes } from '../base/bytes.js';
import { makeFolder } from '../base/folders.js';
import type { Precision } from '../engine/precision.js';
import { parsePixel } from '../evaluate/picks.js';
import { metricsJson } from '../evaluate/result.js';
import { evaluate } from '../library/evaluate.js';
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

export async function runEvaluate(flags: EvaluateFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const { stage1, stage2, split, baselinesFrom, library, pixels, threads, precision } = flags;
  const limit = flags.maxMemory === undefined ? 0 : parseBytes(flags.maxMemory, '--max-memory');
  const result = await evaluate({
    data: flags.dataDir,
    device: flags.device,
    precision: precision as 'auto' | Precision,
    ...(stage1 === undefined ? {} : { stage1 }),
    ...(stage2 === undefined ? {} : { stage2 }),
    ...(split === undefined ? {} : { split }),
    ...(baselinesFrom === undefined ? {} : { baselinesFrom }),
    ...(library === undefined ? {} : { library }),
    ...(pixels === undefined ? {} : { pixels: pixels.map(parsePixel) }),
    ...(threads === undefined ? {} : { threads }),
    ...(limit > 0 ? { maxMemory: limit } : {}),
    reporter: output,
  });
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
