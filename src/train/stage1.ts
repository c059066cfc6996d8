/** Stage 1: 7 Landsat bands to the bands of the spectrometer, on one grid. */
import { loadModel } from '../checkpoint/checkpoint.js';
import { BandliftError } from '../errors.js';
import type { Stage1Config } from './config.js';
import { openTrainingData, type TrainingData } from './data_setup.js';
import { dataDrivenParameters, specFromConfig, withModel } from './model_setup.js';
import { chooseRegression, regressionBaselines } from './regression_choice.js';
import type { Reporter } from './reporter.js';
import { type Stage, type TrainResult, trainRun } from './run.js';
import { testReport } from './test_report.js';

const STAGE1: Stage<Stage1Config> = {
  openData: openTrainingData,
  decide: decideNetwork,
  spec: (config, { set }) => specFromConfig(config, set.inBands, set.outBands),
  firstParameters: dataDrivenParameters,
  baselines: regressionBaselines,
  test: testReport,
};

/** Trains a stage-1 model; see trainRun. */
export function trainStage1(
  settings: Stage1Config,
  resume: boolean,
  report: Reporter,
  interrupted: () => boolean,
  checkpoint?: string,
): Promise<TrainResult> {
  return trainRun(STAGE1, settings, { resume, checkpoint }, report, interrupted);
}

/** What the settings leave open about a new run's network: taken from the weights it starts from, or from the data. */
async function decideNetwork(settings: Stage1Config, data: TrainingData, report: Reporter): Promise<Stage1Config> {
  if (settings.init === '') return chooseRegression(settings, data, report);
  const { model } = await loadModel(settings.init);
  if (model.inBands !== data.set.inBands || model.outBands !== data.set.outBands)
    throw new BandliftError('the weights are for other bands than the data', {
      file: settings.init,
      found: `${model.inBands} -> ${model.outBands} bands`,
      expected: `${data.set.inBands} -> ${data.set.outBands} bands`,
    });
  return withModel(settings, model);
}
