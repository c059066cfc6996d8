/** A batch's arrays: checked against the session's sizes, and cut into micro-batches without copying. */
import { BandliftError } from '../base/errors.js';
import { outputSize } from '../models/index.js';
import type { Batch, SessionOptions } from './types.js';

/** Throws when an array of the batch has the wrong length, or the mask is missing or superfluous. */
export function checkBatch(batch: Batch, options: SessionOptions): void {
  const { height, width, batchSize, model, pixelMask = false, patchBands = false } = options;
  if (!Number.isSafeInteger(batch.size) || batch.size < 1 || batch.size > batchSize) {
    throw new BandliftError('batch size', { field: 'size', found: batch.size, expected: `1 to ${batchSize}` });
  }
  const output = outputSize(model, height, width);
  const inputPixels = batch.size * height * width;
  const pixels = batch.size * output.height * output.width;
  const expect = (field: string, found: number | undefined, expected: number | undefined) => {
    if (found !== expected) {
      throw new BandliftError(`batch of ${batch.size} patches of ${height} x ${width} pixels`, {
        field,
        found: found === undefined ? 'nothing' : `${found} values`,
        expected: expected === undefined ? 'none' : expected,
      });
    }
  };
  expect('input', batch.input.length, inputPixels * model.inBands);
  expect('target', batch.target.length, pixels * model.outBands);
  expect('mask', batch.mask?.length, pixelMask ? pixels : undefined);
  expect('bandMask', batch.bandMask?.length, patchBands ? batch.size * model.outBands : undefined);
  if (!(batch.validPixels >= 0 && batch.validPixels <= pixels)) {
    throw new BandliftError('batch', { field: 'validPixels', found: batch.validPixels, expected: `0 to ${pixels}` });
  }
}

/** Views of `count` patches from `start`: input, target and, where the session has them, mask and bands. */
export function sampleViews(batch: Batch, options: SessionOptions, start: number, count: number): Float32Array[] {
  const { model, height, width } = options;
  const output = outputSize(model, height, width);
  const view = (array: Float32Array, numbers: number) => array.subarray(start * numbers, (start + count) * numbers);
  const pixels = output.height * output.width;
  const views = [view(batch.input, height * width * model.inBands), view(batch.target, pixels * model.outBands)];
  if (batch.mask !== undefined) views.push(view(batch.mask, pixels));
  if (batch.bandMask !== undefined) views.push(view(batch.bandMask, model.outBands));
  return views;
}
