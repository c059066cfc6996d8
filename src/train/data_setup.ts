/** What a run trains on: the patch set, its split, the normalisation fitted on the training part, the band mask. */

import type { Reporter } from '../base/reporter.js';
import { oneGrid } from '../data/assemble.js';
import { bandsOfAny } from '../data/band_masks.js';
import { movableTiles } from '../data/crops.js';
import { fitNormalization } from '../data/fit_normalization.js';
import { openReader, type PatchReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import { checkSplit, splitPatches } from '../data/split.js';
import { splitByNames } from '../data/split_named.js';
import type { LoaderOptions, Normalization, PatchSet, Split } from '../data/types.js';
import type { Stage1Config, TrainConfig } from './config.js';
import { quantilesFor } from './quantiles.js';
import { readerOptions } from './reading.js';
import { checkValidPixels } from './valid_pixels.js';

/** Training batches of two kinds of input, by turns. */
export interface Mixture extends Pick<PatchReader, 'batches' | 'close'> {
  /** The same patches with the other input. */
  readonly other: PatchReader;
  /** Whether the next patch of these batches has the other input; asked once for each, in order. */
  choices(options: LoaderOptions): () => boolean;
}

export interface TrainingData {
  readonly set: PatchSet;
  readonly reader: PatchReader;
  /** Where training batches come from when not from `reader`: the mixture of two inputs. */
  readonly training?: Mixture;
  readonly split: Split;
  readonly normalization: Normalization;
  /** From the files' good-band lists: 1 = good; absent when all are good. */
  readonly bandMask?: Float32Array;
  /** Training patches that are cropped anew in every epoch. */
  readonly movable?: ReadonlySet<number>;
  /** Whether patches carry invalid pixels (nodata, mask): batches then have a pixel mask. */
  readonly masked: boolean;
  /** What stage 2 is given, for the final table. */
  readonly inputText?: string;
  /** SHA-256 of stage 1's checkpoint, where the input comes from it. */
  readonly stage1?: string;
}

/** What a run knows before it looks at its data: from a checkpoint to resume, or from stage 1. */
export interface Known {
  readonly split?: Split;
  readonly normalization?: Normalization;
}

const SIDES = {
  auto: 'auto',
  '30m': { input: 'landsat_lr', target: 'aviris_lr' },
  patch: { input: 'landsat', target: 'aviris' },
} as const;

/** Opens the data of a stage-1 run. `known` (from a checkpoint) replaces the fitted split and normalisation. */
export async function openTrainingData(
  config: Stage1Config,
  report: Reporter,
  known?: Known,
  interrupted?: () => boolean,
): Promise<TrainingData> {
  const { crop } = config;
  const set = await openPatchSet([config.data_dir], { sides: SIDES[config.grid], ...(crop > 0 && { tile: crop }) });
  return readTrainingData(set, config, report, known, interrupted);
}

const sizeText = ({ height, width }: { height: number; width: number }) => `${height} x ${width}`;

/** The reader, split and normalisation of an opened set; bands that no training patch has do not count. While `interrupted` says yes, reading ends with exit code 130. */
export async function readTrainingData(
  opened: PatchSet,
  config: TrainConfig,
  report: Reporter,
  known?: Known,
  interrupted?: () => boolean,
): Promise<TrainingData> {
  let set = opened;
  for (const warning of set.warnings) report.warn(warning);
  const input = { height: set.inputHeight, width: set.inputWidth };
  const pixels = oneGrid(set) ? sizeText(set) : `${sizeText(input)} -> ${sizeText(set)}`;
  const grid = set.sides.target === 'aviris_lr' ? " of Landsat's grid" : '';
  report.line(
    `data: ${set.count} patches of ${pixels} pixels${grid}, ${set.inBands} -> ${set.outBands} bands, ${set.files.length} file${set.files.length === 1 ? '' : 's'} in ${config.data_dir}`,
  );
  const split =
    known?.split ??
    (config.val_scenes !== '' || config.test_scenes !== ''
      ? splitByNames(set, config.val_scenes, config.test_scenes, config.seed, config.val_fraction)
      : undefined) ??
    splitPatches(set, { validation: config.val_fraction, test: config.test_fraction, seed: config.seed });
  checkSplit(set, split);
  report.line(
    `split: ${split.train.length} training, ${split.validation.length} validation, ${split.test.length} test patches${split.guard.length > 0 ? `, ${split.guard.length} left out as guard` : ''}; ${split.description}`,
  );
  const good = bandsOfAny(set, split.train);
  if (set.bandMasks) {
    set = { ...set, counted: good };
    const count = good.reduce((sum, g) => sum + g, 0);
    report.line(`bands: patches differ in their good bands; ${count} of ${set.outBands} are good in training patches`);
  }
  const reader = await openReader(set, { ...readerOptions(config), ...(interrupted && { interrupted }) });
  const masked = set.files.some((file) => file.masked);
  try {
    if (masked) await checkValidPixels(reader, split);
    const quantiles = quantilesFor(config, reader);
    const normalization =
      known?.normalization ?? (await fitNormalization(reader, split.train, config.normalization, quantiles));
    const movable = 'crop' in config && Number(config.crop) > 0 ? movableTiles(set, split.train) : undefined;
    if (movable)
      report.line(`crops: ${movable.size} of ${split.train.length} training tiles are cropped anew in every epoch`);
    return {
      set,
      ...(movable && { movable }),
      reader,
      split,
      normalization,
      masked,
      ...(good.some((g) => g === 0) ? { bandMask: Float32Array.from(good) } : {}),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}
