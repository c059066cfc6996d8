/** What the baselines and the oracle of an evaluation are fitted on. */

import { BandliftError } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import type { TrainingStatistics } from '../checkpoint/checkpoint.js';
import { patchesWithAll } from '../data/band_masks.js';
import { openReader } from '../data/loader.js';
import { openPatchSet } from '../data/patches.js';
import type { Sides } from '../data/types.js';
import { type EvaluationOptions, evaluationReading, machineOf, withProgress } from './common.js';
import { type Chosen, checkData, type KnownModel } from './evaluation_data.js';
import { fitDirections, fitStatistics } from './fit_baselines.js';
import type { MeasuredData } from './measure.js';
import type { PrincipalDirections } from './pca.js';

export interface FittedOn<T> {
  readonly fitted: T;
  /** In words, after 'fitted on'. */
  readonly on: string;
}

const OWN = 'the training split of the checkpoint';

/**
 * Sums for the closed-form baselines: of the patches in --baselines-from, else those that the checkpoint holds, else of its
 * training split where the data are its own. Throws a BandliftError when there is none of these.
 * @param model whose training split it is
 * @param own whether the data are those of its run
 * @param sides grid of the regressions
 */
export async function baselineStatistics(
  model: KnownModel,
  own: boolean,
  sides: Sides,
  options: EvaluationOptions,
  report: Reporter,
): Promise<FittedOn<TrainingStatistics>> {
  const { contract, stored, path } = model;
  const { baselinesFrom } = options;
  if (baselinesFrom === undefined && stored.statistics) return { fitted: stored.statistics, on: OWN };
  if (baselinesFrom === undefined && !own)
    throw new BandliftError('holds no statistics of its training patches to fit baselines on', {
      file: path,
      found: `version ${contract.version}`,
      hint: 'give the folder of its training patches with --baselines-from',
    });
  const set = await openPatchSet([baselinesFrom ?? options.data], { sides });
  if (baselinesFrom !== undefined) checkData(model, set, contract.model.inBands);
  const patches =
    baselinesFrom === undefined ? contract.split.train : Array.from({ length: set.count }, (_, patch) => patch);
  report.line(`fitting baselines on ${patches.length} ${baselinesFrom === undefined ? 'training ' : ''}patches`);
  const reader = await openReader(set, evaluationReading(options));
  try {
    const masked = set.files.some((file) => file.masked);
    const fitted = await withProgress(report, patches.length, 'baselines', (done) =>
      fitStatistics({ reader, patches, masked }, machineOf(options), done),
    );
    return { fitted, on: baselinesFrom === undefined ? OWN : `the ${patches.length} patches in ${baselinesFrom}` };
  } finally {
    await reader.close();
  }
}

/** The oracle's basis: of the training split where the data hold it, else of the very patches that are evaluated. */
export async function oracleDirections(
  { contract }: KnownModel,
  { own, patches }: Chosen,
  data: MeasuredData,
  options: EvaluationOptions,
  report: Reporter,
): Promise<FittedOn<PrincipalDirections | undefined>> {
  const counted = data.regions[0]!.mask;
  const chosen = patchesWithAll(data.reader.set, own ? contract.split.train : patches, counted);
  if (chosen.length === 0) return { fitted: undefined, on: 'nothing: no patch has all bands' };
  const fitted = await withProgress(report, chosen.length, 'oracle', (done) =>
    fitDirections({ reader: data.reader, patches: chosen, masked: data.masked }, counted, machineOf(options), done),
  );
  return { fitted, on: own ? OWN : 'the patches evaluated themselves' };
}
