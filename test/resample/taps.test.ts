/** The resampling tables against PyTorch's bicubic (golden numbers), numpy's blur and average, and arithmetic by hand. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { applyTaps, weighPixels } from '../../src/resample/apply_taps.js';
import { areaTaps, bicubicTaps, composeTaps, psfTaps, type Taps, transposeTaps } from '../../src/resample/taps.js';
import { goldenPath } from '../support/golden.js';
import { describePython, runPython } from '../support/python.js';

/** Table applied to one row of numbers. */
const apply = (t: Taps, values: ArrayLike<number>): number[] =>
  Array.from({ length: t.outSize }, (_, o) => {
    let sum = 0;
    for (let i = 0; i < t.taps; i++) sum += t.weight[o * t.taps + i]! * values[t.start[o]! + i]!;
    return sum;
  });

/** Both axes of a [h, w] image. */
function apply2(rows: Taps, columns: Taps, image: ArrayLike<number>): number[] {
  const [h, w] = [rows.inSize, columns.inSize];
  const wide = Array.from({ length: h }, (_, y) => apply(columns, Array.from(image).slice(y * w, (y + 1) * w)));
  const tall = Array.from({ length: columns.outSize }, (_, x) =>
    apply(
      rows,
      wide.map((row) => row[x]!),
    ),
  );
  return Array.from(
    { length: rows.outSize * columns.outSize },
    (_, i) => tall[i % columns.outSize]![Math.floor(i / columns.outSize)]!,
  );
}

const dense = (t: Taps): number[][] =>
  Array.from({ length: t.outSize }, (_, o) => {
    const row = new Array<number>(t.inSize).fill(0);
    for (let i = 0; i < t.taps; i++) row[t.start[o]! + i]! += t.weight[o * t.taps + i]!;
    return row;
  });

const ALL: [string, Taps][] = [
  ['bicubic 34 -> 255', bicubicTaps(34, 255, 1 / 7.5)],
  ['bicubic of one pixel', bicubicTaps(1, 7, 1 / 7.5)],
  ['bicubic 272 -> 255', bicubicTaps(272, 255)],
  ['psf 255 -> 34', psfTaps(255, 34, 7.5)],
  ['psf, last pixel cut', psfTaps(247, 33, 7.5)],
  ['area 256 -> 34', areaTaps(256, 34, 7.5)],
];

describe('every table', () => {
  it.each(ALL)('%s keeps a constant and stays inside the image', (_name, t) => {
    for (const value of apply(t, new Float64Array(t.inSize).fill(3))) expect(value).toBeCloseTo(3, 12);
    for (const start of t.start) {
      expect(start).toBeGreaterThanOrEqual(0);
      expect(start + t.taps).toBeLessThanOrEqual(t.inSize);
    }
  });

  it.each(ALL)('%s has its transpose as adjoint', (_name, t) => {
    const [a, b] = [dense(t), dense(transposeTaps(t))];
    for (let o = 0; o < t.outSize; o++) for (let i = 0; i < t.inSize; i++) expect(b[i]![o]).toBe(a[o]![i]);
  });
});

describe('composed', () => {
  it('tables give the product of their matrices', () => {
    const [up, down] = [bicubicTaps(4, 30, 1 / 7.5), psfTaps(30, 4, 7.5)];
    const [a, b] = [dense(down), dense(up)];
    dense(composeTaps(down, up)).forEach((row, o) => {
      row.forEach((value, i) => {
        expect(value).toBeCloseTo(
          a[o]!.reduce((sum, w, k) => sum + w * b[k]![i]!, 0),
          14,
        );
      });
    });
  });
});

describe('area', () => {
  it('counts fractions of pixels', () => {
    // [0, 2.5) and [2.5, 5): the middle pixel goes half to each
    const [a, b] = apply(areaTaps(5, 2, 2.5), [1, 2, 3, 4, 5]);
    expect(a).toBeCloseTo((1 + 2 + 1.5) / 2.5, 14);
    expect(b).toBeCloseTo((1.5 + 4 + 5) / 2.5, 14);
  });

  it('refuses an output pixel outside of the image', () => {
    expect(() => areaTaps(14, 3, 7.5)).toThrow(RangeError);
  });
});

