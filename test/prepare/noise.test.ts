/** OLI's noise: as strong as published, different everywhere, the same for the same seed. */
import { describe, expect, it } from 'vitest';
import { addNoise } from '../../src/prepare/simulate.js';
import { OLI_NOISE, OLI_REFLECTANCE_NOISE } from '../../src/spectra/oli_noise.js';

/** Morfitt et al. (2015): typical radiance in W m-2 sr-1 um-1 and signal to noise, coastal to swir2. */
const PUBLISHED = [
  [40, 235],
  [40, 365],
  [30, 300],
  [22, 225],
  [14, 200],
  [4, 265],
  [1.7, 330],
] as const;

const SIDE = 200;
const SOURCE = { seed: 7, scene: 'line_1', columns: 5000 };

/** An image of constant bands, with noise. */
function noisy(
  levels: readonly number[],
  window = { row: 0, column: 0, side: SIDE },
  source = SOURCE,
  models = OLI_NOISE,
) {
  const image = Float64Array.from({ length: window.side ** 2 * 7 }, (_, i) => levels[i % 7]!);
  addNoise(image, window, models, source);
  return image;
}

function moments(image: Float64Array, band: number): { mean: number; deviation: number } {
  const values = image.filter((_, i) => i % 7 === band);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
  return { mean, deviation };
}

describe('noise', () => {
  // uW cm-2 sr-1 nm-1 is ten W m-2 sr-1 um-1
  const typical = PUBLISHED.map(([radiance]) => radiance / 10);

  it('has the published ratio at the typical radiance, band by band', () => {
    const image = noisy(typical);
    PUBLISHED.forEach(([, snr], band) => {
      const { mean, deviation } = moments(image, band);
      // 40,000 values: the deviation is known to 1/sqrt(80,000) = 0.35 %, five times that; the mean to 1/200 of a deviation
      expect(Math.abs(typical[band]! / deviation / snr - 1)).toBeLessThan(0.018);
      expect(Math.abs(mean - typical[band]!)).toBeLessThan((5 / SIDE) * deviation);
    });
  });

  it('is a quarter of the variance without light', () => {
    const image = noisy([0, 0, 0, 0, 0, 0, 0]);
    PUBLISHED.forEach(([radiance, snr], band) => {
      expect(Math.abs(moments(image, band).deviation / (radiance / 10 / snr / 2) - 1)).toBeLessThan(0.018);
    });
  });

  it('in reflectance has the same ratio at the reflectance of the typical radiance', () => {
    // blue by hand: pi 40 / (2005 cos 45) = 0.0886
    expect((Math.PI * 40) / (2005 * Math.SQRT1_2)).toBeCloseTo(0.0886, 4);
    const levels = [0, 0.0886, 0, 0, 0, 0, 0];
    const image = noisy(levels, undefined, undefined, OLI_REFLECTANCE_NOISE);
    expect(Math.abs(0.0886 / moments(image, 1).deviation / 365 - 1)).toBeLessThan(0.02);
  });

  it('does not repeat: neighbours, bands and scenes are independent', () => {
    const image = noisy(typical);
    const other = noisy(typical, undefined, { ...SOURCE, scene: 'line_2' });
    const z = (from: Float64Array, pixel: number, band: number) => from[pixel * 7 + band]! - typical[band]!;
    const correlation = (pairs: readonly (readonly [number, number])[]) => {
      const [a, b] = [pairs.map(([p]) => p), pairs.map(([, q]) => q)];
      const norm = (v: number[]) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
      return pairs.reduce((sum, [p, q]) => sum + p * q, 0) / (norm(a) * norm(b));
    };
    const pixels = Array.from({ length: SIDE * (SIDE - 1) }, (_, p) => p);
    // five deviations of the correlation of 39,800 independent pairs
    const limit = 5 / Math.sqrt(pixels.length);
    expect(Math.abs(correlation(pixels.map((p) => [z(image, p, 3), z(image, p + 1, 3)])))).toBeLessThan(limit);
    expect(Math.abs(correlation(pixels.map((p) => [z(image, p, 3), z(image, p + SIDE, 3)])))).toBeLessThan(limit);
    expect(Math.abs(correlation(pixels.map((p) => [z(image, p, 0), z(image, p, 1)])))).toBeLessThan(limit);
    expect(Math.abs(correlation(pixels.map((p) => [z(image, p, 3), z(other, p, 3)])))).toBeLessThan(limit);
  });

  it('belongs to the place in the scene: overlapping patches agree, seeds do not', () => {
    const whole = noisy(typical, { row: 10, column: 20, side: 12 });
    const part = noisy(typical, { row: 14, column: 22, side: 6 });
    for (let y = 0; y < 6; y++)
      expect([...part.subarray(y * 42, (y + 1) * 42)]).toEqual([
        ...whole.subarray(((y + 4) * 12 + 2) * 7, ((y + 4) * 12 + 8) * 7),
      ]);
    expect(noisy(typical, { row: 14, column: 22, side: 6 })).toEqual(part);
    expect(noisy(typical, { row: 14, column: 22, side: 6 }, { ...SOURCE, seed: 8 })).not.toEqual(part);
  });
});
