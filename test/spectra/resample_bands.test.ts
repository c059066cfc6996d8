/** Spectra on the bands of another sensor, against lines, integrals and gaps that are known. */
import { describe, expect, it } from 'vitest';
import { RESAMPLING, resampleBands } from '../../src/spectra/resample_bands.js';

const axis = (from: number, to: number, step: number) =>
  Float64Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => from + i * step);
const grid = (wavelength: Float64Array, fwhm: number) => ({ wavelength, fwhm: wavelength.map(() => fwhm) });
const all = (wavelength: Float64Array) => new Uint8Array(wavelength.length).fill(1);

describe('bands of another sensor', () => {
  it('of a coarser source are on the line between its bands, and none lies beyond its ends', () => {
    const wavelength = axis(400, 500, 10);
    const made = resampleBands(
      { wavelength, fwhm: wavelength.map(() => 9), good: all(wavelength) },
      grid(Float64Array.of(395, 400, 404, 418.5, 500, 503), 6),
      'x',
    );
    expect([...made.rule]).toEqual([0, 1, 1, 1, 1, 0]);
    expect([...made.good]).toEqual([0, 1, 1, 1, 1, 0]);
    expect([...made.effectiveFwhm]).toEqual([Number.NaN, 9, 9, 9, 9, Number.NaN]);
    // the square of the wavelength, two pixels, the second twice the first
    const values = Float64Array.from([...wavelength, ...wavelength], (w, i) => w * w * (i < wavelength.length ? 1 : 2));
    const out = made.apply(values, new Float64Array(12));
    const expected = [0, 160000, 0.6 * 160000 + 0.4 * 168100, 0.15 * 168100 + 0.85 * 176400, 250000, 0];
    expected.forEach((value, b) => {
      expect(out[b]).toBeCloseTo(value, 6);
      expect(out[6 + b]).toBeCloseTo(2 * value, 6);
    });
  });

  it('of a finer source are means under a Gaussian of the target width', () => {
    const wavelength = axis(400, 600, 1);
    const made = resampleBands(
      { wavelength, fwhm: wavelength.map(() => 3), good: all(wavelength) },
      grid(Float64Array.of(401, 450, 500), 10),
      'x',
    );
    expect([...made.rule]).toEqual([RESAMPLING.none, RESAMPLING.gaussian, RESAMPLING.gaussian]);
    expect(made.effectiveFwhm[1]).toBeCloseTo(Math.sqrt(109), 12);
    // a peak of fwhm 20 seen through one of 10 keeps 20 / sqrt(500) of its height; a line stays a line
    const peak = Float64Array.from(wavelength, (w) => Math.exp(-4 * Math.LN2 * ((w - 500) / 20) ** 2));
    // the Gaussian is cut at 1.5 widths, where 0.04 % of it are left
    expect(made.apply(peak, new Float64Array(3))[2]).toBeCloseTo(20 / Math.sqrt(500), 3);
    expect(made.apply(Float64Array.from(wavelength), new Float64Array(3))[1]).toBeCloseTo(450, 9);
  });

  it('are not made across bands that are bad or missing', () => {
    const wavelength = Float64Array.from([...axis(400, 450, 5), ...axis(480, 530, 5)]);
    const good = all(wavelength).fill(0, 4, 6); // 420 and 425 nm
    const made = resampleBands({ wavelength, good }, grid(axis(402, 527, 5), 5), 'x');
    const expected = [...axis(402, 527, 5)].map((w) => ((w > 415 && w < 430) || (w > 450 && w < 480) ? 0 : 1));
    expect([...made.good]).toEqual(expected);
    const fine = resampleBands({ wavelength, good }, grid(axis(410, 520, 5), 10), 'x');
    // half of 10 nm on both sides, and what is there must reach the half maximum
    expect([...fine.good]).toEqual(
      [...axis(410, 520, 5)].map((w) => ((w > 410 && w < 435) || (w > 445 && w < 485) ? 0 : 1)),
    );
    expect(() => resampleBands({ wavelength, good }, grid(axis(600, 700, 10), 10), 'cube.hdr')).toThrow(
      /cube.hdr: wavelength: has no band that the bands asked for can be made of; found 400-530 nm, expected 600-700 nm/,
    );
  });

  it('are the bands themselves where both sensors agree', () => {
    const wavelength = axis(400, 500, 5);
    const made = resampleBands({ wavelength, good: all(wavelength) }, grid(wavelength, 6), 'x');
    const values = Float32Array.from(wavelength, (w) => Math.sin(w));
    expect([...made.apply(values, new Float32Array(values.length))]).toEqual([...values]);
  });
});
