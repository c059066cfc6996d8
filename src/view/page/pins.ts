/// <reference lib="dom" />
/** Curves of places: spectra of every scene at the same place, with what is known of their spread. */
import { type SceneFacts, type Spectrum, spectrum } from './ask.js';
import { DASHES } from './colours.js';
import { type Affine, apply } from './places.js';
import type { Series } from './plot.js';
import type { Place } from './state.js';

export interface OnGround {
  readonly facts: SceneFacts;
  readonly toScene: Affine;
}

/** Pixels [x, y, width, height] of a scene at a place; undefined outside of it. */
export function boxOf({ facts, toScene }: OnGround, place: Place): [number, number, number, number] | undefined {
  const corners = [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ].map(([sx, sy]) => apply(toScene, place.x + sx! * place.rx, place.y + sy! * place.ry));
  const range = (k: 0 | 1, size: number): [number, number] => {
    const values = corners.map((c) => c[k]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    // a box whose edge lies on a pixel's edge does not take in the next pixel
    const last = high > low ? Math.ceil(high - 1e-6) - 1 : Math.floor(high);
    return [Math.max(0, Math.floor(low + 1e-6)), Math.min(size - 1, Math.max(last, Math.floor(low + 1e-6)))];
  };
  const [x0, x1] = range(0, facts.width);
  const [y0, y1] = range(1, facts.height);
  return x1 < x0 || y1 < y0 ? undefined : [x0, y0, x1 - x0 + 1, y1 - y0 + 1];
}

const shifted = (a: Spectrum, b: readonly (number | null)[], sign: number) =>
  a.mean.map((v, i) => (v === null || b[i] === null || b[i] === undefined ? null : v + sign * b[i]!));

/**
 * Lower and upper bounds: an interval, a deviation, or the spread of a box. An interval's file holds all lower bounds, then all
 * upper ones; where it has wavelengths the scene's bands are sorted by them, and the two of a band follow each other.
 */
export function bounds(
  found: Spectrum,
  doubt: Spectrum | undefined,
  wavelength?: readonly number[],
): Pick<Series, 'lower' | 'upper'> {
  const bands = found.mean.length;
  const paired = wavelength !== undefined && wavelength[0] === wavelength[1];
  const low = (b: number) => (paired ? 2 * b : b);
  const high = (b: number) => (paired ? 2 * b + 1 : bands + b);
  if (doubt !== undefined && doubt.pixels > 0) {
    if (doubt.mean.length === 2 * bands) {
      const both = found.mean.map((_, b) => doubt.mean[low(b)] !== null && doubt.mean[high(b)] !== null);
      return {
        lower: both.map((ok, b) => (ok ? doubt.mean[low(b)]! : null)),
        upper: both.map((ok, b) => (ok ? doubt.mean[high(b)]! : null)),
      };
    }
    return { lower: shifted(found, doubt.mean, -1), upper: shifted(found, doubt.mean, 1) };
  }
  if (found.sd === undefined) return {};
  return { lower: shifted(found, found.sd, -1), upper: shifted(found, found.sd, 1) };
}

/** The curves of one place; scenes that do not reach there have none. */
export async function curvesAt(
  scenes: readonly OnGround[],
  place: Place,
  name: string,
  colour: string,
  byBand: boolean,
): Promise<Series[]> {
  const ask = async (scene: OnGround) => {
    const box = boxOf(scene, place);
    return box && spectrum(scene.facts.id, ...box);
  };
  const doubtful = scenes.find(({ facts }) => facts.role === 'uncertainty');
  const drawn = scenes.filter((scene) => scene !== doubtful);
  const [doubt, ...found] = await Promise.all([doubtful && ask(doubtful), ...drawn.map(ask)]);
  return drawn.flatMap(({ facts }, i) => {
    const spectrumHere = found[i];
    if (spectrumHere === undefined || spectrumHere.pixels === 0) return [];
    return [
      {
        label: drawn.length === 1 ? name : `${name}, ${facts.name}`,
        place: name,
        scene: facts.name,
        colour,
        dash: DASHES[i % DASHES.length]!,
        x: byBand || facts.wavelength === undefined ? spectrumHere.mean.map((_, b) => b + 1) : facts.wavelength,
        y: spectrumHere.mean,
        ...bounds(spectrumHere, i === 0 ? doubt : undefined, doubtful?.facts.wavelength),
      },
    ];
  });
}
