/** `evaluate` of stage 1: the spectral model on the patches of its run, or on any others of the same bands. */

import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import type { CheckpointContract } from '../checkpoint/checkpoint.js';
import { isOtherSensor, openPatchSet } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import {
  aboutData,
  coarseInput,
  describeModel,
  type EvaluationOptions,
  machineOf,
  measuredData,
  sceneOf,
  withOpen,
} from './common.js';
import { coverageNotes } from './coverage.js';
import { checkData, choosePatches, countedBands, isOwnData, openModel } from './evaluation_data.js';
import { baselinesOf } from './fit_baselines.js';
import { baselineStatistics, oracleDirections } from './fitted_on.js';
import { openLibrary } from './library.js';
import { checkValidPixels } from './measure.js';
import { definitionNotes, splitNotes, unitNotes } from './notes.js';
import { overlapNotes, overlapOf } from './overlap.js';
import { checkPixels } from './picks.js';
import type { EvaluationResult } from './result.js';
import { runEvaluation } from './run.js';
import { oracles, spectralBaselines, spectralModel } from './stage1_methods.js';

/** The patches cut into tiles as those of the run were (--crop), where they are its own. */
async function asTrained(
  stored: PatchSet,
  contract: CheckpointContract,
  cut: () => Promise<PatchSet>,
): Promise<PatchSet> {
  const { places } = contract;
  const smaller = places && places.height === places.width && places.height < Math.min(stored.height, stored.width);
  if (!smaller || isOwnData(contract, stored)) return stored;
  const tiled = await cut();
  return isOwnData(contract, tiled) ? tiled : stored;
}

/**
 * Stage 1 of a checkpoint on patches. Throws a BandliftError when their bands, units or wavelengths are not those of the
 * checkpoint, and a usage error for pixels that are not in the patches evaluated.
 */
export async function evaluateStage1(
  path: string,
  options: EvaluationOptions,
  report: Reporter,
): Promise<EvaluationResult> {
  const model = await openModel(path);
  const { contract } = model;
  if ('up' in contract.model || contract.model.kind === 'cascade')
    throw new BandliftError('not a spectral model', { file: path, hint: 'give it as --stage2' }, EXIT.usage);
  const sides = contract.sides ?? 'auto';
  const stored = await openPatchSet([options.data], { sides });
  const set = await asTrained(stored, contract, () =>
    openPatchSet([options.data], { sides, tile: contract.places!.height }),
  );
  for (const warning of set.warnings) report.warn(warning);
  checkData(model, set, contract.model.inBands);
  const { path: file, sensor } = set.files[0]!;
  if (isOtherSensor(sensor, contract.sensor))
    report.warn(`${file} holds bands of ${sensor}; ${path} was trained on those of ${contract.sensor}`);
  const good = countedBands([model], set);
  const library = options.library === undefined ? undefined : await openLibrary(options.library, set.files[0]!);
  const chosen = choosePatches(model, set, options.split);
  const { patches, split, own } = chosen;
  report.line(
    `${own ? `${split} split` : 'other data'}: ${patches.length} of ${set.count} patches of ${set.height} x ${set.width} pixels, ${set.inBands} -> ${set.outBands} bands`,
  );
  const seen = own ? [] : overlapNotes(overlapOf(contract, set, patches), patches.length, path);
  for (const note of seen) report.warn(note);
  return withOpen(set, options, async (reader, pool) => {
    const data = measuredData(reader, patches, good);
    checkPixels(options.pixels ?? [], data);
    await checkValidPixels(data);
    const machine = machineOf(options);
    const statistics = await baselineStatistics(model, own, set.sides, options, report);
    const directions = await oracleDirections(model, chosen, data, options, report);
    const { wavelength } = set.files[0]!;
    const { scenes } = model.stored;
    const covered = scenes
      ? await coverageNotes({ ...model.stored, scenes }, data, (patch) => sceneOf(set, patch))
      : [];
    for (const note of covered) report.line(note);
    const plan = {
      stage: 'stage 1' as const,
      models: [await describeModel(1, model)],
      data,
      about: aboutData(set, options, chosen),
      ...(wavelength ? { wavelength } : {}),
      methods: [
        ...spectralBaselines(baselinesOf(statistics.fitted, set), set, set, machine, pool, library),
        spectralModel(model, set, machine),
        ...(directions.fitted ? oracles(directions.fitted, set, machine) : []),
      ],
      ratio: 1,
      notes: [
        ...splitNotes(chosen, contract.split.description, statistics.on, directions.on),
        ...seen,
        ...covered,
        ...unitNotes(contract.bands.units),
        ...definitionNotes(1),
      ],
      input: coarseInput(set.inBands, set.height, set.width),
      sceneOf: (patch: number) => sceneOf(set, patch),
    };
    return runEvaluation(plan, pool, report, options.pixels);
  });
}
