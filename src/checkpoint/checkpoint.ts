/**
 * Checkpoints: one safetensors file with `param.<name>`, `ema.<name>`, `adam.m.<name>`, `adam.v.<name>` in PyTorch's names
 * and shapes, `statistics.gram` and `statistics.cross` of the training pixels, and under the metadata key 'bandlift' everything else as JSON (schema.ts). A checkpoint is a
 * contract: it is checked when written, when read, and against the settings and data it is used with.
 */
import { BandliftError } from '../base/errors.js';
import { version } from '../base/version.js';
import { readSafetensors, readSafetensorsHeader, type Tensor, writeSafetensors } from '../io/safetensors.js';
import { modelParameters } from '../models/index.js';
import type { ParameterInfo } from '../models/network.js';
import { regressionFeatureCount } from '../models/regression.js';
import type { ModelSpec } from '../models/spec.js';
import { isSceneTable, readSceneTables, type SceneTables, sceneTensors } from './scene_tables.js';
import {
  type CheckpointContract,
  type CheckpointState,
  FORMAT,
  type Header,
  headerSchema,
  READ_FORMATS,
  type SceneModelFacts,
  type TrainingStatistics,
} from './schema.js';

export type { CheckpointContract, CheckpointState, TrainingStatistics } from './schema.js';

type Values = ReadonlyMap<string, Float32Array>;

/** By PyTorch's parameter names. `m`, `v`: Adam's moments of the parameters that are trained; `ema`: moving average. */
export interface CheckpointTensors {
  readonly parameters: Values;
  readonly m?: Values;
  readonly v?: Values;
  readonly ema?: Values;
}

export interface Checkpoint extends CheckpointContract {
  readonly tensors: CheckpointTensors;
  readonly state: CheckpointState;
  /** Of the training pixels; absent in format 1 and where there are too many features for normal equations. */
  readonly statistics?: TrainingStatistics;
}

/** Weights to start from or to predict with. */
export interface StoredModel {
  readonly model: ModelSpec;
  readonly tensors: Pick<CheckpointTensors, 'parameters' | 'ema'>;
  /** Bands, normalisation, split, ...; absent in imported models, which do not know them. */
  readonly contract?: CheckpointContract;
  readonly statistics?: TrainingStatistics;
  /** Of a closed-form model of scenes, which has no contract: it has never been a run. */
  readonly scenes?: { readonly facts: SceneModelFacts; readonly tables: SceneTables };
}

const METADATA_KEY = 'bandlift';
const PREFIX = { parameters: 'param.', m: 'adam.m.', v: 'adam.v.', ema: 'ema.' } as const;
type Group = keyof typeof PREFIX;
const GROUPS = Object.keys(PREFIX) as Group[];
/** Names of the tensors of TrainingStatistics. */
const STATISTICS = { gram: 'statistics.gram', cross: 'statistics.cross' } as const;
const isStatistics = (name: string) => name.startsWith('statistics.');

/** Parameters that a group holds: moments and averages may leave out frozen ones. */
function required(group: Group, infos: readonly ParameterInfo[]): ParameterInfo[] {
  return infos.filter((info) => group === 'parameters' || !info.frozen);
}

// ---- writing ----

/** Writes a run's checkpoint; the file is replaced only by a whole new one. */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { tensors, statistics, ...contract } = checkpoint;
  const ridge =
    statistics === undefined
      ? {}
      : {
          ridgeLambda: statistics.lambda,
          ...(statistics.groups && { statisticsGroups: [...statistics.groups] }),
        };
  await write(path, { format: FORMAT, content: 'checkpoint', ...contract, ...ridge }, tensors, statistics);
}

/** Writes weights alone, as `import` does. */
export async function saveModel(path: string, model: ModelSpec, parameters: Values): Promise<void> {
  await write(path, { format: FORMAT, content: 'model', model, version: version() }, { parameters });
}

/** Writes a closed-form model of scenes: its regression, what it was fitted to, and the tables of its uncertainty. */
export async function saveSceneModel(
  path: string,
  model: ModelSpec,
  parameters: Values,
  { facts, tables }: NonNullable<StoredModel['scenes']>,
): Promise<void> {
  await write(path, { format: FORMAT, content: 'scenes', model, ...facts }, { parameters }, undefined, tables);
}

