/**
 * What every training run ends with: SAM and RMSE on the test split in physical units, the model beside the closed-form
 * baselines fitted on the same training split. No skill over these baselines means no skill.
 */

import type { Session } from '../engine/types.js';
import { scaledMeanWeights } from '../evaluate/baselines.js';
import { emptySums, type MetricRow, summarize } from '../evaluate/metrics.js';
import type { ModelSpec } from '../models/spec.js';
import type { Stage1Config } from './config.js';
import { physicalScale, type TrainingData } from './data_setup.js';
import { fitRegression, openSession } from './model_setup.js';

async function measure(
  data: TrainingData,
  session: Session,
  space: 'normalized' | 'physical',
  batchSize: number,
  ema: boolean,
  label: string,
): Promise<MetricRow> {
  const { set, reader, split, normalization } = data;
  const sums = emptySums(set.outBands);
  const { scale, offset } =
    space === 'normalized'
      ? physicalScale(normalization.target, set.outBands)
      : { scale: new Float32Array(set.outBands).fill(1), offset: new Float32Array(set.outBands) };
  const normalize = space === 'normalized' ? { input: normalization.input } : {};
  for await (const batch of reader.batches({ patches: split.test, batchSize, normalize, mask: data.masked })) {
    await session.metrics(batch, scale, offset, sums, ema);
    batch.release();
  }
  return summarize(label, sums, set.files[0]!.wavelength);
}

/** Rows for the table: scaled mean spectrum, ridge, quadratic ridge, then the model. */
export async function testReport(
  config: Stage1Config,
  data: TrainingData,
  model: Session,
  label: string,
): Promise<MetricRow[]> {
  const rows: MetricRow[] = [];
  const { inBands, outBands } = data.set;
  const fits: [string, 'linear' | 'quadratic'][] = [
    ['ridge', 'linear'],
    ['quadratic ridge', 'quadratic'],
  ];
  const baseline = async (name: string, kind: ModelSpec['kind'], parameters: Map<string, Float32Array>) => {
    const session = await openSession(config, { kind: kind as 'ridge' | 'quadratic_ridge', inBands, outBands }, data, {
      ema: false,
    });
    try {
      session.write('parameters', parameters);
      rows.push(await measure(data, session, 'physical', config.batch_size, false, name));
    } finally {
      session.dispose();
    }
  };
  const spectra = await data.reader.meanSpectra(data.split.train);
  await baseline('scaled mean spectrum', 'ridge', scaledMeanWeights(spectra.input, spectra.target));
  for (const [name, kind] of fits)
    await baseline(
      name,
      kind === 'linear' ? 'ridge' : 'quadratic_ridge',
      await fitRegression(config, data, kind, 'physical'),
    );
  rows.push(await measure(data, model, 'normalized', config.batch_size, config.ema_decay > 0, label));
  return rows;
}
