/** Training runs in this process, on a small generated sample: what a test of the training loop starts from. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MethodResult, RegionMetrics } from '../../src/metrics/types.js';
import { resolveConfig, type Stage1Config } from '../../src/train/config.js';
import type { TrainResult } from '../../src/train/run.js';
import { trainStage1 } from '../../src/train/stage1.js';
import { bandlift } from './cli.js';

/** Generates 18 patches of `size` x `size` pixels below `work`; their folder. */
export function smallSample(work: string, size = 12): string {
  const result = bandlift(
    ['sample', '--out', 'sample', '--patch-size', String(size), '--patches', '18', '--no-fine'],
    work,
  );
  if (result.status !== 0) throw new Error(`sample failed: ${result.stderr}`);
  return join(work, 'sample/patches');
}

/** Settings of a network and a run that take a second; `settings` wins. */
export function tinyConfig(settings: Partial<Stage1Config>): Stage1Config {
  return resolveConfig({
    blocks: 1,
    hidden: 6,
    batch_size: 2,
    image_every: 0,
    patience: 0,
    lr: 1e-3,
    epochs: 2,
    device: 'cpu',
    ...settings,
  });
}

export interface Trained extends TrainResult {
  readonly lines: readonly string[];
}

/**
 * For a run that is to stop after a number of steps: `interrupted` is asked once after each step (or each patch of stage 1's
 * predictions), and its first yes is remembered. A run itself asks more often, by the clock while data are read.
 */
export function afterSteps(interrupted: () => boolean) {
  let stop = false;
  const update = () => {
    stop ||= interrupted();
  };
  return { progress: () => ({ update, stop: () => {} }), interrupted: () => stop };
}

/** Trains in this process; `interrupted` as in afterSteps. */
export async function train(config: Stage1Config, interrupted = () => false, resume = false): Promise<Trained> {
  const steps = afterSteps(interrupted);
  const lines: string[] = [];
  const report = {
    line: (text = '') => void lines.push(text),
    warn: () => {},
    event: () => {},
    progress: steps.progress,
  };
  return { ...(await trainStage1(config, resume, report, steps.interrupted)), lines };
}

export type Metrics = Readonly<Record<string, number>>;

/** The epochs in metrics.jsonl; the start is epoch 0 and has no training loss. */
export const metricsOf = (run: string): Metrics[] => allMetricsOf(run).filter((line) => line.epoch! > 0);

export const allMetricsOf = (run: string): Metrics[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Metrics);

/** A method of a run's final table, its numbers over all bands and the RMSE of its bands and regions. */
export interface TestRow
  extends RegionMetrics,
    Pick<MethodResult, 'label' | 'role' | 'validPixels' | 'zeroNormPixels'> {
  readonly rmseByBand: readonly number[];
  readonly rmseByRegion: Readonly<Record<string, number>>;
}

export function testRowsOf(run: string): TestRow[] {
  const methods = JSON.parse(readFileSync(join(run, 'test_metrics.json'), 'utf8')) as MethodResult[];
  return methods.map(({ label, role, validPixels, zeroNormPixels, byBand, regions: { all, ...others } }) => ({
    ...all!,
    ...{ label, role, validPixels, zeroNormPixels },
    rmseByBand: byBand.rmse,
    rmseByRegion: Object.fromEntries(Object.entries(others).map(([name, region]) => [name, region.rmse])),
  }));
}

export const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Label, then numbers of each row of the table that a run printed. */
export function printedTable(text: string): Map<string, number[]> {
  const body = text.split(/^-{20,}$/m)[1] ?? '';
  const rows = new Map<string, number[]>();
  for (const line of body.split('\n')) {
    const cells = line.split(/ {2,}/);
    if (cells.length > 2) rows.set(cells[0]!, cells.slice(1).map(Number));
  }
  return rows;
}
