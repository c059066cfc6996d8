/**
 * The engine against numbers from PyTorch (layout: the golden files' README): output, loss terms, gradients and the
 * parameters after some Adam steps. Used by `bandlift verify` and by the tests.
 */
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { createSession } from '../engine/session.js';
import { type Batch, COMBINED_LOSS, type Session, type SessionOptions, SPATIAL_LOSS } from '../engine/types.js';
import { readSafetensors, type SafetensorsFile } from '../io/safetensors.js';
import type { ModelSpec } from '../models/spec.js';
import { ratioOf, type SpatialRatio } from '../resample/ratio.js';

export interface VerifyRow {
  /** What was compared: "output", "loss l1", "gradient final_conv.weight", ... */
  readonly what: string;
  /** Where it is worst: |a - b|, and what is allowed there. */
  readonly maxDeviation: number;
  readonly allowed: number;
  readonly ok: boolean;
  /** Index of the worst element, in PyTorch's order. */
  readonly at: string;
}

export interface VerifyResult {
  readonly net: string;
  readonly device: string;
  readonly rows: readonly VerifyRow[];
  /** What a reader of the rows should know. */
  readonly notes: readonly string[];
}

/** |a-b| <= absolute + relative |b|. */
export interface Allowance {
  readonly absolute: number;
  readonly relative: number;
}

export const OUTPUT_ALLOWANCE: Allowance = { absolute: 1e-5, relative: 1e-4 };
export const GRADIENT_ALLOWANCE: Allowance = { absolute: 1e-5, relative: 1e-3 };
/** Adam divides a gradient by its own size: one that is only rounding noise moves a parameter all the same. */
const NOISE_GRADIENT = 1e-7;

interface Golden {
  readonly spec: ModelSpec;
  readonly shape: readonly [number, number, number];
  readonly batch: Batch;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly loss: Readonly<Record<string, number>>;
  readonly lr: number;
  readonly steps: number;
}

// ---- reading ----

/** [n,c,h,w] -> [n,h,w,c]. */
export function toChannelsLast(data: ArrayLike<number>, [n, c, h, w]: readonly number[]): Float32Array {
  const result = new Float32Array(data.length);
  const plane = h! * w!;
  for (let s = 0; s < n!; s++)
    for (let k = 0; k < c!; k++)
      for (let p = 0; p < plane; p++) result[(s * plane + p) * c! + k] = data[(s * c! + k) * plane + p]!;
  return result;
}

function floats(
  path: string,
  file: SafetensorsFile,
  name: string,
): { shape: readonly number[]; data: ArrayLike<number> } {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new BandliftError('a tensor is missing', { file: path, field: name });
  if (!(tensor.data instanceof Float32Array || tensor.data instanceof Float64Array)) {
    throw new BandliftError('wrong type', { file: path, field: name, found: tensor.dtype, expected: 'F32 or F64' });
  }
  return { shape: tensor.shape, data: tensor.data };
}

function readDoc(path: string, file: SafetensorsFile): Record<string, unknown> {
  try {
    return JSON.parse(file.metadata.doc ?? 'null') ?? {};
  } catch {
    throw new BandliftError('not valid JSON', { file: path, field: '__metadata__.doc' });
  }
}

function ratioIn(path: string, scale: unknown): SpatialRatio {
  const ratio = ratioOf(Number(scale));
  if (ratio !== undefined) return ratio;
  throw new BandliftError('not a ratio of whole numbers', {
    file: path,
    field: 'doc.scale_factor',
    found: String(scale),
  });
}

