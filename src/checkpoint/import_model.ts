/** Weights trained with PyTorch as a bandlift model: sizes from the shapes, every name and shape checked. */
import { BandliftError, EXIT } from '../base/errors.js';
import { readSafetensors, type Tensor } from '../io/safetensors.js';
import { readTorchState } from '../io/torch_pickle.js';
import { modelParameters } from '../models/index.js';
import type { ModelKind, ModelSpec, SpectralSrSpec } from '../models/spec.js';
import { doublings } from '../models/upsampling.js';
import { factorOf, LANDSAT_TO_AVIRIS_NG } from '../resample/ratio.js';

export interface ImportOptions {
  /** Default: from the parameter names. */
  readonly model?: ModelKind;
  /** spectral_sr: direction of the 1-D convolutions. Default 'raster', as in existing weights; 'row' has the same shapes. */
  readonly axis?: SpectralSrSpec['axis'];
}

export interface ImportedModel {
  readonly spec: ModelSpec;
  /** By PyTorch's names, in named_parameters() order. */
  readonly parameters: Map<string, Float32Array>;
  /** What the user should know. */
  readonly notes: string[];
}

type Tensors = ReadonlyMap<string, Tensor>;

/** Reads .pth, .pt or .safetensors. Throws a BandliftError that names the first parameter which does not fit. */
export async function importModel(path: string, options: ImportOptions = {}): Promise<ImportedModel> {
  const notes: string[] = [];
  const tensors = stripPrefixes(await readAny(path, notes), notes);
  const spec = inferSpec(tensors, options, path);
  const infos = modelParameters(spec);
  const parameters = new Map<string, Float32Array>();
  const converted: string[] = [];
  for (const { name, shape } of infos) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw mismatch(path, spec.kind, name, 'nothing', `[${shape}]`);
    if (tensor.shape.join() !== shape.join()) throw mismatch(path, spec.kind, name, `[${tensor.shape}]`, `[${shape}]`);
    parameters.set(name, toFloat32(tensor, path, name));
    if (tensor.dtype !== 'F32') converted.push(name);
  }
  const extra = [...tensors.keys()].find((name) => !parameters.has(name));
  if (extra !== undefined)
    throw mismatch(path, spec.kind, extra, `[${tensors.get(extra)!.shape}]`, 'no such parameter');
  if (converted.length > 0)
    notes.push(`${converted.length} of ${infos.length} parameters were float64 and are rounded to float32`);
  return { spec, parameters, notes };
}

async function readAny(path: string, notes: string[]): Promise<Tensors> {
  if (!path.endsWith('.safetensors')) {
    const { tensors, key, others, halves } = await readTorchState(path);
    if (key !== '')
      notes.push(
        `weights taken from '${key}'${others.length > 0 ? `, not from ${others.map((o) => `'${o}'`).join(', ')}` : ''}`,
      );
    if (halves.length > 0) notes.push(`${halves.length} parameters were stored with 16 bits`);
    return tensors;
  }
  const { tensors, metadata } = await readSafetensors(path);
  if (Object.hasOwn(metadata, 'bandlift'))
    throw new BandliftError('is already a checkpoint of bandlift and needs no import', { file: path });
  return tensors;
}

/** A parameter that only one of our networks has, by its whole name. */
const TELLING = {
  spectral_sr: 'spectral_expand.0.weight',
  spectral_unmixing: 'endmembers',
  spatial_sr: 'shallow_feat.weight',
  spatial_lightweight: 'feat_extract.0.weight',
} as const;

/**
 * Wrappers put names before every parameter: DataParallel 'module.', torch.compile '_orig_mod.', Lightning the name of the
 * attribute that holds the network ('model.', 'net.', ...). What stands before a telling parameter is removed where every
 * name has it.
 */
function stripPrefixes(tensors: Tensors, notes: string[]): Tensors {
  for (const telling of Object.values(TELLING)) {
    const name = [...tensors.keys()].find((n) => n === telling || n.endsWith(`.${telling}`));
    const prefix = name?.slice(0, -telling.length) ?? '';
    if (prefix === '' || ![...tensors.keys()].every((n) => n.startsWith(prefix))) continue;
    notes.push(`'${prefix}' removed from the parameter names`);
    return new Map([...tensors].map(([n, tensor]) => [n.slice(prefix.length), tensor]));
  }
  return tensors;
}

function mismatch(path: string, kind: string, field: string, found: string, expected: string): BandliftError {
  return new BandliftError(`does not fit ${kind}`, { file: path, field: field.slice(0, 100), found, expected });
}

