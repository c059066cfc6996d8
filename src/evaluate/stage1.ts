/** `evaluate` of stage 1: the spectral model on the patches of its run. */
import { openPatchSet } from '../data/patches.js';
import { BandliftError, EXIT } from '../errors.js';
import {
  aboutData,
  coarseInput,
  describeModel,
  type EvaluationOptions,
  machineOf,
  measuredData,
  sceneOf,
  withOpen,
  withProgress,
} from './common.js';
import { checkData, openModel, patchesOf } from './evaluation_data.js';
import { fitBaselines } from './fit_baselines.js';
import { openLibrary } from './library.js';
import { definitionNotes, splitNotes, unitNotes } from './notes.js';
import { checkPixels } from './picks.js';
import type { EvaluationResult } from './result.js';
import { type EvaluationReporter, runEvaluation } from './run.js';
import { oracles, spectralBaselines, spectralModel } from './stage1_methods.js';

/**
 * Stage 1 of a checkpoint on its own data. Throws a BandliftError when they are not the data of its run, and a usage error
 * for pixels that are not in the patches evaluated.
 */
export async function evaluateStage1(
  path: string,
  options: EvaluationOptions,
  report: EvaluationReporter,
): Promise<EvaluationResult> {
  const model = await openModel(path);
  const { contract } = model;
  if ('up' in contract.model || contract.model.kind === 'cascade')
    throw new BandliftError('is no spectral model', { file: path, hint: 'give it as --stage2' }, EXIT.usage);
  const set = await openPatchSet([options.data], { sides: contract.sides ?? 'auto' });
  for (const warning of set.warnings) report.warn(warning);
  checkData(model, set, contract.model.inBands);
  const library = options.library === undefined ? undefined : await openLibrary(options.library, set.files[0]!);
  const patches = patchesOf(contract, options.split, path);
  report.line(
    `${options.split} split: ${patches.length} of ${set.count} patches of ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands`,
  );
  return withOpen(set, options, async (reader, pool) => {
    const data = measuredData(reader, patches);
    checkPixels(options.pixels ?? [], data);
    const { train, description } = contract.split;
    const machine = machineOf(options);
    report.line(`fitting baselines on ${train.length} training patches`);
    const training = { reader, train, masked: data.masked, good: data.regions[0]!.mask };
    const fitted = await withProgress(report, train.length, 'baselines', (done) =>
      fitBaselines(training, machine, done),
    );
    const { wavelength } = set.files[0]!;
    const plan = {
      stage: 'stage 1' as const,
      models: [await describeModel(1, model)],
      data,
      about: aboutData(set, options, patches),
      ...(wavelength ? { wavelength } : {}),
      methods: [
        ...spectralBaselines(fitted, set, set, machine, pool, library),
        spectralModel(model, set, machine),
        ...oracles(fitted.directions, set, machine),
      ],
      ratio: 1,
      notes: [...splitNotes(options.split, description), ...unitNotes(contract.bands.units), ...definitionNotes(1)],
      input: coarseInput(set.inBands, set.height, set.width),
      sceneOf: (patch: number) => sceneOf(set, patch),
    };
    return runEvaluation(plan, pool, report, options.pixels);
  });
}
