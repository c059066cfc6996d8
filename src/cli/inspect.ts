/** `bandlift inspect`: what a cube, patch file, checkpoint or model holds, and what training it would take. */
import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import { inspectCheckpoint } from '../checkpoint/checkpoint.js';
import { createSession } from '../engine/session.js';
import { COMBINED_LOSS } from '../engine/types.js';
import { readSafetensorsHeader } from '../io/safetensors.js';
import { readTorchState } from '../io/torch_pickle.js';
import { modelParameters, parameterCount, receptiveField } from '../models/index.js';
import type { ModelSpec } from '../models/spec.js';
import { resolveConfig, STAGE2_SETTINGS } from '../train/config.js';
import { specFromConfig } from '../train/model_setup.js';
import { spatialSpec } from '../train/stage2.js';
import { type Facts, inspectData, range } from './inspect_data.js';
import { integer } from './options.js';
import { bytes, Output } from './output.js';

const SPECTRAL = ['spectral_sr', 'spectral_unmixing', 'ridge', 'quadratic_ridge'];
const SPATIAL = ['spatial_sr', 'spatial_lightweight', 'bicubic'];
const MODELS = [...SPECTRAL, ...SPATIAL];
/** Bands of AVIRIS-NG that patches keep, and Landsat's. */
const [FINE_BANDS, LANDSAT_BANDS] = [340, 7];

/** Sizes, receptive field and planned memory of a network. */
async function modelFacts(spec: ModelSpec, batchSize: number, asked: number | undefined): Promise<Facts> {
  const size = asked ?? ('up' in spec || spec.kind === 'cascade' ? 34 : 256);
  const parameters = modelParameters(spec);
  const session = await createSession({ model: spec, loss: COMBINED_LOSS, height: size, width: size, batchSize });
  const { plan } = session;
  session.dispose();
  return {
    ...spec,
    parameters: parameterCount(parameters),
    receptive_field: receptiveField(spec),
    training_memory: `${bytes(plan.totalBytes)} for batches of ${batchSize} patches of ${size} x ${size} pixels`,
  };
}

async function inspectWeights(path: string, batchSize: number, size: number | undefined): Promise<Facts> {
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

async function inspect(path: string, batchSize: number, size: number | undefined): Promise<Facts> {
  if (!existsSync(path)) {
    if (MODELS.includes(path)) {
      const spec = SPATIAL.includes(path)
        ? spatialSpec(resolveConfig({ model: path, back_projections: 0 }, {}, STAGE2_SETTINGS), FINE_BANDS)
        : specFromConfig(resolveConfig({ model: path, regression: 'none' }), LANDSAT_BANDS, FINE_BANDS);
      return { kind: 'network', ...(await modelFacts(spec, batchSize, size)) };
    }
    throw new BandliftError(
      'no such file',
      { file: path, hint: `give a file, or a network: ${MODELS.join(', ')}` },
      EXIT.usage,
    );
  }
  if (/\.safetensors$/i.test(path)) return inspectWeights(path, batchSize, size);
  if (/\.(pth|pt)$/i.test(path)) {
    const { tensors, key } = await readTorchState(path);
    const count = [...tensors.values()].reduce((sum, t) => sum + t.data.length, 0);
    return {
      kind: 'PyTorch checkpoint',
      weights: key || 'bare state dict',
      tensors: tensors.size,
      parameters: count,
      names: [...tensors.keys()].join(', '),
    };
  }
  return inspectData(path, statSync(path).isDirectory());
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description(
      'what a file or folder holds: ENVI cube, Landsat product, GeoTIFF, patches, checkpoint, .pth; or a network by name with its memory',
    )
    .argument('<file>', 'file, folder (of patches, cubes or a Landsat product), or network name')
    .option('--batch-size <n>', 'for the planned memory of a network', integer(1, 4096), 4)
    .option('--size <pixels>', 'side of an input patch, likewise (default: 256, of stage 2 34)', integer(1, 4096))
    .option('--json', 'one JSON object on stdout instead of text')
    .action(async (file: string, flags: { batchSize: number; size?: number; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const facts = await inspect(file, flags.batchSize, flags.size);
      for (const [key, value] of Object.entries(facts))
        output.line(`${key.padEnd(22)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
      output.event('inspect', { file, ...facts });
    });
}
