/**
 * What stage 2 trains on: stage 1's predictions on Landsat's grid (computed once, cached), the true cube degraded to it, or
 * both by turns; the target is always the fine cube. One normalisation serves both sides, because the network adds its input,
 * resized, to its output.
 */

import { basename } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { Random } from '../base/random.js';
import type { Reporter } from '../base/reporter.js';
import { openReader, ownRange, type PatchReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import type { LoadedBatch, LoaderOptions, Normalization, PatchSet, Split } from '../data/types.js';
import type { Stage2Config } from './config.js';
import { type Known, type Mixture, readTrainingData, type TrainingData } from './data_setup.js';
import { readerOptions } from './reading.js';
import { sameFiles } from './snapshot.js';
import { loadStage1, type Stage1Model } from './stage1_model.js';
import { cacheStage1 } from './stage1_predictions.js';

const SIMULATED = { input: 'aviris_lr', target: 'aviris' } as const;

/**
 * Opens the data of a stage-2 run. `known` (from a checkpoint to resume) replaces split and normalisation; `interrupted` is
 * asked while stage 1's predictions are computed and whenever data are read.
 */
export async function openStage2Data(
  config: Stage2Config,
  report: Reporter,
  known?: Known,
  interrupted: () => boolean = () => false,
): Promise<TrainingData> {
  if (config.finetune_stage1 && config.input !== 'stage1')
    throw new BandliftError(
      'both stages together begin with the Landsat bands',
      { field: '--finetune-stage1', found: `--input ${config.input}`, hint: 'leave out --input' },
      EXIT.usage,
    );
  if (config.input === 'simulated') {
    const set = await openPatchSet([config.data_dir], { sides: SIMULATED });
    const stage1 = config.stage1 === '' ? undefined : await loadStage1(config.stage1);
    const data = await readTrainingData(
      set,
      config,
      report,
      known ?? (stage1 && fromStage1(stage1, set, report)),
      interrupted,
    );
    return { ...data, normalization: bothSides(data.normalization), inputText: 'the true cubes, degraded' };
  }
  const stage1 = await loadStage1(config.stage1);
  if (config.finetune_stage1) {
    const set = await openPatchSet([config.data_dir], { sides: { input: 'landsat_lr', target: 'aviris' } });
    checkStage1(stage1, set, config.stage1);
    const start = fromStage1(stage1, set, report);
    const normalization = { ...stage1.contract.normalization };
    const data = await readTrainingData(set, config, report, known ?? { ...start, normalization }, interrupted);
    return { ...data, inputText: "Landsat's bands", stage1: stage1.hash };
  }
  const landsat = await openPatchSet([config.data_dir], { sides: { input: 'landsat_lr', target: 'aviris_lr' } });
  checkStage1(stage1, landsat, config.stage1);
  const cached = await cacheStage1(config, stage1, landsat, report, interrupted);
  const set = await openPatchSet([config.data_dir], { sides: { input: 'stage1', target: 'aviris' }, cached });
  // how Landsat's grid was made, where the files lack it
  for (const warning of landsat.warnings) if (!set.warnings.includes(warning)) report.warn(warning);
  const read = await readTrainingData(set, config, report, known ?? fromStage1(stage1, set, report), interrupted);
  const data = { ...read, inputText: `predictions of ${config.stage1}`, stage1: stage1.hash };
  if (config.input !== 'mix') return data;
  const simulated = await openPatchSet([config.data_dir], { sides: SIMULATED });
  return {
    ...data,
    training: new MixedReader(data.reader, await openReader(simulated, readerOptions(config)), config),
  };
}

/** The target's normalisation for both sides. */
function bothSides(normalization: Normalization): Normalization {
  return { ...normalization, input: normalization.target };
}

/** Split and normalisation that follow from stage 1: its test patches stay unseen, its spectra keep their scale. */
function fromStage1({ contract }: Stage1Model, set: PatchSet, report: Reporter): Known {
  const normalization = bothSides(contract.normalization);
  if (sameFiles(contract, set)) {
    const split: Split = { ...contract.split, description: `as stage 1's: ${contract.split.description}` };
    return { split, normalization };
  }
  const seen = new Set(contract.data.map((f) => f.name));
  const shared = set.files.map((file) => basename(file.path)).filter((name) => seen.has(name));
  if (shared.length > 0)
    report.warn(
      `stage 1 was trained on files of the same names (${shared.slice(0, 3).join(', ')}) with other patches: patches tested here may have been seen by stage 1`,
    );
  return { normalization };
}

/** Bands and units of the patches must be those stage 1 predicts. */
function checkStage1({ model, contract }: Stage1Model, set: PatchSet, path: string): void {
  const first = set.files[0]!;
  const wrong = (field: string, found: string | number, expected: string | number) => {
    throw new BandliftError('the stage-1 model does not fit the patches', { file: path, field, found, expected });
  };
  if (model.inBands !== set.inBands) wrong('input bands', model.inBands, set.inBands);
  if (model.outBands !== set.outBands) wrong('predicted bands', model.outBands, set.outBands);
  const { units, wavelength } = contract.bands;
  if (units !== null && first.units !== undefined && units !== first.units) wrong('units', units, first.units);
  const band = wavelength?.findIndex((w, b) => Math.abs(w - (first.wavelength?.[b] ?? w)) > 0.5) ?? -1;
  if (band >= 0) wrong(`wavelength of band ${band}`, `${wavelength![band]} nm`, `${first.wavelength![band]} nm`);
}

/**
 * Training batches whose input is, patch by patch, stage 1's prediction or the true cube. The choice follows from (seed,
 * epoch, place in the epoch), so a resumed epoch is the same epoch.
 */
class MixedReader implements Mixture {
  readonly other: PatchReader;
  readonly #predicted: PatchReader;
  readonly #config: Pick<Stage2Config, 'seed' | 'mix_share'>;

  constructor(predicted: PatchReader, simulated: PatchReader, config: Stage2Config) {
    this.#predicted = predicted;
    this.other = simulated;
    this.#config = config;
  }

  choices(options: LoaderOptions): () => boolean {
    const { patches, shuffle, startBatch = 0, batchSize } = options;
    const random = new Random(this.#config.seed, 500_000 + (shuffle?.epoch ?? 0));
    const all = patches.map(() => random.uniform() < this.#config.mix_share);
    const own: boolean[] = [];
    for (let start = startBatch * batchSize; start < all.length; start += batchSize)
      own.push(...all.slice(...ownRange(options, start, all.length)));
    const next = own.values();
    return () => next.next().value!;
  }

  async *batches(options: LoaderOptions): AsyncGenerator<LoadedBatch> {
    const isOther = this.choices(options);
    const simulated = this.other.batches(options);
    try {
      for await (const batch of this.#predicted.batches(options)) {
        const { value: other } = await simulated.next();
        if (other === undefined) throw new Error('the two inputs have different numbers of batches');
        const numbers = batch.input.length / batch.size;
        for (let p = 0; p < batch.size; p++)
          if (isOther()) batch.input.set(other.input.subarray(p * numbers, (p + 1) * numbers), p * numbers);
        other.release();
        yield batch;
      }
    } finally {
      await simulated.return(undefined);
    }
  }

  /** The predictions' reader belongs to the run. */
  async close(): Promise<void> {
    await this.other.close();
  }
}
