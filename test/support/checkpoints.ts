/** Checkpoints of models that nobody trained: a contract for given data, and weights of the test's choice. */
import { basename } from 'node:path';
import { saveCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { CheckpointContract } from '../../src/checkpoint/schema.js';
import type { AffineNormalization, PatchSet, Split } from '../../src/data/types.js';
import { COMBINED_LOSS } from '../../src/engine/types.js';
import type { ModelSpec } from '../../src/models/spec.js';

export const IDENTITY: AffineNormalization = { offset: [0], scale: [1], clip: false };

/** A split by hand. */
export const splitOf = (train: number[], validation: number[], test: number[]): Split => ({
  method: 'patch',
  seed: 1,
  train,
  validation,
  test,
  guard: [],
  description: 'made by hand',
});

/** What a run on this set would write; `changes` replaces fields. */
export function contractOf(
  set: PatchSet,
  model: ModelSpec,
  split: Split,
  changes: Partial<CheckpointContract> = {},
): CheckpointContract {
  const first = set.files[0]!;
  return {
    model,
    bands: {
      wavelength: first.wavelength ? [...first.wavelength] : null,
      fwhm: first.fwhm ? [...first.fwhm] : null,
      units: first.units ?? null,
    },
    sensor: first.sensor ?? null,
    responseHash: first.responseHash ?? null,
    normalization: { method: 'none', input: IDENTITY, target: IDENTITY, units: first.units ?? '' },
    split,
    seed: 1,
    loss: COMBINED_LOSS,
    optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, batchSize: 1, emaDecay: 0 },
    data: set.files.map((file) => ({ name: basename(file.path), patches: file.patches })),
    version: '0.0.0',
    ...changes,
  };
}

/** Writes a checkpoint after 4 epochs. */
export async function writeCheckpoint(
  path: string,
  contract: CheckpointContract,
  parameters: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  const averages = { weight: 0, total: 0, l1: 0, l2: 0, sam: 0, gradient: 0, gradNormSum: 0, steps: 0 };
  await saveCheckpoint(path, {
    ...contract,
    tensors: { parameters },
    state: {
      progress: { epoch: 5, batch: 0, step: 40, best: 0.1, averages },
      schedule: { kind: 'constant', learningRate: 1e-4, best: null, badEpochs: 0 },
      earlyStopping: { best: null, badEpochs: 0 },
    },
  });
  return path;
}
