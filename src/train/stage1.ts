/** Stage 1: 7 Landsat bands to the bands of the spectrometer, on one grid. */

import { BandliftError } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { loadModel } from '../checkpoint/checkpoint.js';
import type { KnownModel } from '../evaluate/evaluation_data.js';
import { baselinesOf, fitStatistics } from '../evaluate/fit_baselines.js';
import { spectralBaselines, spectralModel } from '../evaluate/stage1_methods.js';
import type { MethodResult } from '../metrics/types.js';
import { regressionFeatureCount } from '../models/regression.js';
import type { Ranks } from '../ranks/join.js';
import type { Stage1Config } from './config.js';
import { openTrainingData, type TrainingData } from './data_setup.js';
import { dataDrivenParameters, specFromConfig, withModel } from './model_setup.js';
import { chooseRegression, regressionBaselines } from './regression_choice.js';
import { type TrainingStage, type TrainResult, trainRun } from './run.js';
import { machineOf, testRows } from './test_report.js';

/** Normal equations of more features would make checkpoints large: 1000 in float64 are 8 MB. */
const MOST_FEATURES = 1000;

const STAGE1: TrainingStage<Stage1Config> = {
  openData: openTrainingData,
  decide: decideNetwork,
  spec: (config, { set }) => specFromConfig(config, set.inBands, set.outBands),
  firstParameters: dataDrivenParameters,
  baselines: regressionBaselines,
  statistics: (config, { reader, split, masked }) =>
    regressionFeatureCount('quadratic', reader.set.inBands) > MOST_FEATURES
      ? undefined
      : fitStatistics({ reader, patches: split.train, masked }, machineOf(config), undefined, config.ridge_lambda),
  test: testReport,
};

/** Trains a stage-1 model; see trainRun. */
export function trainStage1(
  settings: Stage1Config,
  resume: boolean,
  report: Reporter,
  interrupted: () => boolean,
  checkpoint?: string,
  ranks?: Ranks,
): Promise<TrainResult> {
  return trainRun(STAGE1, settings, { resume, checkpoint }, report, interrupted, ranks);
}

/** Rows for the table: scaled mean spectrum, ridge, quadratic ridge, then the model. */
async function testReport(
  config: Stage1Config,
  data: TrainingData,
  best: KnownModel,
  label: string,
): Promise<MethodResult[]> {
  const { set } = data;
  const machine = machineOf(config);
  const { statistics } = best.stored;
  const model = { ...spectralModel(best, set, machine), label };
  return testRows(config, data, (pool) => [
    ...(statistics ? spectralBaselines(baselinesOf(statistics, set), set, set, machine, pool) : []),
    model,
  ]);
}

/** What the settings leave open about a new run's network: taken from the weights it starts from, or from the data. */
async function decideNetwork(settings: Stage1Config, data: TrainingData, report: Reporter): Promise<Stage1Config> {
  if (settings.init === '') return chooseRegression(settings, data, report);
  const { model, scenes } = await loadModel(settings.init);
  if (scenes !== undefined)
    throw new BandliftError('is fitted in closed form to scenes: there is nothing in it to train on', {
      file: settings.init,
      field: '--init',
      hint: 'leave out --init; train stage1 starts from a regression of its own',
    });
  if (model.inBands !== data.set.inBands || model.outBands !== data.set.outBands)
    throw new BandliftError('the weights are for other bands than the data', {
      file: settings.init,
      found: `${model.inBands} -> ${model.outBands} bands`,
      expected: `${data.set.inBands} -> ${data.set.outBands} bands`,
    });
  return withModel(settings, model);
}