describe('bicubic', () => {
  const path = goldenPath('pieces.json');
  const cases = JSON.parse(readFileSync(path, 'utf8')).bicubic as {
    in: [number, number];
    scale?: number;
    size?: [number, number];
    input: number[];
    output: number[];
  }[];
  it.each(cases)('agrees with PyTorch for $in', ({ in: [h, w], scale, size, input, output }) => {
    const table = (from: number, to: number | undefined) =>
      scale === undefined ? bicubicTaps(from, to!) : bicubicTaps(from, Math.floor(from * scale), 1 / scale);
    const ours = apply2(table(h, size?.[0]), table(w, size?.[1]), input);
    expect(ours).toHaveLength(output.length);
    // PyTorch's coordinates, up to 16, are float32: 1e-6 of a pixel, times slopes of up to 2 between values of 0 to 1
    for (let i = 0; i < output.length; i++) expect(Math.abs(ours[i]! - output[i]!)).toBeLessThan(2e-6);
  });
});

describePython('psf', () => {
  it("is numpy's Gaussian blur with replicated edges, then the mean over 15 half pixels", () => {
    const printed = runPython(`
import json, numpy as np
rng = np.random.default_rng(3)
x = rng.random((30, 45))
sigma = 7.5 / 2.355
r = int(3.5 * sigma + 0.5)
k = np.exp(-0.5 * (np.arange(-r, r + 1) / sigma) ** 2)
k /= k.sum()
p = np.pad(x, r, mode='edge')
p = np.apply_along_axis(lambda v: np.convolve(v, k, mode='valid'), 0, p)
p = np.apply_along_axis(lambda v: np.convolve(v, k, mode='valid'), 1, p)
half = p.repeat(2, axis=0).repeat(2, axis=1)
low = half.reshape(4, 15, 6, 15).mean(axis=(1, 3))
print(json.dumps({'x': x.ravel().tolist(), 'low': low.ravel().tolist()}))
`);
    const { x, low } = JSON.parse(printed) as { x: number[]; low: number[] };
    const ours = apply2(psfTaps(30, 4, 7.5), psfTaps(45, 6, 7.5), x);
    ours.forEach((value, i) => {
      expect(value).toBeCloseTo(low[i]!, 12);
    });
  });
});

describe('tables applied to images', () => {
  // each output is the mean of two inputs
  const halves = areaTaps(4, 2, 2);

  it('rows, then columns, by hand', () => {
    const image = Float32Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? i / 2 : -i));
    // means of 2 x 2 pixels of 0 .. 15 in four columns, and of -(2 i + 1)
    expect([...applyTaps(image, 2, halves, halves)]).toEqual([2.5, -6, 4.5, -10, 10.5, -22, 12.5, -26]);
  });

  it('leave invalid pixels out and tell the weight of the others; the axis begins where it is said', () => {
    const pixels = Float32Array.of(9, 9, 1, 10, 3, 30, 5, 50, 7, 70);
    const to = new Float64Array(2);
    expect(weighPixels(halves, 1, pixels, undefined, 1, to)).toBe(1);
    expect([...to]).toEqual([6, 60]);
    expect(weighPixels(halves, 1, pixels, Uint8Array.of(1, 1, 1, 0, 1), 1, to)).toBe(0.5);
    expect([...to]).toEqual([3.5, 35]);
    expect(weighPixels(halves, 1, pixels, Uint8Array.of(1, 1, 1, 0, 0), 1, to)).toBe(0);
    expect([...to]).toEqual([0, 0]);
  });

  it('refuse images of another size', () => {
    expect(() => applyTaps(new Float32Array(30), 2, halves, halves)).toThrow(/30 values of 4 x 4 x 2/);
  });
});
