/** `bandlift evaluate`: every metric of a model beside its baselines and an oracle, as a table, files and a report. */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';
import type { EvaluationOptions } from '../evaluate/common.js';
import type { Machine } from '../evaluate/method.js';
import { formatMethodTable } from '../evaluate/method_table.js';
import { metricsJson } from '../evaluate/metrics_json.js';
import { parsePixel } from '../evaluate/picks.js';
import type { EvaluationResult } from '../evaluate/result.js';
import { evaluateStage1 } from '../evaluate/stage1.js';
import { evaluateStage2 } from '../evaluate/stage2.js';
import { writeReport } from '../report/index.js';
import { parseBytes } from '../train/config.js';
import { addDeviceOptions, type DeviceFlags, deviceChoice } from './device_options.js';
import { Output } from './output.js';

interface Flags extends DeviceFlags {
  stage1?: string;
  stage2?: string;
  dataDir: string;
  out: string;
  split?: NonNullable<EvaluationOptions['split']>;
  baselinesFrom?: string;
  library?: string;
  pixels?: string[];
  maxMemory?: string;
  json?: boolean;
}

/** Threads that compute metrics: each holds two patches. */
const MOST_METRIC_THREADS = 4;

export function addEvaluate(program: Command): void {
  addDeviceOptions(program.command('evaluate'))
    .description(
      "measure a trained model on its run's test split or on patches it has never seen, beside baselines fitted on its training split and an oracle",
    )
    .requiredOption(
      '--data-dir <path>',
      "folder or file of HDF5 patches: those of the checkpoint's run, or others of the same bands and units",
    )
    .requiredOption('--out <folder>', 'for metrics.json, CSV files, pictures and report.html')
    .option('--stage1 <checkpoint>', 'spectral model')
    .option('--stage2 <checkpoint>', 'spatial model, on the degraded true cubes; with --stage1 both as one, end to end')
    .addOption(
      new Option(
        '--split <name>',
        "patches to evaluate, of the checkpoint's split (default: test; all of patches that are not of its run)",
      ).choices(['test', 'validation', 'all']),
    )
    .option('--baselines-from <path>', 'patches to fit the baselines on, instead of the training split')
    .option('--library <file>', 'ENVI library of reflectance: adds the nearest library spectrum as a baseline')
    .option('--pixels <patch:row,column...>', 'pixels whose spectra are shown besides the worst and the median one')
    .option('--max-memory <size>', 'limit for everything, e.g. 4G')
    .option('--json', 'one JSON object on stdout instead of a table')
    .action((flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  const output = new Output(flags.json === true);
  // before the work, not after it
  if (existsSync(flags.out) && !statSync(flags.out).isDirectory())
    throw new BandliftError('is no folder', { file: flags.out, hint: 'give another --out' });
  const result = await evaluate(flags, output);
  makeFolder(flags.out, 'give another --out');
  const metrics = join(flags.out, 'metrics.json');
  await writeFileAtomic(metrics, metricsJson(result));
  const files = [metrics, ...(await writeReport(result, flags.out))];
  output.line();
  output.line(formatMethodTable(result));
  output.line();
  for (const file of files.filter((f) => /\.(html|json|csv)$/.test(f))) output.line(`written: ${file}`);
  output.event('evaluated', { stage: result.stage, methods: result.methods, files });
}

function evaluate(flags: Flags, output: Output): Promise<EvaluationResult> {
  const { stage1, stage2 } = flags;
  const options = optionsOf(flags);
  if (stage2 === undefined && stage1 === undefined)
    throw new BandliftError('nothing to evaluate', { expected: '--stage1 or --stage2, or both' }, EXIT.usage);
  if (stage2 === undefined) return evaluateStage1(stage1!, options, output);
  if (options.library !== undefined)
    throw new BandliftError('is a baseline of stage 1 alone', { field: '--library' }, EXIT.usage);
  return evaluateStage2({ stage2, ...(stage1 === undefined ? {} : { stage1 }) }, options, output);
}

function optionsOf(flags: Flags): EvaluationOptions {
  const limit = flags.maxMemory === undefined ? 0 : parseBytes(flags.maxMemory, '--max-memory');
  const machine: Machine = { device: deviceChoice(flags) };
  return {
    data: flags.dataDir,
    ...(flags.split === undefined ? {} : { split: flags.split }),
    ...(flags.baselinesFrom === undefined ? {} : { baselinesFrom: flags.baselinesFrom }),
    machine,
    threads: Math.min(flags.threads ?? availableParallelism(), MOST_METRIC_THREADS),
    ...(limit > 0 ? { maxMemory: limit } : {}),
    ...(flags.library === undefined ? {} : { library: flags.library }),
    ...(flags.pixels === undefined ? {} : { pixels: flags.pixels.map(parsePixel) }),
  };
}
