/** Between a session and a checkpoint: which tensors are kept, and what a checkpoint says about where they belong. */
import { basename } from 'node:path';
import { version } from '../base/version.js';
import type { Checkpoint, CheckpointContract } from '../checkpoint/checkpoint.js';
import type { PatchSet } from '../data/types.js';
import type { Session } from '../engine/types.js';
import type { ModelSpec } from '../models/spec.js';
import type { TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';

export function restoreSession(session: Session, checkpoint: Checkpoint): void {
  const { parameters, m, v, ema } = checkpoint.tensors;
  session.write('parameters', parameters);
  if (m) session.write('m', m);
  if (v) session.write('v', v);
  if (ema && session.options.ema) session.write('ema', ema);
}

/** What tells whether a checkpoint and a set speak of the same patches. */
export const filesOf = (set: PatchSet): CheckpointContract['data'] =>
  set.files.map((file) => ({ name: basename(file.path), patches: file.patches }));

const placesOf = ({ height, width, files }: PatchSet): NonNullable<CheckpointContract['places']> => ({
  height,
  width,
  files: files.map(({ scene, origins }) => ({ scene, origins: origins ? [...origins] : null })),
});

/** Whether a checkpoint's run numbered the patches of these files. */
export function sameFiles({ data }: Pick<CheckpointContract, 'data'>, set: PatchSet): boolean {
  const files = filesOf(set);
  return (
    files.length === data.length && files.every((f, i) => f.name === data[i]!.name && f.patches === data[i]!.patches)
  );
}

/** Everything but tensors and state: what must agree when the checkpoint is used with data again. */
export function describeCheckpoint(config: TrainConfig, spec: ModelSpec, data: TrainingData): CheckpointContract {
  const first = data.set.files[0]!;
  return {
    model: spec,
    bands: {
      wavelength: first.wavelength ? [...first.wavelength] : null,
      fwhm: first.fwhm ? [...first.fwhm] : null,
      units: first.units ?? null,
    },
    goodBands: data.bandMask ? [...data.bandMask] : new Array<number>(data.set.outBands).fill(1),
    sensor: first.sensor ?? null,
    responseHash: first.responseHash ?? null,
    normalization: data.normalization,
    split: data.split,
    seed: config.seed,
    loss: { l1: config.loss_l1, l2: config.loss_l2, sam: config.loss_sam, gradient: config.loss_gradient },
    optimizer: {
      kind: 'adam',
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      batchSize: config.batch_size,
      emaDecay: config.ema_decay,
    },
    data: filesOf(data.set),
    places: placesOf(data.set),
    sides: data.set.sides,
    ...(data.stage1 === undefined ? {} : { stage1: data.stage1 }),
    version: version(),
  };
}
