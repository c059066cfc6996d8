/** What a program's f64 outputs mean: loss terms, the place of a bad number (native/ops). */
import { outputSize } from '../models/index.js';
import type { LossTerms, SessionOptions, StepResult } from './types.js';

export function lossTerms([total, l1, l2, sam, gradient]: Float64Array): LossTerms {
  return { total: total!, l1: l1!, l2: l2!, sam: sam!, gradient: gradient! };
}

/**
 * Patch, pixel and band of the first number that was not finite, from the terms of a part that begins at patch `start`;
 * undefined where all were.
 */
export function firstBad(
  { model, height, width }: SessionOptions,
  terms: Float64Array,
  start: number,
): StepResult['firstBad'] {
  const index = terms[5]!;
  if (!(index >= 0)) return undefined;
  const fine = outputSize(model, height, width);
  const pixel = Math.floor(index / model.outBands);
  return {
    patch: start + Math.floor(pixel / (fine.height * fine.width)),
    y: Math.floor(pixel / fine.width) % fine.height,
    x: pixel % fine.width,
    band: index % model.outBands,
  };
}
