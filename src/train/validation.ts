/** The validation loss: what the best model, the schedule and the closed-form start are chosen by. */

import { BandliftError, EXIT } from '../base/errors.js';
import type { LoaderOptions } from '../data/types.js';
import { interruption } from '../data/worker_pool.js';
import type { Session } from '../engine/types.js';
import { Averages } from './averages.js';
import type { BatchSource } from './batch_source.js';
import type { TrainConfig } from './config.js';
import type { TrainingData } from './data_setup.js';

/** This rank's part of every batch, as an option of the loader. */
export function partOf(config: TrainConfig, { options }: Session): Pick<LoaderOptions, 'part'> {
  return options.ranks === undefined ? {} : { part: options.ranks.part(config.batch_size) };
}

/**
 * Loss terms of a session over the validation split, weighted by valid pixels, with the moving average where the session
 * keeps one. Throws (exit 4) when one is not finite, naming the patches and `when`, and (exit 130) when `interrupted` says so.
 */
export async function validationLoss(
  config: TrainConfig,
  data: TrainingData,
  session: Session,
  when: string,
  source: BatchSource = data.reader,
  interrupted: () => boolean = () => false,
): Promise<Averages> {
  const averages = new Averages();
  for await (const batch of source.batches({
    patches: data.split.validation,
    batchSize: config.batch_size,
    normalize: { input: data.normalization.input, target: data.normalization.target },
    mask: data.masked,
    ...partOf(config, session),
  })) {
    const terms = await session.evaluate(batch, session.options.ema === true);
    if (!terms.finite)
      throw new BandliftError(
        `the validation loss of patches ${(batch.whole ?? batch.patches).join(', ')} is not a finite number ${when}`,
        {
          file: config.output_dir,
          hint: 'nothing was overwritten; look at these patches, or try a smaller --lr or --clip-norm 1',
        },
        EXIT.notFinite,
      );
    averages.add(terms, terms.validPixels ?? batch.validPixels);
    batch.release();
    if (interrupted()) throw interruption();
  }
  return averages;
}
