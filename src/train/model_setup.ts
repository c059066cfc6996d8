/** From settings to a network: its specification, its closed-form start and its first parameters. */

import { parseBytes } from '../base/bytes.js';
import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { requireSameBands } from '../data/band_masks.js';
import { Normalizer } from '../data/normalize.js';
import { createSession } from '../engine/session.js';
import type { Session, SessionOptions } from '../engine/types.js';
import { RegressionFit } from '../fit/regression_fit.js';
import { initEndmembers } from '../models/endmembers.js';
import type { ModelSpec, RegressionPath } from '../models/spec.js';
import type { Stage1Config, TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';
import { deviceOption } from './device_option.js';

/** The network that the settings describe, for data of these band counts. */
export function specFromConfig(config: Stage1Config, inBands: number, outBands: number): ModelSpec {
  const sizes = { inBands, outBands };
  // The endmember network explains a pixel by its abundances alone; a regression beside it would take its place.
  const regression = (byDefault: RegressionPath): RegressionPath =>
    config.regression === 'auto' ? byDefault : config.regression;
  switch (config.model) {
    case 'spectral_sr':
      return {
        kind: 'spectral_sr',
        ...sizes,
        hidden: config.hidden,
        blocks: config.blocks,
        axis: config.axis,
        regression: regression('quadratic'),
      };
    case 'spectral_unmixing':
      return {
        kind: 'spectral_unmixing',
        ...sizes,
        endmembers: config.endmembers,
        constraint: config.endmember_constraint,
        regression: regression('none'),
      };
    default:
      return { kind: config.model, ...sizes };
  }
}

/** Weights of the other stage. */
export function notOfStage(kind: string, stage: string): BandliftError {
  return new BandliftError(`these weights do not belong to a network of ${stage}`, { field: '--init', found: kind });
}

/** The settings of a run that starts from another model's weights: its network is that model's, whatever the flags say. */
export function withModel(config: Stage1Config, spec: ModelSpec): Stage1Config {
  switch (spec.kind) {
    case 'spectral_sr': {
      const { kind: model, hidden, blocks, axis, regression } = spec;
      return { ...config, model, hidden, blocks, axis, regression };
    }
    case 'spectral_unmixing': {
      const { kind: model, endmembers, constraint: endmember_constraint, regression } = spec;
      return { ...config, model, endmembers, endmember_constraint, regression };
    }
    case 'ridge':
    case 'quadratic_ridge':
      return { ...config, model: spec.kind };
    default:
      throw notOfStage(spec.kind, 'stage 1');
  }
}

/** Which closed-form regression a model holds, if any. */
export function regressionOf(spec: ModelSpec): RegressionPath {
  switch (spec.kind) {
    case 'ridge':
      return 'linear';
    case 'quadratic_ridge':
      return 'quadratic';
    case 'spectral_sr':
    case 'spectral_unmixing':
      return spec.regression;
    default:
      return 'none';
  }
}

/** A session for this data and these settings. */
export function openSession(
  config: TrainConfig,
  spec: ModelSpec,
  data: TrainingData,
  overrides: Partial<SessionOptions> = {},
): Promise<Session> {
  const maxMemory = parseBytes(config.max_memory, '--max-memory');
  return createSession({
    model: spec,
    loss: { l1: config.loss_l1, l2: config.loss_l2, sam: config.loss_sam, gradient: config.loss_gradient },
    height: data.set.inputHeight,
    width: data.set.inputWidth,
    batchSize: config.batch_size,
    pixelMask: data.masked,
    ema: config.ema_decay > 0,
    device: deviceOption(config),
    ...(data.set.bandMasks ? { patchBands: true } : data.bandMask ? { bandMask: data.bandMask } : {}),
    ...(maxMemory > 0 ? { maxMemory } : {}),
    ...overrides,
  });
}

export type Space = 'normalized' | 'physical';

/**
 * Fits target ~ regression(input) on the training patches, in closed form and streamed, in the space the model works in
 * (unclipped, so that the brightest pixels take part) or in physical units (the baselines).
 */
export async function fitRegression(
  config: Stage1Config,
  data: TrainingData,
  kind: Exclude<RegressionPath, 'none'>,
  space: Space,
): Promise<Map<string, Float32Array>> {
  const { set, reader, split, normalization } = data;
  const fit = await RegressionFit.create({
    kind,
    inBands: set.inBands,
    outBands: set.outBands,
    height: set.height,
    width: set.width,
    pixelMask: data.masked,
    device: deviceOption(config),
  });
  try {
    const normalize =
      space === 'normalized'
        ? { input: { ...normalization.input, clip: false }, target: { ...normalization.target, clip: false } }
        : {};
    for await (const batch of reader.batches({
      patches: split.train,
      batchSize: config.batch_size,
      normalize,
      mask: data.masked,
    })) {
      await fit.add(batch);
      batch.release();
    }
    const { weight, bias } = fit.solve(config.ridge_lambda);
    return new Map([
      ['regression.weight', weight],
      ['regression.bias', bias],
    ]);
  } finally {
    fit.dispose();
  }
}

/** The parameters that come from the training data rather than from the random generator. */
export async function dataDrivenParameters(
  config: Stage1Config,
  spec: ModelSpec,
  data: TrainingData,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  const kind = regressionOf(spec);
  if (kind !== 'none')
    for (const [name, value] of await fitRegression(config, data, kind, 'normalized')) values.set(name, value);
  if (spec.kind === 'spectral_unmixing' && spec.constraint === 'softplus') {
    requireSameBands(data.set, 'the start of endmembers from training spectra');
    const spectra = await data.reader.sampleSpectra(data.split.train, 4096, config.seed);
    new Normalizer(data.normalization.target, spec.outBands).normalize(spectra.target);
    values.set(
      'endmembers',
      initEndmembers(spectra.target, spec.outBands, spec.endmembers, new Random(config.seed, 7)),
    );
  }
  return values;
}
