/** The contest of fits: each scene left out in turn, as text tables in Markdown. */

import { LEVEL_DEVIATIONS, squaredDistance } from '../fit/conformal.js';
import { correctionTerms, relativeResiduals } from '../fit/scene_prior.js';
import type { SceneSpectra } from '../fit/scene_ridge.js';
import { relativeDeviation } from '../fit/scene_uncertainty.js';
import { regionMask } from '../spectra/bands.js';
import {
  BASELINE,
  CANDIDATES,
  type Candidate,
  evenly,
  fitCandidate,
  meanAngle,
  predictWith,
  SumsOf,
} from './candidates.js';
import { fitSceneModel } from './scene_model.js';

/** Pixels of a scene that scores are taken over. */
const MOST_PIXELS = 2500;
/** A model may be worse than the baseline by so much in no scene, degrees. */
const MOST_LOSS = 0.1;

/** Degrees in clear bands, and in all. */
export interface Score {
  readonly clear: number;
  readonly all: number;
}

/** How a candidate does on a scene that it was not fitted to. */
function scoreOn(
  candidate: Candidate,
  training: readonly SceneSpectra[],
  scene: SceneSpectra,
  wavelength: Float64Array,
  sums: SumsOf,
): Score {
  const fit = fitCandidate(candidate, training, sums);
  const which = evenly(scene.count, MOST_PIXELS);
  const predicted = predictWith(candidate, fit, scene, which);
  const known = Uint8Array.from(scene.good, (good, b) => good & fit.trained[b]!);
  const clear = regionMask(wavelength, 'clear').map((c, b) => c & known[b]!);
  return { clear: meanAngle(predicted, scene, which, clear), all: meanAngle(predicted, scene, which, known) };
}

/** Scores of a candidate on every scene, each left out in turn. */
export const leaveEachOut = (
  candidate: Candidate,
  scenes: readonly SceneSpectra[],
  wavelength: Float64Array,
  sums: SumsOf,
): Score[] =>
  scenes.map((scene) =>
    scoreOn(
      candidate,
      scenes.filter((other) => other !== scene),
      scene,
      wavelength,
      sums,
    ),
  );

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/**
 * The candidate with the smallest mean angle in clear bands, of those that a graph of one regression can hold and that lose
 * nowhere more than MOST_LOSS to the baseline; the baseline where there is none.
 */
export function choose(candidates: readonly Candidate[], scores: readonly (readonly Score[])[]): Candidate {
  const base = scores[BASELINE]!;
  let best = BASELINE;
  candidates.forEach((candidate, c) => {
    const own = scores[c]!;
    if (candidate.shape || own.some(({ clear }, s) => !(clear <= base[s]!.clear + MOST_LOSS))) return;
    if (mean(own.map(({ clear }) => clear)) < mean(scores[best]!.map(({ clear }) => clear))) best = c;
  });
  return candidates[best]!;
}

export interface ContestResult {
  readonly scenes: readonly string[];
  readonly candidates: readonly Candidate[];
  /** [candidates][scenes] */
  readonly scores: readonly (readonly Score[])[];
  readonly chosen: Candidate;
  /** For each scene the candidate that the other scenes would have chosen, and its score there. */
  readonly blind: readonly { readonly candidate: Candidate; readonly score: Score }[];
}