async function write(
  path: string,
  header: Header,
  tensors: CheckpointTensors,
  statistics?: TrainingStatistics,
  tables?: SceneTables,
): Promise<void> {
  checkHeader(header, path); // what could not be read again is not written
  const infos = modelParameters(header.model);
  const out = new Map<string, { shape: readonly number[]; data: Float32Array | Float64Array }>();
  if (tables) for (const [name, tensor] of sceneTensors(header.model, tables)) out.set(name, tensor);
  if (statistics) {
    const { rows, bands } = statisticsShape(header.model);
    out.set(STATISTICS.gram, { shape: [groupCount(statistics.groups) * rows, rows], data: statistics.gram });
    out.set(STATISTICS.cross, { shape: [rows, bands], data: statistics.cross });
  }
  for (const group of GROUPS) {
    const values = tensors[group];
    if (values === undefined) continue;
    for (const [name, data] of values) {
      const info = infos.find((i) => i.name === name);
      if (info === undefined) throw new RangeError(`${header.model.kind} has no parameter '${name}'`);
      out.set(PREFIX[group] + name, { shape: info.shape, data });
    }
    const missing = required(group, infos).find((info) => !values.has(info.name));
    if (missing !== undefined) throw new RangeError(`'${PREFIX[group]}${missing.name}' is missing`);
  }
  await writeSafetensors(path, out, { [METADATA_KEY]: JSON.stringify(header) });
}

const groupCount = (groups: readonly number[] | undefined): number =>
  groups ? Math.max(0, ...groups.map((g) => g + 1)) : 1;

function statisticsShape({ inBands, outBands }: ModelSpec): { rows: number; bands: number } {
  return { rows: regressionFeatureCount('quadratic', inBands) + 1, bands: outBands };
}

// ---- reading ----

/** Throws a BandliftError that names the first field that is wrong. */
function checkHeader(raw: unknown, path: string): Header {
  const format = (raw as { format?: unknown } | null)?.format;
  if (!READ_FORMATS.includes(format as number))
    throw new BandliftError('the checkpoint has an unsupported format version', {
      file: path,
      field: 'format',
      found: String(format),
      expected: READ_FORMATS.join(' or '),
      hint: 'use the version of bandlift that wrote it',
    });
  const result = headerSchema.safeParse(raw);
  if (result.success) {
    checkBands(result.data, path);
    return result.data;
  }
  const issue = result.error.issues[0]!;
  const field = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  throw new BandliftError(issue.message, { file: path, field: field.join('.'), hint: 'the checkpoint is damaged' });
}

function checkBands(header: Header, path: string): void {
  if (header.content === 'model' || header.goodBands === undefined) return;
  if (header.content === 'scenes')
    for (const field of ['wavelength', 'fwhm'] as const)
      if (header.bands[field].length !== header.model.outBands)
        throw new BandliftError('must have one entry per band', {
          file: path,
          field: `bands.${field}`,
          found: header.bands[field].length,
          expected: header.model.outBands,
        });
  const [found, expected] = [header.goodBands.length, header.model.outBands];
  if (found !== expected)
    throw new BandliftError('must have one entry per band', { file: path, field: 'goodBands', found, expected });
}

function parseHeader(metadata: Record<string, string>, path: string): Header {
  const text = Object.hasOwn(metadata, METADATA_KEY) ? metadata[METADATA_KEY]! : undefined;
  if (text === undefined)
    throw new BandliftError('not a checkpoint of bandlift', {
      file: path,
      hint: '`bandlift import` converts weights of PyTorch',
    });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new BandliftError('the checkpoint is damaged', { file: path, field: METADATA_KEY, found: 'no JSON' });
  }
  return checkHeader(raw, path);
}

/** The sums of the training pixels, where the header says that there are any. */
function readStatistics(
  tensors: ReadonlyMap<string, Tensor>,
  header: Header,
  path: string,
): { statistics?: TrainingStatistics } {
  if (header.content !== 'checkpoint' || header.ridgeLambda === undefined) return {};
  const { rows, bands } = statisticsShape(header.model);
  const groups = header.statisticsGroups;
  if (groups && groups.length !== bands)
    throw new BandliftError('must have one entry per band', {
      file: path,
      field: 'statisticsGroups',
      found: groups.length,
      expected: bands,
    });
  const read = (name: string, height: number, columns: number): Float64Array => {
    const tensor = tensors.get(name);
    if (tensor?.data instanceof Float64Array && tensor.shape.join() === [height, columns].join()) return tensor.data;
    throw new BandliftError('the sums do not belong to this network', {
      file: path,
      field: `tensor '${name}'`,
      found: tensor ? `${tensor.dtype} [${tensor.shape}]` : 'nothing',
      expected: `F64 [${height},${columns}]`,
    });
  };
  return {
    statistics: {
      gram: read(STATISTICS.gram, groupCount(groups) * rows, rows),
      cross: read(STATISTICS.cross, rows, bands),
      ...(groups && { groups }),
      lambda: header.ridgeLambda,
    },
  };
}

