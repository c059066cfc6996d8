/**
 * Who finds the quantiles of a normalisation: the GPU that will train, else the reader's workers. Both count whole numbers for
 * one search, so the results are the same to the last bit.
 */
import { inputGoodBands, oneGrid } from '../data/assemble.js';
import type { PatchReader } from '../data/loader.js';
import type { CountPlan } from '../data/quantile.js';
import { type CountPass, type Quantiles, searchQuantiles } from '../data/statistics.js';
import { type OpenDevice, openDevice, resolvesToCuda } from '../engine/device.js';
import { ValueCounter } from '../fit/value_counter.js';
import type { TrainConfig } from './config.js';
import { deviceOption } from './device_option.js';

/**
 * The quantiles for a run's settings. A batch's mask speaks for the target's grid: where the input has one of its own, only
 * the workers know which of its pixels are valid.
 */
export function quantilesFor(config: TrainConfig, reader: PatchReader): Quantiles {
  return async (...asked) => {
    const choice = deviceOption(config);
    const { set } = reader;
    // which bands a patch has, the workers know
    if (!oneGrid(set) || set.bandMasks === true || !resolvesToCuda(choice)) return reader.quantiles(...asked);
    const { device } = await openDevice(choice);
    try {
      return await deviceQuantiles(device, reader, config.batch_size)(...asked);
    } finally {
      device.dispose();
    }
  };
}

/**
 * Quantiles counted on a device, in batches of this size; both sides must be on one grid. A pass has as many counts as one
 * worker would: at most 512 MiB a side, there and, when it ends, here.
 */
export function deviceQuantiles(device: OpenDevice['device'], reader: PatchReader, batchSize: number): Quantiles {
  const { set } = reader;
  const { height, width } = set;
  const first = set.files[0]!;
  const counter = (plan: CountPlan | undefined, bands: number, goodBands: Uint8Array | undefined) =>
    plan && new ValueCounter(device, { ...plan, bands, height, width, ...(goodBands && { goodBands }) });
  return (patches, fractions, perBand) => {
    const pass: CountPass = async (plans, add) => {
      let input: ValueCounter | undefined;
      let target: ValueCounter | undefined;
      try {
        input = counter(plans.input, set.inBands, inputGoodBands(first));
        target = counter(plans.target, set.outBands, first.goodBands);
        for await (const batch of reader.batches({ patches, batchSize, mask: true })) {
          await input?.add(batch.input, batch.mask!);
          await target?.add(batch.target, batch.mask!);
          batch.release();
        }
        add({ input: input?.counts(), target: target?.counts() });
      } finally {
        input?.dispose();
        target?.dispose();
      }
    };
    return searchQuantiles(set, patches, fractions, perBand, pass);
  };
}
