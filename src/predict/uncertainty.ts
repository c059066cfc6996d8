/**
 * How far a prediction can be trusted, as predictions of their own: the variance of a closed-form model of scenes and the distance
 * of a pixel from its training set are quadratic in the input bands (docs/specification.md, section 9.1), so they are regressions
 * that the graph computes like any model. What is not quadratic, roots and bounds, is done where spectra become physical.
 */
import { BandliftError, EXIT } from '../base/errors.js';
import { LEVEL_DEVIATIONS } from '../fit/conformal.js';
import { CONSTANT } from '../fit/scene_prior.js';
import { WIDENING } from '../fit/scene_uncertainty.js';
import type { OutputNumbers, StageModel } from './stage_model.js';

/** 'sd': a standard deviation for each band; 'interval': the lower bounds of all bands, then the upper ones. */
export type UncertaintyKind = 'sd' | 'interval';

/** Rows of a regression on [x, x_i x_j (i <= j)]: [rows, features] and [rows]. */
interface Rows {
  readonly weight: number[];
  readonly bias: number[];
}

/** c + g . x + x^T Q x as a row, Q [n, n] symmetric. */
function quadraticRow(rows: Rows, c: number, g: readonly number[], q: (i: number, j: number) => number): void {
  const n = g.length;
  rows.weight.push(...g);
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) rows.weight.push(i === j ? q(i, i) : 2 * q(i, j));
  rows.bias.push(c);
}

type Tables = NonNullable<StageModel['scenes']>['tables'];

/** d^2 = (x - mean)^T inverse (x - mean). */
function addDistance(rows: Rows, { spread: { mean, inverse } }: Tables): void {
  const n = mean.length;
  const a = (i: number, j: number) => inverse[i * n + j]!;
  const turned = Array.from(mean, (_, i) => mean.reduce((sum, m, j) => sum + a(i, j) * m, 0));
  quadraticRow(
    rows,
    turned.reduce((sum, t, i) => sum + t * mean[i]!, 0),
    turned.map((t) => -2 * t),
    a,
  );
}

/** f_b^2 (s_b m^2 + phi^T P_b phi), phi = [CONSTANT, x], m the mean of x; for all bands. */
function addVariances(rows: Rows, { differences: { terms, prior, within }, factors }: Tables): void {
  const n = terms - 1;
  factors.forEach((factor, b) => {
    const f = factor * factor;
    const p = (i: number, j: number) => prior[(b * terms + i) * terms + j]!;
    quadraticRow(
      rows,
      f * CONSTANT * CONSTANT * p(0, 0),
      Array.from({ length: n }, (_, i) => 2 * f * CONSTANT * p(0, i + 1)),
      (i, j) => f * (p(i + 1, j + 1) + within[b]! / (n * n)),
    );
  });
}

/** A model of other rows for the same input. */
function modelOf(model: StageModel, rows: Rows, numbers: OutputNumbers): StageModel {
  const { scenes: _, ...rest } = model;
  return {
    ...rest,
    spec: { kind: 'quadratic_ridge', inBands: model.spec.inBands, outBands: rows.bias.length },
    values: new Map([
      ['regression.weight', Float32Array.from(rows.weight)],
      ['regression.bias', Float32Array.from(rows.bias)],
    ]),
    numbers,
  };
}

/** Standard deviations or intervals of a model, as a model: [bands] or [2 bands] of output. */
export function uncertaintyModel(model: StageModel, kind: UncertaintyKind): StageModel {
  const { tables } = model.scenes!;
  const bands = model.spec.outBands;
  const rows: Rows = { weight: [], bias: [] };
  if (kind === 'interval') {
    rows.weight.push(...model.values.get('regression.weight')!);
    rows.bias.push(...model.values.get('regression.bias')!);
  }
  addVariances(rows, tables);
  addDistance(rows, tables);
  return modelOf(model, rows, kind === 'sd' ? deviations(bands) : intervals(bands));
}

/** Per pixel [variance, ..., d^2] -> [sd, ...]. */
const deviations = (bands: number): OutputNumbers => ({
  denormalize(values) {
    const row = bands + 1;
    for (let i = 0, o = 0; i < values.length; i += row, o += bands) {
      const wide = 1 + WIDENING * Math.max(0, values[i + bands]!);
      // what is written lies before all that is still to be read
      for (let b = 0; b < bands; b++) values[o + b] = Math.sqrt(Math.max(0, values[i + b]!) * wide);
    }
    return 0;
  },
});

/** Per pixel [value, ..., variance, ..., d^2] -> [lower, ..., upper, ...], not below 0 where the input is not. */
const intervals = (bands: number): OutputNumbers => ({
  denormalize(values, nonNegative) {
    const row = new Float32Array(2 * bands + 1);
    for (let p = 0; p * row.length < values.length; p++) {
      row.set(values.subarray(p * row.length, (p + 1) * row.length));
      const wide = 1 + WIDENING * Math.max(0, row[2 * bands]!);
      const least = nonNegative?.[p] ? 0 : Number.NEGATIVE_INFINITY;
      for (let b = 0, o = 2 * p * bands; b < bands; b++, o++) {
        const middle = Math.max(least, row[b]!);
        const half = LEVEL_DEVIATIONS * Math.sqrt(Math.max(0, row[bands + b]!) * wide);
        values[o] = Math.max(least, middle - half);
        values[o + bands] = middle + half;
      }
    }
    return 0;
  },
});

/** The distance of each pixel from the training set as a model; pixels beyond its limit are counted as values at a bound. */
export function distanceModel(model: StageModel): StageModel {
  const { tables, facts } = model.scenes!;
  const rows: Rows = { weight: [], bias: [] };
  addDistance(rows, tables);
  return modelOf(model, rows, {
    denormalize(values) {
      let beyond = 0;
      for (let p = 0; p < values.length; p++) {
        if (values[p]! > facts.uncertainty.limit) beyond++;
        values[p] = Math.sqrt(Math.max(0, values[p]!));
      }
      return beyond;
    },
  });
}

/** Refuses a model that does not know its error. */
export function checkUncertain(models: readonly StageModel[]): void {
  const [model] = models;
  if (models.length !== 1)
    throw new BandliftError(
      'intervals are those of stage 1 alone',
      { field: '--uncertainty', hint: 'leave out --stage2' },
      EXIT.usage,
    );
  if (model!.scenes === undefined)
    throw new BandliftError(
      'the model does not know its error',
      {
        file: model!.path,
        field: '--uncertainty',
        found: model!.spec.kind,
        expected: 'a closed-form model of scenes',
        hint: 'leave out --stage1 for the model that comes with bandlift',
      },
      EXIT.usage,
    );
}