function detectKind(tensors: Tensors, path: string): ModelKind {
  for (const [kind, name] of Object.entries(TELLING)) if (tensors.has(name)) return kind as ModelKind;
  throw new BandliftError('the parameter names do not match any known network', {
    file: path,
    found: [...tensors.keys()].slice(0, 3).join(', ').slice(0, 150),
    expected: 'the names of spectral_sr, spectral_unmixing, spatial_sr or spatial_lightweight',
  });
}

function inferSpec(tensors: Tensors, options: ImportOptions, path: string): ModelSpec {
  const kind = options.model ?? detectKind(tensors, path);
  /** Shape of a parameter that must have `rank` dimensions. */
  const shape = (name: string, rank: number): readonly number[] => {
    const tensor = tensors.get(name);
    if (tensor?.shape.length !== rank || tensor.shape.includes(0))
      throw mismatch(path, kind, name, tensor ? `[${tensor.shape}]` : 'nothing', `${rank} dimensions`);
    return tensor.shape;
  };
  if (kind === 'spectral_sr') {
    const [hidden, inBands] = shape('spectral_expand.0.weight', 4);
    const [outBands] = shape('spectral_expand.2.weight', 4);
    let blocks = 0;
    while (tensors.has(`res_blocks.${blocks}.conv1.weight`)) blocks++;
    return {
      kind,
      inBands: inBands!,
      outBands: outBands!,
      hidden: hidden!,
      blocks,
      axis: options.axis ?? 'raster',
      regression: 'none',
    };
  }
  if (kind === 'spectral_unmixing') {
    const [endmembers, outBands] = shape('endmembers', 2);
    const [, inBands] = shape('abundance_net.0.weight', 4);
    return {
      kind,
      inBands: inBands!,
      outBands: outBands!,
      endmembers: endmembers!,
      constraint: 'none',
      regression: 'none',
    };
  }
  if (kind === 'spatial_sr' || kind === 'spatial_lightweight') return inferSpatial(kind, tensors, shape, path);
  throw new BandliftError(
    'cannot be imported',
    {
      field: '--model',
      found: kind,
      expected: 'spectral_sr, spectral_unmixing, spatial_sr or spatial_lightweight',
    },
    EXIT.usage,
  );
}

/** The weights only say how often it is doubled. */
const RATIO = LANDSAT_TO_AVIRIS_NG;

function inferSpatial(
  kind: 'spatial_sr' | 'spatial_lightweight',
  tensors: Tensors,
  shape: (name: string, rank: number) => readonly number[],
  path: string,
): ModelSpec {
  const count = (name: (i: number) => string): number => {
    let n = 0;
    while (tensors.has(name(n))) n++;
    return n;
  };
  const sr = kind === 'spatial_sr';
  const [features, bands] = shape(sr ? 'shallow_feat.weight' : 'feat_extract.0.weight', 4);
  const found = count((i) => (sr ? `upsample.${i}.conv.weight` : `upsample.${3 * i}.weight`));
  if (found !== doublings(RATIO))
    throw mismatch(
      path,
      kind,
      'upsample',
      `${found} doublings`,
      `${doublings(RATIO)} for a ratio of ${factorOf(RATIO)}`,
    );
  const sizes = { inBands: bands!, outBands: bands!, features: features!, backProjections: 0, ...RATIO };
  if (!sr) return { kind, ...sizes, blocks: count((i) => `res_blocks.${2 * i}.weight`) };
  const groups = count((g) => `res_groups.${g}.conv.weight`);
  const blocks = count((b) => `res_groups.0.blocks.${b}.conv1.weight`);
  // without a block there is no channel attention to tell the reduction from
  const hidden = blocks === 0 || groups === 0 ? features! : shape('res_groups.0.blocks.0.ca.1.weight', 4)[0]!;
  return { kind, ...sizes, groups, blocks, reduction: Math.max(1, Math.floor(features! / hidden)) };
}

function toFloat32(tensor: Tensor, path: string, name: string): Float32Array {
  if (!(tensor.data instanceof Float32Array) && !(tensor.data instanceof Float64Array))
    throw new BandliftError('not floating-point numbers', {
      file: path,
      field: name,
      found: tensor.dtype,
      expected: 'F32, F64, F16 or BF16',
    });
  const values = tensor.data instanceof Float32Array ? tensor.data : Float32Array.from(tensor.data);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new BandliftError('not a finite number', {
      file: path,
      field: `${name}, number ${wrong}`,
      found: values[wrong]!,
    });
  return values;
}