function specOf(path: string, net: string, doc: Record<string, unknown>): ModelSpec {
  const size = (field: string): number => {
    const value = doc[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw new BandliftError('missing or not a size', { file: path, field: `doc.${field}`, found: String(value) });
    }
    return value;
  };
  const bands = () => ({ inBands: size('in_bands'), outBands: size('out_bands'), regression: 'none' as const });
  const spatial = () => ({
    inBands: size('num_bands'),
    outBands: size('num_bands'),
    features: size('num_features'),
    backProjections: 0,
    ...ratioIn(path, doc.scale_factor),
  });
  switch (net) {
    case 'spectral_sr':
      return { kind: net, ...bands(), hidden: size('hidden_dim'), blocks: size('num_res_blocks'), axis: 'raster' };
    case 'spectral_unmixing':
      return { kind: net, ...bands(), endmembers: size('num_endmembers'), constraint: 'none' };
    case 'spatial_sr':
      return {
        kind: net,
        ...spatial(),
        groups: size('num_groups'),
        blocks: size('num_blocks_per_group'),
        reduction: size('reduction'),
      };
    case 'spatial_lightweight':
      return { kind: net, ...spatial(), blocks: size('num_res_blocks') };
    default:
      throw new BandliftError('unknown network', {
        file: path,
        field: 'net',
        found: net,
        expected: 'spectral_sr, spectral_unmixing, spatial_sr or spatial_lightweight',
        hint: 'name the file after the network or give --net',
      });
  }
}

function readGolden(path: string, file: SafetensorsFile, net: string): Golden {
  const doc = readDoc(path, file);
  const input = floats(path, file, 'input');
  const target = floats(path, file, 'target');
  const [n, , h, w] = input.shape;
  if (input.shape.length !== 4 || target.shape.length !== 4) {
    throw new BandliftError('input and target must have 4 dimensions (NCHW)', { file: path });
  }
  const batch = {
    size: n!,
    input: toChannelsLast(input.data, input.shape),
    target: toChannelsLast(target.data, target.shape),
    validPixels: target.shape[0]! * target.shape[2]! * target.shape[3]!,
  };
  const parameters = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) {
    if (name.startsWith('param.')) parameters.set(name.slice(6), Float32Array.from(floats(path, file, name).data));
  }
  return {
    spec: specOf(path, net, doc),
    shape: [n!, h!, w!],
    batch,
    parameters,
    loss: (doc.loss ?? {}) as Record<string, number>,
    lr: Number(doc.lr),
    steps: Number(doc.steps),
  };
}

// ---- comparing ----

/** The worst element of `actual` beside `expected`. */
export function compare(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  allowance: (index: number, expected: number) => number,
): VerifyRow {
  let row: VerifyRow = { what, maxDeviation: 0, allowed: allowance(0, expected[0] ?? 0), ok: true, at: '0' };
  let worst = -1;
  for (let i = 0; i < expected.length; i++) {
    const deviation = Math.abs(actual[i]! - expected[i]!);
    const allowed = allowance(i, expected[i]!);
    const ratio = deviation / allowed;
    if (ratio <= worst) continue;
    worst = Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
    row = { what, maxDeviation: deviation, allowed, ok: ratio <= 1, at: String(i) };
  }
  if (actual.length === expected.length) return row;
  return { ...row, ok: false, at: `${actual.length} numbers instead of ${expected.length}` };
}

const within = (t: Allowance) => (_index: number, b: number) => t.absolute + t.relative * Math.abs(b);

/** Names of our loss terms in the files. */
const TERM_NAMES = { l1: 'l1', l2: 'l2', sam: 'sam', spectral_grad: 'gradient', total: 'total' } as const;

/** How far a target may be moved. */
const NUDGE = 1e-5;

/**
 * Where |p - t| has its kink, rounding decides which of two slopes is taken, and one element's slope is 2 / elements. Moves
 * targets so that `ours` and `theirs`, where both lie within NUDGE / 2 of the target, lie on the same side. Returns how many.
 */
function sameSide(ours: ArrayLike<number>, theirs: ArrayLike<number>, target: Float32Array): number {
  let moved = 0;
  for (let i = 0; i < target.length; i++) {
    const [o, g, t] = [ours[i]!, theirs[i]!, target[i]!];
    if (Math.sign(o - t) === Math.sign(g - t) || Math.max(Math.abs(o - t), Math.abs(g - t)) > NUDGE / 2) continue;
    target[i] = g > t ? Math.min(o, g) - NUDGE / 4 : Math.max(o, g) + NUDGE / 4;
    moved++;
  }
  return moved;
}

