/**
 * What known pixels of a scene are worth: known in the left half of a scene, tested on its right half with a guard between them,
 * the scene left out of the model.
 */
import { Random } from '../base/random.js';
import { LEVEL_DEVIATIONS, squaredDistance } from '../fit/conformal.js';
import { correctionOf, correctionTerms, relativeResiduals } from '../fit/scene_prior.js';
import { applyFit, fitScenes, type SceneSpectra, sumScene } from '../fit/scene_ridge.js';
import { narrowed, relativeDeviation } from '../fit/scene_uncertainty.js';
import { regionMask } from '../spectra/bands.js';
import { type Candidate, evenly, meanAngle, predictWith, type SumsOf } from './candidates.js';
import { fitSceneModel, type SceneModel } from './scene_model.js';

/** Pixels between the halves, of which half lies in each. */
const GUARD = 4;
const MOST_PIXELS = 2500;
/** Penalties of the model trained within the scene; the best of them on the test half stands for it. */
const WITHIN_PENALTIES = [1e-6, 1e-5, 1e-4, 1e-3];
/** A half must have so many known pixels to draw from. */
const FEWEST = 20;

export interface CalibrationScore {
  readonly scene: string;
  /** Degrees in clear bands and in all: without known pixels, trained within the scene, and for each number of known pixels. */
  readonly none: readonly [number, number];
  readonly within: readonly [number, number];
  readonly known: ReadonlyMap<number, readonly [number, number]>;
  /** With the largest but one number of known pixels: share inside the intervals (clear), and their width over that without. */
  readonly coverage: number;
  readonly width: number;
}

/** A part of a scene. */
export function partOf(scene: SceneSpectra, which: ArrayLike<number>): SceneSpectra {
  const n = scene.x.length / scene.count;
  const bands = scene.good.length;
  const x = new Float64Array(which.length * n);
  const y = new Float32Array(which.length * bands);
  for (let p = 0; p < which.length; p++) {
    x.set(scene.x.subarray(which[p]! * n, (which[p]! + 1) * n), p * n);
    y.set(scene.y.subarray(which[p]! * bands, (which[p]! + 1) * bands), p * bands);
  }
  const brightness = Float64Array.from(which, (p) => scene.brightness[p]!);
  return { name: scene.name, count: which.length, x, y, good: scene.good, brightness };
}

/** The two halves of an image; undefined where the left one is too small. */
export function halves(scene: SceneSpectra): { left: Uint32Array; right: Uint32Array } | undefined {
  const { width, count } = scene;
  if (width === undefined) return undefined;
  const all = Array.from({ length: count }, (_, p) => p);
  const middle = width >> 1;
  const left = Uint32Array.from(all.filter((p) => p % width < middle - GUARD / 2));
  const right = Uint32Array.from(all.filter((p) => p % width >= middle + GUARD / 2));
  return left.length < FEWEST || right.length === 0 ? undefined : { left, right };
}

export interface ProtocolOptions {
  /** Numbers of known pixels, rising. */
  readonly counts: readonly number[];
  readonly draws: number;
}

/** Undefined for a scene that has no halves. */
export function calibrationScore(
  candidate: Candidate,
  scenes: readonly SceneSpectra[],
  scene: SceneSpectra,
  wavelength: Float64Array,
  sums: SumsOf,
  { counts, draws }: ProtocolOptions,
): CalibrationScore | undefined {
  const parts = halves(scene);
  if (parts === undefined) return undefined;
  const others = scenes.filter((other) => other !== scene);
  const model = fitSceneModel(candidate, others, wavelength, sums);
  const told = Uint8Array.from(scene.good, (good, b) => good & (model.uncertainty.differences.within[b]! > 0 ? 1 : 0));
  const clear = regionMask(wavelength, 'clear').map((c, b) => c & told[b]!);
  const test = partOf(
    scene,
    Uint32Array.from(evenly(parts.right.length, MOST_PIXELS), (k) => parts.right[k]!),
  );
  const all = evenly(test.count, test.count);
  const angles = (predicted: Float32Array): [number, number] => [
    meanAngle(predicted, test, all, clear),
    meanAngle(predicted, test, all, told),
  ];
  const base = predictWith(candidate, model.fit, test, all);
  const u = correctionTerms(test, all);
  const known = new Map<number, readonly [number, number]>();
  const shown = counts.at(-2) ?? counts.at(-1)!;
  const intervals = { inside: 0, width: 0 };
  const before = widthAndCoverage(model, test, base, u, clear);
  for (const count of counts) {
    const sum = [0, 0];
    for (let draw = 0; draw < draws; draw++) {
      const random = new Random(draw, count);
      const drawn = random.shuffle([...parts.left]).slice(0, count);
      const pixels = partOf(scene, drawn);
      const which = evenly(pixels.count, pixels.count);
      const e = relativeResiduals(pixels, which, predictWith(candidate, model.fit, pixels, which));
      const { differences } = model.uncertainty;
      const correction = correctionOf(differences, correctionTerms(pixels, which), e, told);
      const corrected = applyCorrection(base, test, u, correction.coefficients);
      const [c, a] = angles(corrected);
      sum[0]! += c / draws;
      sum[1]! += a / draws;
      if (count !== shown) continue;
      const uncertainty = narrowed(model.uncertainty, correction, pixels.x, told);
      const found = widthAndCoverage({ ...model, uncertainty }, test, corrected, u, clear);
      intervals.inside += found.inside / draws;
      intervals.width += found.width / before.width / draws;
    }
    known.set(count, [sum[0]!, sum[1]!]);
  }
  return {
    scene: scene.name,
    none: angles(base),
    within: withinScene(partOf(scene, parts.left), test, angles),
    known,
    coverage: intervals.inside,
    width: intervals.width,
  };
}

