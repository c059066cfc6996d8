/** All case tables: what bench/ops.ts walks through and test/compiler checks by finite differences. */
import { activationCases } from './activation.js';
import { adamCases } from './adam.js';
import { addCases } from './add.js';
import { boundsCases } from './bounds.js';
import type { OpCases } from './case.js';
import { conv2dCases } from './conv2d.js';
import { countValuesCases } from './count_values.js';
import { fillCases } from './fill.js';
import { gateCases } from './gate.js';
import { gatherPatchesCases } from './gather_patches.js';
import { globalMeanCases } from './global_mean.js';
import { normalEquationsCases } from './normal_equations.js';
import { quadraticFeaturesCases } from './quadratic_features.js';
import { resampleCases } from './resample.js';
import { reshapeCases } from './reshape.js';
import { softmaxMixingCases } from './softmax_mixing.js';
import { spectralLossCases } from './spectral_loss.js';
import { spectralMetricsCases } from './spectral_metrics.js';

export const allCases: readonly OpCases[] = [
  conv2dCases,
  activationCases,
  addCases,
  fillCases,
  gatherPatchesCases,
  reshapeCases,
  globalMeanCases,
  gateCases,
  softmaxMixingCases,
  quadraticFeaturesCases,
  resampleCases,
  boundsCases,
  spectralLossCases,
  spectralMetricsCases,
  normalEquationsCases,
  countValuesCases,
  adamCases,
];
