/** What a run trains on: the patch set, its split, the normalisation fitted on the training part, the band mask. */
import { openReader, type PatchReader } from '../data/loader.js';
import { fitNormalization } from '../data/normalize.js';
import { openPatchSet } from '../data/patches.js';
import { checkSplit, splitPatches } from '../data/split.js';
import type { AffineNormalization, Normalization, PatchSet, Split } from '../data/types.js';
import type { Stage1Config } from './config.js';
import type { Reporter } from './reporter.js';

export interface TrainingData {
  readonly set: PatchSet;
  readonly reader: PatchReader;
  readonly split: Split;
  readonly normalization: Normalization;
  /** From the files' good-band lists: 1 = good; absent when all are good. */
  readonly bandMask?: Float32Array;
  /** Whether patches carry invalid pixels (nodata, mask): batches then have a pixel mask. */
  readonly masked: boolean;
}

/** Opens the data of a run. `known` (from a checkpoint) replaces the fitted split and normalisation. */
export async function openTrainingData(
  config: Stage1Config,
  report: Reporter,
  known?: { split: Split; normalization: Normalization },
): Promise<TrainingData> {
  const set = await openPatchSet([config.data_dir]);
  for (const warning of set.warnings) report.warn(warning);
  report.line(
    `data: ${set.count} patches of ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands, ${set.files.length} file${set.files.length === 1 ? '' : 's'} in ${config.data_dir}`,
  );
  const split =
    known?.split ??
    splitPatches(set, { validation: config.val_fraction, test: config.test_fraction, seed: config.seed });
  checkSplit(set, split);
  report.line(
    `split: ${split.train.length} training, ${split.validation.length} validation, ${split.test.length} test patches${split.guard.length > 0 ? `, ${split.guard.length} left out as guard` : ''}; ${split.description}`,
  );
  const reader = await openReader(set);
  try {
    const normalization = known?.normalization ?? (await fitNormalization(reader, split.train, config.normalization));
    const good = set.files[0]!.goodBands;
    return {
      set,
      reader,
      split,
      normalization,
      masked: set.files.some((file) => file.masked),
      ...(good?.some((g) => g === 0) ? { bandMask: Float32Array.from(good) } : {}),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** The inverse of a normalisation as one scale and offset per band: physical = normalised * scale + offset. */
export function physicalScale(n: AffineNormalization, bands: number): { scale: Float32Array; offset: Float32Array } {
  const at = (values: readonly number[], band: number) => values[values.length === 1 ? 0 : band]!;
  return {
    scale: Float32Array.from({ length: bands }, (_, b) => at(n.scale, b)),
    offset: Float32Array.from({ length: bands }, (_, b) => at(n.offset, b)),
  };
}
