/** Which pixels and patches a reader is shown: chosen, median and worst ones, and points for the scatter plots. */
import { BandliftError, EXIT } from '../base/errors.js';
import { Random } from '../base/random.js';
import type { BandRegion } from '../metrics/band_regions.js';
import type { Measured, MeasuredData, PatchRecord } from './measure.js';
import type { ScatterSample } from './result.js';

/** A pixel of a patch, from the command line or picked. */
export interface PixelChoice {
  readonly patch: number;
  readonly y: number;
  readonly x: number;
}

const MOST_PICTURES = 3;
/** Points of a scatter plot. */
const SCATTER_POINTS = 2000;

/** 'patch:y,x'. */
export function parsePixel(text: string): PixelChoice {
  const match = /^(\d+):(\d+),(\d+)$/.exec(text.trim());
  if (!match)
    throw new BandliftError(
      'not a pixel position',
      { field: '--pixels', found: `'${text}'`, expected: 'PATCH:ROW,COLUMN, e.g. 12:30,40' },
      EXIT.usage,
    );
  const [patch, y, x] = match.slice(1).map(Number) as [number, number, number];
  return { patch, y, x };
}

/** Throws a usage error for a pixel that is not in the patches evaluated. */
export function checkPixels(pixels: readonly PixelChoice[], data: MeasuredData): void {
  for (const { patch, y, x } of pixels) {
    const fail = (found: string, expected: string) => {
      throw new BandliftError('there is no such pixel', { field: '--pixels', found, expected }, EXIT.usage);
    };
    if (!data.patches.includes(patch)) {
      const some = data.patches.slice(0, 12).join(', ');
      fail(`patch ${patch}`, `one of the patches evaluated: ${some}${data.patches.length > 12 ? ', ...' : ''}`);
    }
    if (y >= data.height || x >= data.width)
      fail(`row ${y}, column ${x}`, `within ${data.height} rows and ${data.width} columns`);
  }
}

export interface TitledPixel extends PixelChoice {
  readonly title: string;
}

/** The worst pixel, and one whose angle is the median of all. */
export function pickPixels(records: readonly PatchRecord[], width: number): TitledPixel[] {
  const at = (patch: number, pixel: number) => ({ patch, y: Math.floor(pixel / width), x: pixel % width });
  const found: TitledPixel[] = [];
  const worst = records.reduce<PatchRecord | undefined>(
    (w, r) => (r.worst >= 0 && !(w && w.worstAngle >= r.worstAngle) ? r : w),
    undefined,
  );
  if (!worst) return found;
  found.push({ title: 'worst pixel', ...at(worst.patch, worst.worst) });
  const all = new Float32Array(records.reduce((sum, r) => sum + r.angles.length, 0));
  let n = 0;
  for (const { angles } of records) for (const angle of angles) if (angle >= 0) all[n++] = angle;
  const median = all.subarray(0, n).sort()[n >> 1];
  for (const { patch, angles, stride } of records) {
    const index = angles.indexOf(median);
    if (n > 0 && index >= 0) return [...found, { title: 'median pixel', ...at(patch, index * stride) }];
  }
  return found;
}

/** The worst patch, the best and the one between, by mean angle. */
export function pickPatches(records: readonly PatchRecord[]): number[] {
  const ranked = records.filter((r) => r.mean >= 0).sort((a, b) => b.mean - a.mean || a.patch - b.patch);
  const places = [0, (ranked.length - 1) >> 1, ranked.length - 1].slice(0, MOST_PICTURES);
  return [...new Set(places)].filter((i) => i >= 0 && i < ranked.length).map((i) => ranked[i]!.patch);
}

/** Sampled values of each region: points of random pixels and bands. */
export function scatterSamples(measured: Measured, regions: readonly BandRegion[], seed: number): ScatterSample[] {
  return regions.map(({ name, mask }) => {
    const bands = Array.from(mask, (m, b) => (m ? b : -1)).filter((b) => b >= 0);
    const random = new Random(seed, 77);
    const truth: number[] = [];
    const predicted: number[] = [];
    const found = measured.truth.reduce((sum, t) => sum + t.length / mask.length, 0);
    const each = found === 0 ? 0 : Math.max(1, Math.round(SCATTER_POINTS / found));
    measured.truth.forEach((values, patch) => {
      for (let at = 0; at < values.length; at += mask.length)
        for (let k = 0; k < each; k++) {
          const band = bands[random.integer(bands.length)]!;
          truth.push(values[at + band]);
          predicted.push(measured.predicted[patch]![at + band]);
        }
    });
    return { region: name, truth, predicted };
  });
}