/** The tensors of each group by parameter name; each checked against the network's names and shapes. */
function sortTensors(tensors: ReadonlyMap<string, Tensor>, model: ModelSpec, path: string): CheckpointTensors {
  const infos = new Map(modelParameters(model).map((info) => [info.name, info]));
  const groups: Partial<Record<Group, Map<string, Float32Array>>> = {};
  for (const [key, tensor] of tensors) {
    if (isStatistics(key) || isSceneTable(key)) continue;
    const group = GROUPS.find((g) => key.startsWith(PREFIX[g]));
    const name = group && key.slice(PREFIX[group].length);
    const info = name === undefined ? undefined : infos.get(name);
    if (group === undefined || name === undefined || info === undefined)
      throw new BandliftError(`${model.kind} has no such parameter`, { file: path, field: `tensor '${key}'` });
    if (!(tensor.data instanceof Float32Array) || tensor.shape.join() !== info.shape.join())
      throw new BandliftError('the shape does not match this network', {
        file: path,
        field: `tensor '${key}'`,
        found: `${tensor.dtype} [${tensor.shape}]`,
        expected: `F32 [${info.shape}]`,
      });
    groups[group] ??= new Map();
    groups[group].set(name, tensor.data);
  }
  for (const group of GROUPS) {
    const values = groups[group];
    if (values === undefined && group !== 'parameters') continue;
    const missing = required(group, [...infos.values()]).find((info) => !values?.has(info.name));
    if (missing)
      throw new BandliftError('is missing', { file: path, field: `tensor '${PREFIX[group]}${missing.name}'` });
  }
  return { parameters: groups.parameters ?? new Map(), ...groups };
}

/** Reads a run's checkpoint with all that is needed to go on. Throws a BandliftError naming the first thing wrong. */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const { metadata, tensors } = await readSafetensors(path);
  const header = parseHeader(metadata, path);
  if (header.content !== 'checkpoint')
    throw new BandliftError('holds weights only, so there is no run to continue', {
      file: path,
      hint: 'start a new run from it with --init',
    });
  const { format: _, content: __, ridgeLambda: ___, statisticsGroups: ____, ...checkpoint } = header;
  return {
    ...checkpoint,
    ...readStatistics(tensors, header, path),
    tensors: sortTensors(tensors, header.model, path),
  };
}

/** Reads the weights of a checkpoint or of an imported model; Adam's moments stay on the disk. */
export async function loadModel(path: string): Promise<StoredModel> {
  const weights = (name: string) => !name.startsWith('adam.');
  const { metadata, tensors } = await readSafetensors(path, weights);
  const header = parseHeader(metadata, path);
  const model = { model: header.model, tensors: sortTensors(tensors, header.model, path) };
  if (header.content === 'model') return model;
  if (header.content === 'scenes') {
    const { format: _, content: __, model: spec, ...facts } = header;
    return { ...model, scenes: { facts, tables: readSceneTables(tensors, spec, path) } };
  }
  const { format: _, content: __, state: ___, ridgeLambda: ____, statisticsGroups: _____, ...contract } = header;
  return { ...model, contract, ...readStatistics(tensors, header, path) };
}

/** What a checkpoint says about itself, without reading its tensors. */
export async function inspectCheckpoint(path: string): Promise<Header> {
  return parseHeader((await readSafetensorsHeader(path)).metadata, path);
}

// ---- agreement ----

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The first field in which `found` differs from `expected`, with both values. */
function firstDifference(
  found: unknown,
  expected: unknown,
  field: string,
): { field: string; found: string; expected: string } | undefined {
  if (found === expected) return undefined;
  const bothObjects = typeof found === 'object' && typeof expected === 'object' && found !== null && expected !== null;
  if (!bothObjects || Array.isArray(found) !== Array.isArray(expected))
    return { field, found: show(found), expected: show(expected) };
  if (Array.isArray(found) && Array.isArray(expected) && found.length !== expected.length)
    return { field, found: `${found.length} entries`, expected: `${expected.length}` };
  for (const key of new Set([...Object.keys(found), ...Object.keys(expected)])) {
    const at = (value: object) => (value as Record<string, unknown>)[key];
    const difference = firstDifference(at(found), at(expected), field === '' ? key : `${field}.${key}`);
    if (difference) return difference;
  }
  return undefined;
}

const CONTRACT_ORDER = [
  'model',
  'bands',
  'goodBands',
  'sensor',
  'responseHash',
  'data',
  'sides',
  'stage1',
  'normalization',
  'split',
  'seed',
  'loss',
  'optimizer',
] as const;

/** Default for checkpoints of the first release, which lack this field. */
const FIRST_SIDES = { input: 'landsat', target: 'aviris' } as const;

/**
 * Throws a BandliftError that names the first field of the checkpoint that disagrees with what the settings and the data
 * ask for; only the given fields are compared. The version of bandlift may differ.
 */
export function checkCompatible(
  checkpoint: CheckpointContract,
  wanted: Partial<CheckpointContract>,
  path: string,
): void {
  for (const key of CONTRACT_ORDER) {
    if (wanted[key] === undefined) continue;
    if (key === 'goodBands' && checkpoint.goodBands === undefined) continue; // format 1 does not say
    const found = key === 'sides' ? (checkpoint.sides ?? FIRST_SIDES) : checkpoint[key];
    const difference = firstDifference(found, wanted[key], key);
    if (difference)
      throw new BandliftError('the checkpoint does not fit these settings and data', {
        file: path,
        ...difference,
        hint: "use the settings and files of the checkpoint's run, or start a new run in another folder",
      });
  }
}
