/** `inspect` of a file of weights, and what it takes to train a network. */
import { formatBytes } from '../base/bytes.js';
import { inspectCheckpoint, loadModel } from '../checkpoint/checkpoint.js';
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

/** nm between the points of the observability curve that are printed. */
const CURVE_STEP = 100;

/** What a closed-form model says of itself: its scenes, its intervals, and how much of each band 7 bands tell. */
async function sceneFacts(path: string): Promise<Facts> {
  const { scenes } = await loadModel(path);
  const { facts, tables } = scenes!;
  const { wavelength } = facts.bands;
  const curve: string[] = [];
  let next = 0;
  wavelength.forEach((nm, b) => {
    if (nm < next) return;
    curve.push(`${nm.toFixed(0)} nm ${(100 * tables.observability[b]!).toFixed(1)} %`);
    next = nm + CURVE_STEP;
  });
  const bad = facts.goodBands.filter((good) => good === 0).length;
  const { calibration } = facts;
  return {
    recipe: facts.recipe,
    wavelengths: range(wavelength),
    bad_bands: bad,
    units: facts.bands.units,
    sensor: facts.sensor,
    scenes: facts.scenes.map(({ name, spectra }) => `${name} (${spectra} spectra)`).join(', '),
    intervals: `calibrated on ${facts.uncertainty.scenes} scenes`,
    ...(calibration
      ? { calibrated_to: `${calibration.scene}, ${calibration.pixels} known pixels, strength ${calibration.strength}` }
      : {}),
    observability: `share of each band's variance over the training spectra that the input bands determine: ${curve.join(', ')}`,
    version: facts.version,
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
  if (header.content === 'scenes')
    return { kind: 'closed-form model of scenes', ...model, ...(await sceneFacts(path)) };
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
