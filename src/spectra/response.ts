/** Relative spectral responses of multispectral sensors, and the weights that simulate them from narrow bands. */

import { createHash } from 'node:crypto';
import { BandliftError } from '../base/errors.js';
import { LANDSAT8_OLI_TABLE } from './tables/landsat8_oli.js';
import { LANDSAT9_OLI2_TABLE } from './tables/landsat9_oli2.js';
import type { ResponseTable } from './tables/types.js';

export interface BandResponse {
  readonly name: string;
  /** nm, increasing. */
  readonly wavelength: Float64Array;
  /** Relative response; zero outside the list. Small negative values of the measurement are kept. */
  readonly response: Float64Array;
}

export interface SensorResponse {
  readonly sensor: string;
  readonly source: string;
  readonly bands: readonly BandResponse[];
  /** SHA-256 of names, wavelengths and values; files carry it so that data of two responses are not mixed. */
  readonly hash: string;
}

/** Puts the hash to a list of bands. */
export function sensorResponse(sensor: string, source: string, bands: readonly BandResponse[]): SensorResponse {
  const text = JSON.stringify(bands.map((band) => [band.name, [...band.wavelength], [...band.response]]));
  return { sensor, source, bands, hash: createHash('sha256').update(text).digest('hex') };
}

function fromTable(table: ResponseTable): SensorResponse {
  const bands = table.bands.map(({ name, start, values }) => ({
    name,
    wavelength: Float64Array.from(values, (_, k) => start + k),
    response: Float64Array.from(values),
  }));
  return sensorResponse(table.sensor, table.source, bands);
}

/** The seven reflective bands coastal, blue, green, red, nir, swir1, swir2. */
export const LANDSAT8_OLI = fromTable(LANDSAT8_OLI_TABLE);
export const LANDSAT9_OLI2 = fromTable(LANDSAT9_OLI2_TABLE);

/** Least share of a band's response that the spectrometer's bands must cover. */
export const LEAST_COVERAGE = 0.95;
/** Neighbouring centres further apart than this many widths have a gap between them that interpolation must not bridge. */
const GAP_WIDTHS = 2.5;

/** Positions of the bands in order of wavelength: spectrometers with several detectors overlap. */
function sortedOrder(wavelength: ArrayLike<number>): number[] {
  return Array.from(wavelength, (_, b) => b).sort((a, b) => wavelength[a]! - wavelength[b]! || a - b);
}

/** Width of each band: given, or the usual distance between neighbours. `order` sorts by wavelength. */
function widths(wavelength: ArrayLike<number>, order: readonly number[], fwhm?: ArrayLike<number>): Float64Array {
  const steps = order.slice(1).map((b, i) => wavelength[b]! - wavelength[order[i]!]!);
  const usual = steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)]!;
  return Float64Array.from(wavelength, (_, b) => {
    const given = fwhm?.[b];
    return given !== undefined && given > 0 ? given : usual;
  });
}

const interpolate = (band: BandResponse, at: number): number => {
  const { wavelength: w, response: r } = band;
  const last = w.length - 1;
  if (at < w[0]! || at > w[last]!) return 0;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (w[middle]! <= at) low = middle;
    else high = middle;
  }
  const span = w[high]! - w[low]!;
  return span === 0 ? r[low]! : r[low]! + ((at - w[low]!) / span) * (r[high]! - r[low]!);
};

/** The response's own samples between two wavelengths, and the two. */
const gridBetween = (band: BandResponse, from: number, to: number): number[] => [
  from,
  ...Array.from(band.wavelength).filter((w) => w > from && w < to),
  to,
];

/** Integral of the response over [from, to] by the trapezoid rule. */
function integral(band: BandResponse, from: number, to: number): number {
  const grid = gridBetween(band, from, to);
  let sum = 0;
  for (let i = 1; i < grid.length; i++)
    sum += 0.5 * (grid[i]! - grid[i - 1]!) * (interpolate(band, grid[i]!) + interpolate(band, grid[i - 1]!));
  return sum;
}

/** Adds to `weights` the integral of response times L between two neighbouring centres, L linear between them. */
function addInterval(
  weights: Float64Array,
  band: BandResponse,
  [l, left]: [number, number],
  [r, right]: [number, number],
): void {
  const grid = gridBetween(band, Math.max(left, band.wavelength[0]!), Math.min(right, band.wavelength.at(-1)!));
  for (let i = 1; i < grid.length; i++) {
    for (const at of [grid[i - 1]!, grid[i]!]) {
      const value = 0.5 * (grid[i]! - grid[i - 1]!) * interpolate(band, at);
      const share = (at - left) / (right - left);
      weights[l]! += value * (1 - share);
      weights[r]! += value * share;
    }
  }
}

/**
 * Weights w with band_k = sum_b w[k][b] L[b], that is sum(RSR(l) L(l) dl) / sum(RSR(l) dl) with L piecewise linear between
 * the spectrometer's own band centres, by the trapezoid rule on the union of both grids.
 * @param sensor the response to simulate
 * @param wavelength band centres in nm, in any order; the weights come in the same order
 * @param fwhm widths in nm; without them the usual distance between neighbours
 * @returns [bands of the sensor][bands of the spectrometer]; each row sums to 1
 * Errors: BandliftError where less than 95 % of a band's response is covered, with the band and the gap.
 */
export function bandWeights(
  sensor: SensorResponse,
  wavelength: ArrayLike<number>,
  fwhm?: ArrayLike<number>,
): Float64Array[] {
  if (wavelength.length < 2)
    throw new BandliftError('too few bands to simulate a sensor', { found: wavelength.length, expected: 'at least 2' });
  if (fwhm !== undefined && fwhm.length !== wavelength.length)
    throw new BandliftError('as many widths as wavelengths are needed', {
      field: 'fwhm',
      found: fwhm.length,
      expected: wavelength.length,
    });
  const order = sortedOrder(wavelength);
  const width = widths(wavelength, order, fwhm);
  return sensor.bands.map((band) => {
    const weights = new Float64Array(wavelength.length);
    const first = band.wavelength[0]!;
    const last = band.wavelength.at(-1)!;
    const whole = integral(band, first, last);
    const gaps: [number, number][] = [];
    let covered = 0;
    let reached = first;
    for (let i = 1; i < order.length; i++) {
      const [l, r] = [order[i - 1]!, order[i]!];
      const [from, to] = [wavelength[l]!, wavelength[r]!];
      if (to <= first || from >= last || to === from) continue;
      if (to - from > (GAP_WIDTHS * (width[l]! + width[r]!)) / 2) continue;
      if (from > reached) gaps.push([reached, from]);
      covered += integral(band, Math.max(from, first), Math.min(to, last));
      reached = to;
      addInterval(weights, band, [l, from], [r, to]);
    }
    if (reached < last) gaps.push([reached, last]);
    if (covered < LEAST_COVERAGE * whole) {
      const text = gaps.map(([from, to]) => `${from.toFixed(0)}-${to.toFixed(0)} nm`).join(', ');
      throw new BandliftError(`${sensor.sensor} band ${band.name} cannot be simulated: no bands at ${text}`, {
        found: `${((100 * covered) / whole).toFixed(1)} % of its response covered`,
        expected: `at least ${100 * LEAST_COVERAGE} %`,
        hint: 'keep these bands in the cube or choose another sensor',
      });
    }
    const total = weights.reduce((sum, w) => sum + w, 0);
    return weights.map((w) => w / total);
  });
}
