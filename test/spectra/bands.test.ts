import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepBands, regionMask } from '../../src/spectra/bands.js';
import { AVIRIS_NG_FWHM, AVIRIS_NG_WAVELENGTH } from '../../src/spectra/tables/aviris_ng_2017.js';
import { nanometreFactor, toNanometres } from '../../src/spectra/units.js';
import { describeShared } from '../support/shared.js';

describe('bands that stage 1 predicts', () => {
  it('are 340 of AVIRIS-NG', () => {
    expect(AVIRIS_NG_WAVELENGTH).toHaveLength(425);
    expect(AVIRIS_NG_FWHM).toHaveLength(425);
    const kept = keepBands(AVIRIS_NG_WAVELENGTH);
    expect(kept).toHaveLength(340);
    const left = Array.from(kept, (b) => AVIRIS_NG_WAVELENGTH[b]!);
    expect(left.some((w) => (w >= 1350 && w <= 1470) || (w >= 1780 && w <= 1980) || w >= 2400)).toBe(false);
  });

  it('leave out both ends of a dropped range', () => {
    expect([...keepBands([1349.9, 1350, 1470, 1470.1, 1780, 1980, 1981, 2399.9, 2400])]).toEqual([0, 3, 6, 7]);
  });

  it('lie in the regions of the metrics', () => {
    expect([...regionMask([399, 400, 1000, 1001], 'vnir')]).toEqual([0, 1, 1, 0]);
    expect([...regionMask([999, 1000, 2400, 2401], 'swir')]).toEqual([0, 1, 1, 0]);
    expect([...regionMask([419, 420, 890, 940, 990, 1100, 1200, 1400, 1600, 1900, 2200, 2351], 'clear')]).toEqual([
      0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0,
    ]);
  });
});

describeShared('band sets of real sensors', 'data/bands', (path) => {
  const wavelengths = (file: string, at: number) =>
    readFileSync(join(path, file), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.split(',')[at]));

  it('NEON keeps 339 of 426', () => {
    const neon = wavelengths('neon_bands_426.csv', 1);
    expect(neon).toHaveLength(426);
    expect(keepBands(neon)).toHaveLength(339);
  });

  it('the AVIRIS-NG table is the published one', () => {
    expect(AVIRIS_NG_WAVELENGTH).toEqual(wavelengths('aviris_ng_bands_425.csv', 1));
    expect(AVIRIS_NG_FWHM).toEqual(wavelengths('aviris_ng_bands_425.csv', 2));
  });
});

describe('wavelengths', () => {
  it('in micrometres become nm', () => {
    expect([...toNanometres([0.5, 2.25])]).toEqual([500, 2250]);
    expect([...toNanometres([500, 2250])]).toEqual([500, 2250]);
    expect(nanometreFactor([0.5], 'Micrometers')).toBe(1000);
    expect(nanometreFactor([0.5], 'Nanometers')).toBe(1);
    expect(nanometreFactor([500], 'Unknown')).toBe(1);
  });

  it('that are none are refused', () => {
    expect(() => toNanometres([500, Number.NaN])).toThrow(/wavelength 2: not a wavelength; found NaN/);
    expect(() => toNanometres([0])).toThrow(/wavelength 1/);
  });
});
