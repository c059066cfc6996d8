/** The tensors `uncertainty.*` and `observability` of a closed-form model of scenes (docs/specification.md, section 9.1). */
import { BandliftError } from '../base/errors.js';
import type { SceneUncertainty } from '../fit/scene_uncertainty.js';
import type { Tensor } from '../io/safetensors.js';
import type { ModelSpec } from '../models/spec.js';

/** As src/fit/scene_uncertainty.ts learns them; `limit` and `scenes` stand in the header. */
export interface SceneTables extends Omit<SceneUncertainty, 'limit' | 'scenes'> {
  /** [bands]: share of a band's variance that the input bands determine. */
  readonly observability: Float64Array;
}

const PREFIX = 'uncertainty.';
const OBSERVABILITY = 'observability';

export const isSceneTable = (name: string): boolean => name.startsWith(PREFIX) || name === OBSERVABILITY;

/** Names, shapes and values; P_b as its upper triangle, row by row. */
export function sceneTensors(
  { inBands, outBands }: ModelSpec,
  { differences, factors, spread, observability }: SceneTables,
): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const { terms, prior, within } = differences;
  const entries = (terms * (terms + 1)) / 2;
  const packed = new Float32Array(outBands * entries);
  for (let b = 0, k = 0; b < outBands; b++)
    for (let i = 0; i < terms; i++) for (let j = i; j < terms; j++) packed[k++] = prior[(b * terms + i) * terms + j]!;
  return new Map([
    [`${PREFIX}prior`, { shape: [outBands, entries], data: packed }],
    [`${PREFIX}within`, { shape: [outBands], data: Float32Array.from(within) }],
    [`${PREFIX}factors`, { shape: [outBands], data: Float32Array.from(factors) }],
    [`${PREFIX}mean`, { shape: [inBands], data: Float32Array.from(spread.mean) }],
    [`${PREFIX}inverse`, { shape: [inBands, inBands], data: Float32Array.from(spread.inverse) }],
    [OBSERVABILITY, { shape: [outBands], data: Float32Array.from(observability) }],
  ]);
}

/** Reads them back. Throws a BandliftError that names the first tensor that is missing, misshapen or not finite. */
export function readSceneTables(
  tensors: ReadonlyMap<string, Tensor>,
  { inBands, outBands }: ModelSpec,
  path: string,
): SceneTables {
  const terms = inBands + 1;
  const entries = (terms * (terms + 1)) / 2;
  const read = (name: string, ...shape: number[]): Float64Array => {
    const tensor = tensors.get(name);
    const fits = tensor?.data instanceof Float32Array && tensor.shape.join() === shape.join();
    if (fits && (tensor.data as Float32Array).every(Number.isFinite))
      return Float64Array.from(tensor.data as Float32Array);
    throw new BandliftError(fits ? 'holds NaN or infinity' : 'does not belong to this model', {
      file: path,
      field: `tensor '${name}'`,
      found: tensor ? `${tensor.dtype} [${tensor.shape}]` : 'nothing',
      expected: `F32 [${shape}]`,
    });
  };
  const packed = read(`${PREFIX}prior`, outBands, entries);
  const prior = new Float64Array(outBands * terms * terms);
  for (let b = 0, k = 0; b < outBands; b++)
    for (let i = 0; i < terms; i++)
      for (let j = i; j < terms; j++, k++)
        prior[(b * terms + i) * terms + j] = prior[(b * terms + j) * terms + i] = packed[k]!;
  return {
    differences: { terms, prior, within: read(`${PREFIX}within`, outBands) },
    factors: read(`${PREFIX}factors`, outBands),
    spread: { mean: read(`${PREFIX}mean`, inBands), inverse: read(`${PREFIX}inverse`, inBands, inBands) },
    observability: read(OBSERVABILITY, outBands),
  };
}
