/** `inspect` of a file of weights, and what it takes to train a network. */
import { formatBytes } from '../base/bytes.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { createSession } from '../engine/session.js';
import { COMBINED_LOSS } from '../engine/types.js';
import { readSafetensorsHeader } from '../io/safetensors.js';
import { modelParameters, parameterCount, receptiveField } from '../models/index.js';
import type { ModelSpec } from '../models/spec.js';
import { type Facts, range } from './inspect_facts.js';

/** Sizes, receptive field and planned memory of a network. */
export async function modelFacts(spec: ModelSpec, batchSize: number, asked: number | undefined): Promise<Facts> {
  const size = asked ?? ('up' in spec || spec.kind === 'cascade' ? 34 : 256);
  const parameters = modelParameters(spec);
  const session = await createSession({ model: spec, loss: COMBINED_LOSS, height: size, width: size, batchSize });
  const { plan } = session;
  session.dispose();
  return {
    ...spec,
    parameters: parameterCount(parameters),
    receptive_field: receptiveField(spec),
    training_memory: `${formatBytes(plan.totalBytes)} for batches of ${batchSize} patches of ${size} x ${size} pixels`,
  };
}

/** A file of weights: a checkpoint or model of ours, or any safetensors file. */
export async function inspectWeights(path: string, batchSize: number, size: number | undefined): Promise<Facts> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  if (metadata.bandlift === undefined)
    return {
      kind: 'safetensors',
      tensors: tensors.size,
      names: [...tensors.keys()].slice(0, 12).join(', ') + (tensors.size > 12 ? ', ...' : ''),
    };
  const header = await inspectCheckpoint(path);
  const model = await modelFacts(header.model, batchSize, size);
  if (header.content === 'model') return { kind: 'model', ...model, version: header.version };
  const { progress } = header.state;
  return {
    kind: 'checkpoint',
    ...model,
    step: progress.step,
    epoch: progress.epoch,
    best_validation_loss: progress.best,
    wavelengths: range(header.bands.wavelength ?? undefined),
    units: header.bands.units ?? 'unknown',
    normalization: header.normalization.method,
    split: `${header.split.train.length} / ${header.split.validation.length} / ${header.split.test.length} patches, ${header.split.method}`,
    data: header.data.map((d) => d.name).join(', '),
    version: header.version,
  };
}