export function runContest(scenes: readonly SceneSpectra[], wavelength: Float64Array): ContestResult {
  const sums = new SumsOf();
  const scores = CANDIDATES.map((candidate) => leaveEachOut(candidate, scenes, wavelength, sums));
  const blind = scenes.map((scene, s) => {
    const others = scenes.filter((other) => other !== scene);
    const inner = CANDIDATES.map((candidate) =>
      candidate.shape ? others.map(() => ({ clear: 0, all: 0 })) : leaveEachOut(candidate, others, wavelength, sums),
    );
    const candidate = choose(CANDIDATES, inner);
    return { candidate, score: scores[CANDIDATES.indexOf(candidate)]![s]! };
  });
  return {
    scenes: scenes.map(({ name }) => name),
    candidates: CANDIDATES,
    scores,
    chosen: choose(CANDIDATES, scores),
    blind,
  };
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (cells: readonly string[]): string[] => [row(cells), row(cells.map((_, i) => (i === 0 ? '---' : '---:')))];

/** The contest as a table: degrees in clear bands of each scene, then the means in clear and in all bands. */
export function contestTable({ scenes, candidates, scores, chosen, blind }: ContestResult): string[] {
  const line = (name: string, own: readonly Score[]) =>
    row([
      name,
      ...own.map(({ clear }) => clear.toFixed(2)),
      mean(own.map(({ clear }) => clear)).toFixed(2),
      mean(own.map(({ all }) => all)).toFixed(2),
    ]);
  return [
    ...head(['fit', ...scenes, 'mean, clear', 'mean, all bands']),
    ...candidates.map((candidate, c) =>
      line(candidate === chosen ? `**${candidate.name}** (chosen)` : candidate.name, scores[c]!),
    ),
    line(
      'chosen without the scene',
      blind.map(({ score }) => score),
    ),
  ];
}

export interface Coverage {
  readonly scene: string;
  /** Share of values inside their interval, clear bands and all. */
  readonly clear: number;
  readonly all: number;
  /** Mean width of the interval in clear bands, reflectance. */
  readonly width: number;
  /** Share of the pixels beyond the training range. */
  readonly beyond: number;
}

/** Intervals of a model that has seen neither the scene nor a factor from it. */
export function measureCoverage(
  candidate: Candidate,
  scenes: readonly SceneSpectra[],
  wavelength: Float64Array,
): Coverage[] {
  const sums = new SumsOf();
  const clear = regionMask(wavelength, 'clear');
  return scenes.map((scene) => {
    const others = scenes.filter((other) => other !== scene);
    const { fit, uncertainty } = fitSceneModel(candidate, others, wavelength, sums);
    const which = evenly(scene.count, MOST_PIXELS);
    const residuals = relativeResiduals(scene, which, predictWith(candidate, fit, scene, which));
    const u = correctionTerms(scene, which);
    const bands = wavelength.length;
    const n = scene.x.length / scene.count;
    const counts = { clear: 0, all: 0, inClear: 0, inAll: 0, width: 0, beyond: 0 };
    for (let p = 0; p < which.length; p++) {
      const distance = squaredDistance(uncertainty.spread, scene.x, which[p]! * n);
      if (distance > uncertainty.limit) counts.beyond++;
      for (let b = 0; b < bands; b++) {
        if (!(scene.good[b]! & fit.trained[b]!) || !(uncertainty.differences.within[b]! > 0)) continue;
        const half =
          LEVEL_DEVIATIONS * relativeDeviation(uncertainty, b, u, p * uncertainty.differences.terms, distance);
        const inside = Math.abs(residuals[p * bands + b]!) <= half ? 1 : 0;
        counts.all++;
        counts.inAll += inside;
        if (clear[b] === 0) continue;
        counts.clear++;
        counts.inClear += inside;
        counts.width += 2 * half * scene.brightness[which[p]!]!;
      }
    }
    return {
      scene: scene.name,
      clear: counts.inClear / counts.clear,
      all: counts.inAll / counts.all,
      width: counts.width / counts.clear,
      beyond: counts.beyond / which.length,
    };
  });
}

export function coverageTable(coverage: readonly Coverage[]): string[] {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const line = (name: string, c: Omit<Coverage, 'scene'>) =>
    row([name, percent(c.clear), percent(c.all), c.width.toFixed(3), percent(c.beyond)]);
  const of = (key: 'clear' | 'all' | 'width' | 'beyond') => mean(coverage.map((c) => c[key]));
  return [
    ...head(['scene', 'inside, clear', 'inside, all bands', 'mean width, clear', 'beyond the training range']),
    ...coverage.map((c) => line(c.scene, c)),
    line('all scenes, each the same', { clear: of('clear'), all: of('all'), width: of('width'), beyond: of('beyond') }),
  ];
}