/** Quadratic ridge with weights 1/m trained on the left half; the penalty that does best in clear bands. */
function withinScene(
  left: SceneSpectra,
  test: SceneSpectra,
  angles: (predicted: Float32Array) => [number, number],
): [number, number] {
  const sums = [sumScene(left, 1)];
  const all = evenly(test.count, test.count);
  return WITHIN_PENALTIES.map((lambda) =>
    angles(applyFit(fitScenes(sums, { linear: lambda, products: lambda, intercept: true }), test, all)),
  ).reduce((best, found) => (found[0] < best[0] ? found : best));
}

/** Spectra [count, bands] plus their correction c . phi. */
export function applyCorrection(
  predicted: Float32Array,
  scene: SceneSpectra,
  u: Float64Array,
  coefficients: Float64Array,
): Float32Array {
  const bands = scene.good.length;
  const terms = u.length / scene.count;
  return predicted.map((value, k) => {
    const [p, b] = [Math.floor(k / bands), k % bands];
    let sum = 0;
    for (let i = 0; i < terms; i++) sum += u[p * terms + i]! * coefficients[b * terms + i]!;
    return value + sum * scene.brightness[p]!;
  });
}

/** Share of values inside their intervals and the mean width relative to brightness, over the bands of a mask. */
function widthAndCoverage(
  { uncertainty }: SceneModel,
  scene: SceneSpectra,
  predicted: Float32Array,
  u: Float64Array,
  mask: ArrayLike<number>,
) {
  const bands = scene.good.length;
  const n = scene.x.length / scene.count;
  const terms = n + 1;
  let [inside, width, count] = [0, 0, 0];
  for (let p = 0; p < scene.count; p++) {
    const distance = squaredDistance(uncertainty.spread, scene.x, p * n);
    for (let b = 0; b < bands; b++) {
      if (!mask[b]) continue;
      const half = LEVEL_DEVIATIONS * relativeDeviation(uncertainty, b, u, p * terms, distance);
      const off = Math.abs(scene.y[p * bands + b]! - predicted[p * bands + b]!) / scene.brightness[p]!;
      if (off <= half) inside++;
      width += 2 * half;
      count++;
    }
  }
  return { inside: inside / count, width: width / count };
}

/** One row a scene, then the means; the last column says how much of the gap to training within the scene 20 pixels close. */
export function calibrationTable(scores: readonly CalibrationScore[], counts: readonly number[]): string[] {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const pair = ([c, a]: readonly [number, number]) => `${c.toFixed(2)} / ${a.toFixed(2)}`;
  const mean = (of: (score: CalibrationScore) => readonly [number, number]): [number, number] => [
    scores.reduce((sum, s) => sum + of(s)[0] / scores.length, 0),
    scores.reduce((sum, s) => sum + of(s)[1] / scores.length, 0),
  ];
  const line = (
    name: string,
    of: (pick: (score: CalibrationScore) => readonly [number, number]) => readonly [number, number],
    tail: string[],
  ) =>
    row([
      name,
      pair(of((s) => s.none)),
      ...counts.map((n) => pair(of((s) => s.known.get(n)!))),
      pair(of((s) => s.within)),
      ...tail,
    ]);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const head = ['scene', 'none', ...counts.map((n) => `${n} pixels`), 'trained within', 'inside', 'width'];
  const average = (key: 'coverage' | 'width') => scores.reduce((sum, s) => sum + s[key] / scores.length, 0);
  return [
    row(head),
    row(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...scores.map((s) => line(s.scene, (pick) => pick(s), [percent(s.coverage), percent(s.width)])),
    line('mean', mean, [percent(average('coverage')), percent(average('width'))]),
  ];
}
