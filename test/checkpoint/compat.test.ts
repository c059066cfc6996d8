/**
 * Checkpoints of format 1 as version 0.1.0 wrote them, kept in test/compat with the numbers that version made of them:
 * they load, predict the same and resume. Never edit or remake these files: whoever changes the format reads the old one.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { loadCheckpoint, loadModel } from '../../src/checkpoint/checkpoint.js';
import { createSession } from '../../src/engine/session.js';
import { bandliftHere } from '../support/cli.js';
import { metricsOf, testRowsOf } from '../support/runs.js';
import { temporaryFolder } from '../support/temporary.js';

const compat = join(projectRoot(), 'test/compat');

interface Expected {
  /** Normalised input [2, 2, 7] and output [2, 2, 8]. */
  readonly stage1: { readonly input: number[]; readonly output: number[] };
  /** Normalised input [2, 2, 8] and row 7 of the output [15, 15, 8]. */
  readonly stage2: { readonly input: number[]; readonly row7: number[] };
  /** Step, training loss and validation loss after each of six epochs. */
  readonly losses: readonly (readonly [number, number, number])[];
  readonly test: readonly { readonly label: string; readonly rmseByBand: readonly number[] }[];
}

const expected = JSON.parse(readFileSync(join(compat, 'expected.json'), 'utf8')) as Expected;

/** Files hold float32 computed with AVX-512; other instruction sets sum in another order. */
const RELATIVE = 1e-5;

function expectClose(found: ArrayLike<number>, right: readonly number[]): void {
  expect(found.length).toBe(right.length);
  const range = Math.max(...right.map(Math.abs));
  for (let i = 0; i < right.length; i++) expect(Math.abs(found[i]! - right[i]!)).toBeLessThan(RELATIVE * range);
}

async function predict(name: string, input: readonly number[]): Promise<Float32Array> {
  const { model, tensors, contract } = await loadModel(join(compat, name));
  const session = await createSession({
    model,
    loss: contract!.loss,
    height: 2,
    width: 2,
    batchSize: 1,
    mode: 'infer',
    device: { kind: 'cpu', threads: 1 },
  });
  try {
    session.write('parameters', tensors.parameters);
    return await session.predict(Float32Array.from(input), 1);
  } finally {
    session.dispose();
  }
}

describe('checkpoints of version 0.1.0', () => {
  const work = temporaryFolder();

  it('load with all they hold', async () => {
    const { model, bands, split, state, data, tensors } = await loadCheckpoint(join(compat, 'stage1.safetensors'));
    expect(model).toMatchObject({ kind: 'spectral_sr', inBands: 7, outBands: 8, hidden: 4, blocks: 1 });
    expect(bands).toMatchObject({ units: 'reflectance', fwhm: new Array(8).fill(20) });
    expect(split).toMatchObject({ train: [0, 1, 2, 3], validation: [4, 5], test: [6, 7] });
    expect(state.progress).toMatchObject({ epoch: 4, batch: 0, step: 6 });
    expect(data.map((file) => file.name)).toEqual(['line_0.h5', 'line_1.h5', 'line_2.h5', 'line_3.h5']);
    expect([...tensors.m!.keys()]).toEqual([...tensors.v!.keys()]);
  });

  it('predict the same numbers, stage 1', async () => {
    expectClose(await predict('stage1.safetensors', expected.stage1.input), expected.stage1.output);
  });

  it('predict the same numbers, stage 2', async () => {
    const output = await predict('stage2.safetensors', expected.stage2.input);
    expect(output.length).toBe(15 * 15 * 8);
    expectClose(output.slice(7 * 15 * 8, 8 * 15 * 8), expected.stage2.row7);
  });

  it('resume to the same losses and the same table', async () => {
    cpSync(join(compat, 'patches'), join(work, 'patches'), { recursive: true });
    mkdirSync(join(work, 'run/checkpoints'), { recursive: true });
    for (const name of ['config.yaml', 'metrics.jsonl']) copyFileSync(join(compat, name), join(work, 'run', name));
    for (const name of ['last', 'best'])
      copyFileSync(join(compat, 'stage1.safetensors'), join(work, `run/checkpoints/${name}.safetensors`));

    const result = await bandliftHere(['train', 'stage1', '--resume', '--output-dir', 'run'], work);
    expect(result.stderr).toBe('');
    expect(result.stdout).toContain('resuming at epoch 4, batch 0, step 6');
    const found = metricsOf(join(work, 'run'));
    expect(found.map((m) => m.step)).toEqual(expected.losses.map(([step]) => step));
    found.forEach((m, i) => {
      expectClose([m['train/loss']!, m['validation/loss']!], expected.losses[i]!.slice(1) as number[]);
    });
    // band 6 of the patches is a bad one, which that version still counted
    const good = (values: readonly number[]) => values.filter((_, b) => b !== 6);
    testRowsOf(join(work, 'run')).forEach((row, i) => {
      expect(row.label).toBe(expected.test[i]!.label);
      expectClose(good(row.rmseByBand), good(expected.test[i]!.rmseByBand));
    });
  });
});
