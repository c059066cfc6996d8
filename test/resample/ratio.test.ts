/** Sizes of two grids beside each other. */
import { expect, it } from 'vitest';
import {
  coarsePatchSize,
  coarseSize,
  factorOf,
  fineSize,
  LANDSAT_TO_AVIRIS_NG,
  ratioOf,
} from '../../src/resample/ratio.js';

const RATIO = LANDSAT_TO_AVIRIS_NG;

it('a coarse pixel counts where it lies whole in the fine ones, in patches only in pairs', () => {
  for (let fine = 0; fine <= 60; fine++) {
    // coarse pixel i ends at 7.5 (i + 1)
    const whole = [0, 1, 2, 3, 4, 5, 6, 7, 8].filter((i) => 7.5 * (i + 1) <= fine).length;
    expect(coarseSize(fine, RATIO)).toBe(whole);
    // pairs end at 15, 30, ...
    expect(coarsePatchSize(fine, RATIO)).toBe(2 * Math.floor(fine / 15));
  }
  expect([34, 33].map((size) => fineSize(size, RATIO))).toEqual([255, 247]);
});

it('other ratios: three coarse pixels on ten fine ones, and whole factors', () => {
  const other = { up: 10, down: 3 };
  expect([9, 10, 19, 20].map((fine) => coarsePatchSize(fine, other))).toEqual([0, 3, 3, 6]);
  expect([9, 10, 19, 20].map((fine) => coarseSize(fine, other))).toEqual([2, 3, 5, 6]);
  expect(ratioOf(10 / 3)).toEqual(other);
  expect([7.5, 4, 1].map(ratioOf)).toEqual([RATIO, { up: 4, down: 1 }, { up: 1, down: 1 }]);
  expect([0.5, -1, Number.NaN, Math.PI].map(ratioOf)).toEqual([undefined, undefined, undefined, undefined]);
  expect(factorOf(RATIO)).toBe(7.5);
});
