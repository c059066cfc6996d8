/**
 * Which closed-form regression a new network starts from when the settings say 'auto': the one with the lower validation
 * loss. With few training pixels the quadratic one extrapolates badly; with enough of them it is the better start.
 */

import type { Reporter } from '../base/reporter.js';
import type { LossTerms } from '../engine/types.js';
import type { RegressionPath } from '../models/spec.js';
import type { Baselines } from './board.js';
import type { Stage1Config } from './config.js';
import type { TrainingData } from './data_setup.js';
import { fitRegression, openSession } from './model_setup.js';
import { validationLoss } from './validation.js';

const CANDIDATES = { quadratic: 'quadratic_ridge', linear: 'ridge' } as const;

/** Measured once for a run's data: both the choice and the curves of the baselines need it. */
const measured = new WeakMap<TrainingData, Promise<ReadonlyMap<RegressionPath, LossTerms>>>();

/** Loss terms of both regressions on the validation split, fitted on the training split in the space the model works in. */
function regressionLosses(config: Stage1Config, data: TrainingData): Promise<ReadonlyMap<RegressionPath, LossTerms>> {
  const known = measured.get(data) ?? measureRegressions(config, data);
  measured.set(data, known);
  return known;
}

async function measureRegressions(config: Stage1Config, data: TrainingData) {
  const losses = new Map<RegressionPath, LossTerms>();
  for (const path of ['quadratic', 'linear'] as const) {
    const sizes = { inBands: data.set.inBands, outBands: data.set.outBands };
    const session = await openSession(config, { kind: CANDIDATES[path], ...sizes }, data, {
      ema: false,
      mode: 'infer',
    });
    try {
      session.write('parameters', await fitRegression(config, data, path, 'normalized'));
      losses.set(path, (await validationLoss(config, data, session, `of the ${path} regression`)).terms());
    } finally {
      session.dispose();
    }
  }
  return losses;
}

/** The settings with `regression` decided; unchanged where nothing is to be decided. */
export async function chooseRegression(
  config: Stage1Config,
  data: TrainingData,
  report: Reporter,
): Promise<Stage1Config> {
  if (config.regression !== 'auto' || config.model !== 'spectral_sr') return config;
  const losses = [...(await regressionLosses(config, data))].map(([path, { total }]) => [path, total] as const);
  const [best] = [...losses].sort((a, b) => a[1] - b[1])[0]!;
  const list = losses.map(([path, loss]) => `${path} ${loss.toPrecision(4)}`).join(', ');
  report.line(`closed-form start: ${best} (validation loss: ${list})`);
  return { ...config, regression: best };
}

/** What a network of stage 1 has to beat. */
export async function regressionBaselines(config: Stage1Config, data: TrainingData): Promise<Baselines> {
  const losses = await regressionLosses(config, data);
  return { ridge: losses.get('linear')!, 'quadratic ridge': losses.get('quadratic')! };
}