async function verifyForward(
  session: Session,
  golden: Golden,
  path: string,
  file: SafetensorsFile,
  notes: string[],
): Promise<VerifyRow[]> {
  const rows: VerifyRow[] = [];
  let result = await session.gradients(golden.batch, true);
  const stored = floats(path, file, 'output');
  const output = toChannelsLast(stored.data, stored.shape);
  rows.push(compare('output', result.output, output, within(OUTPUT_ALLOWANCE)));
  const moved = sameSide(result.output, output, golden.batch.target);
  if (moved > 0) {
    notes.push(
      `${moved} of ${output.length} outputs equal their target within tolerance, above it here and below it there or the other way round, where the slope of L1 jumps: those targets were moved by less than 1e-5 to PyTorch's side`,
    );
    result = await session.gradients(golden.batch, true);
  }
  for (const [name, key] of Object.entries(TERM_NAMES)) {
    if (golden.loss[name] === undefined) continue;
    rows.push(compare(`loss ${key}`, [result.loss[key]], [golden.loss[name]], within(OUTPUT_ALLOWANCE)));
  }
  const inputGradient = floats(path, file, 'grad_input');
  const gradInput = toChannelsLast(inputGradient.data, inputGradient.shape);
  rows.push(compare('gradient of the input', result.gradients.get('input')!, gradInput, within(GRADIENT_ALLOWANCE)));
  for (const { name } of session.parameters) {
    const expected = floats(path, file, `grad.${name}`).data;
    rows.push(compare(`gradient ${name}`, result.gradients.get(name)!, expected, within(GRADIENT_ALLOWANCE)));
  }
  return rows;
}

async function verifyAdam(session: Session, golden: Golden, path: string, file: SafetensorsFile): Promise<VerifyRow[]> {
  if (!file.tensors.has('adam_losses')) return []; // users' own files may stop at the gradients
  for (const field of ['lr', 'steps'] as const) {
    if (!(golden[field] > 0))
      throw new BandliftError('must be a positive number', { file: path, field: `doc.${field}` });
  }
  const losses: number[] = [];
  for (let step = 1; step <= golden.steps; step++) {
    const scalars = { learningRate: golden.lr, step, maxNorm: 0, emaDecay: 0 };
    losses.push((await session.step(golden.batch, scalars)).total);
  }
  const expectedLosses = floats(path, file, 'adam_losses').data;
  const rows = [compare(`losses of ${golden.steps} Adam steps`, losses, expectedLosses, within(OUTPUT_ALLOWANCE))];
  const after = session.read('parameters');
  for (const { name } of session.parameters) {
    const gradient = floats(path, file, `grad.${name}`).data;
    const allowance = (i: number, b: number) => {
      const usual = within(GRADIENT_ALLOWANCE)(i, b);
      return Math.abs(gradient[i]!) < NOISE_GRADIENT ? Math.max(usual, golden.steps * golden.lr) : usual;
    };
    const expected = floats(path, file, `after.${name}`).data;
    rows.push(compare(`after Adam ${name}`, after.get(name)!, expected, allowance));
  }
  return rows;
}

export interface VerifyOptions {
  /** The network's name; from the file's name when absent. */
  readonly net?: string;
  readonly device?: DeviceChoice;
  /** Opens the session; tests give one over another device. */
  readonly open?: (options: SessionOptions) => Promise<Session>;
}

/**
 * Compares one network's numbers with a safetensors file written by PyTorch. The session takes the sizes from `doc`, the
 * parameters from `param.*`. Throws when the file is not of that layout.
 */
export async function verifyGolden(path: string, options: VerifyOptions = {}): Promise<VerifyResult> {
  const file = await readSafetensors(path);
  const net = options.net ?? basename(path).replace(/\.safetensors$/, '');
  const golden = readGolden(path, file, net);
  const [n, height, width] = golden.shape;
  const session = await (options.open ?? createSession)({
    model: golden.spec,
    loss: net.startsWith('spatial_') ? SPATIAL_LOSS : COMBINED_LOSS,
    height,
    width,
    batchSize: n,
    ...(options.device ? { device: options.device } : {}),
  });
  try {
    for (const { name } of session.parameters) {
      if (!golden.parameters.has(name))
        throw new BandliftError('a parameter is missing', { file: path, field: `param.${name}` });
    }
    session.write('parameters', golden.parameters);
    const notes: string[] = [];
    const rows = await verifyForward(session, golden, path, file, notes);
    rows.push(...(await verifyAdam(session, golden, path, file)));
    return { net, device: session.deviceName, rows, notes };
  } finally {
    session.dispose();
  }
}
