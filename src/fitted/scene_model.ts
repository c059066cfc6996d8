/** A model from scenes: the fit, and what is known of its error from leaving out each scene in turn. */
import { correctionTerms, relativeResiduals, sceneCorrection } from '../fit/scene_prior.js';
import type { SceneFit, SceneSpectra } from '../fit/scene_ridge.js';
import { type LeftOut, learnUncertainty, type SceneUncertainty } from '../fit/scene_uncertainty.js';
import { regionMask } from '../spectra/bands.js';
import { type Candidate, evenly, fitCandidate, predictWith, type SumsOf } from './candidates.js';

/** Pixels of a scene that its error is learnt from. */
const MOST_PIXELS = 2500;

export const REGION_NAMES = ['VNIR', 'SWIR1', 'SWIR2', 'absorption'] as const;

/** Which conformal factor a band has: clear bands by detector, all others (water vapour, CO2, ends of detectors) together. */
export function uncertaintyRegions(wavelength: ArrayLike<number>): Uint8Array {
  const clear = regionMask(wavelength, 'clear');
  return Uint8Array.from(wavelength, (nm, b) => (clear[b] === 0 ? 3 : nm < 1000 ? 0 : nm < 1800 ? 1 : 2));
}

export interface SceneModel {
  readonly fit: SceneFit;
  readonly uncertainty: SceneUncertainty;
}

/** What a model of the other scenes leaves over on `scene`. */
export function leaveOut(
  candidate: Candidate,
  scenes: readonly SceneSpectra[],
  scene: SceneSpectra,
  sums: SumsOf,
): LeftOut {
  const others = scenes.filter((other) => other !== scene);
  const fit = fitCandidate(candidate, others, sums);
  const which = evenly(scene.count, MOST_PIXELS);
  const residuals = relativeResiduals(scene, which, predictWith(candidate, fit, scene, which));
  const known = Uint8Array.from(scene.good, (good, b) => good & fit.trained[b]!);
  const u = correctionTerms(scene, which);
  return { scene, which, residuals, known, correction: sceneCorrection(u, residuals, u.length / which.length, known) };
}

/** @param wavelength of the spectra, nm */
export function fitSceneModel(
  candidate: Candidate,
  scenes: readonly SceneSpectra[],
  wavelength: ArrayLike<number>,
  sums: SumsOf,
): SceneModel {
  const leftOut = scenes.map((scene) => leaveOut(candidate, scenes, scene, sums));
  return {
    fit: fitCandidate(candidate, scenes, sums),
    uncertainty: learnUncertainty(leftOut, uncertaintyRegions(wavelength)),
  };
}
