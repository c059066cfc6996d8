/** Schedules, early stopping and closed-form models as a whole run shows them in metrics.jsonl. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint, loadModel } from '../../src/checkpoint/checkpoint.js';
import { temporaryFolder } from '../support/cli.js';
import { hashOf, metricsOf, smallSample, testRowsOf, tinyConfig, train } from '../support/runs.js';

const work = temporaryFolder();
let data = '';
beforeAll(() => {
  data = smallSample(work);
});
const run = (name: string, settings: object) =>
  // the smallest network: these tests are about what surrounds it
  train(
    tinyConfig({
      model: 'spectral_unmixing',
      endmembers: 4,
      data_dir: data,
      output_dir: join(work, name),
      ...settings,
    }),
  );
const column = (name: string, field: string) => metricsOf(join(work, name)).map((line) => line[field]!);

/** Optimizer steps of an epoch: patches of the training part by 2 a batch, rounded up. */
async function stepsPerEpoch(name: string): Promise<number> {
  const { split } = await loadCheckpoint(join(work, name, 'checkpoints/last.safetensors'));
  return Math.ceil(split.train.length / 2);
}

describe("the learning rate in metrics.jsonl (that of the epoch's last step)", () => {
  // the same formula in double, perhaps in another order of operations
  const close = (actual: readonly number[], expected: readonly number[]) => {
    expect(actual).toHaveLength(expected.length);
    expected.forEach((e, i) => {
      expect(Math.abs(actual[i]! / e - 1)).toBeLessThan(1e-12);
    });
  };

  it('follows half a cosine from lr to min-lr after a linear warm-up', async () => {
    await run('cosine', { epochs: 4, schedule: 'cosine', lr: 1e-3, min_lr: 1e-5, warmup_steps: 3 });
    const n = await stepsPerEpoch('cosine');
    expect(n).toBeGreaterThan(3); // all warm-up steps lie in the first epoch
    expect(column('cosine', 'step')).toEqual([n, 2 * n, 3 * n, 4 * n]);
    const rate = (step: number) => 1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + Math.cos((Math.PI * (step - 3)) / (4 * n - 3)));
    close(column('cosine', 'train/learning_rate'), [rate(n - 1), rate(2 * n - 1), rate(3 * n - 1), rate(4 * n - 1)]);
  });

  it('falls by the factor every second epoch', async () => {
    await run('step', { epochs: 5, schedule: 'step', lr: 1e-3, step_epochs: 2, step_factor: 0.5 });
    close(column('step', 'train/learning_rate'), [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]);
  });

  it('rises linearly over warm-up steps that span epochs', async () => {
    const n = await stepsPerEpoch('step');
    await run('warm', { epochs: 3, schedule: 'constant', lr: 1e-3, warmup_steps: 2 * n });
    close(column('warm', 'train/learning_rate'), [5e-4, 1e-3, 1e-3]); // step n of 2n, step 2n of 2n, after it
  });

  it('halves when the validation loss has not improved for more than `patience` epochs', async () => {
    await run('plateau', { epochs: 12, schedule: 'plateau', lr: 0.02, plateau_patience: 0 });
    const losses = column('plateau', 'validation/loss');
    const expected: number[] = [];
    let rate = 0.02;
    let best = Number.POSITIVE_INFINITY;
    for (const loss of losses) {
      expected.push(rate);
      if (loss < best * (1 - 1e-4)) best = loss;
      else rate /= 2;
    }
    close(column('plateau', 'train/learning_rate'), expected);
    expect(rate).toBeLessThan(0.02); // otherwise this shows nothing
  });
});

describe('early stopping', () => {
  it('ends the run after `patience` epochs without improvement and keeps the best', async () => {
    // steps of 0.05 on a tiny network overshoot sooner or later
    const result = await run('early', { epochs: 60, schedule: 'constant', lr: 0.05, patience: 3 });
    const losses = column('early', 'validation/loss');
    const best = losses.indexOf(Math.min(...losses));
    expect(losses.length).toBeLessThan(60);
    expect(losses.length).toBe(best + 1 + 3);
    // never sooner: before the end, no three epochs in a row failed to improve on all before them
    for (let end = 3; end < losses.length; end++)
      expect(Math.min(...losses.slice(end - 3, end)) < Math.min(...losses.slice(0, end - 3), Number.MAX_VALUE)).toBe(
        true,
      );
    expect(result.lines).toContain('stopped early: no improvement in 3 epochs');
  });
});

describe('closed-form models', () => {
  /** Every setting that could matter is the default; the run is over after one pass. */
  for (const [model, label, tolerance] of [
    // W x + b is the same line whatever affine units x and y are in, and the penalty is relative to each band's
    // variance: only float32 rounding of weights and normalised values is left
    ['ridge', 'ridge', 1e-4],
    // products of shifted bands span the same functions, but the penalty weighs them differently
    ['quadratic_ridge', 'quadratic ridge', 0.05],
  ] as const)
    it(`--model ${model} is the baseline's fit, without training`, async () => {
      const result = await run(model, { model });
      expect(result.interrupted).toBe(false);
      const rows = testRowsOf(join(work, model));
      const [own, baseline] = [rows[3]!, rows.find((row) => row.label === label)!];
      expect(own.label).toMatch(new RegExp(`^${model}`));
      expect(Math.abs(own.samDeg / baseline.samDeg - 1)).toBeLessThan(tolerance);
      expect(Math.abs(own.rmse / baseline.rmse - 1)).toBeLessThan(tolerance);
      const { contract, tensors } = await loadModel(join(work, model, 'checkpoints/best.safetensors'));
      expect(contract?.model.kind).toBe(model);
      expect([...tensors.parameters.keys()].sort()).toEqual(['regression.bias', 'regression.weight']);
      // nothing is trained afterwards: last and best are the same file
      expect(hashOf(join(work, model, 'checkpoints/last.safetensors'))).toBe(
        hashOf(join(work, model, 'checkpoints/best.safetensors')),
      );
      expect(existsSync(join(work, model, '.lock'))).toBe(false);
    });
});
