/** An evaluation once data and methods are known: measure every method, pick examples, gather everything in one result. */
import type { Reporter } from '../base/reporter.js';
import { version } from '../base/version.js';
import { methodMetrics } from '../metrics/region_metrics.js';
import type { MethodResult } from '../metrics/types.js';
import { Examples, type InputPicture } from './examples.js';
import { type Measured, type MeasuredData, measure, targetRange } from './measure.js';
import type { Method } from './method.js';
import { type PixelChoice, pickPatches, pickPixels, scatterSamples, type TitledPixel } from './picks.js';
import type { EvaluationResult } from './result.js';
import type { EvaluationPool } from './worker_pool.js';

export interface EvaluationPlan extends Pick<EvaluationResult, 'stage' | 'models' | 'notes'> {
  readonly data: MeasuredData;
  /** What the result tells of them. */
  readonly about: EvaluationResult['data'];
  /** nm, of the truth. */
  readonly wavelength?: Float64Array;
  /** Baselines, then the model, then the oracle. */
  readonly methods: readonly Method[];
  /** Fine pixels per coarse pixel, for ERGAS. */
  readonly ratio: number;
  readonly input: InputPicture;
  readonly sceneOf: (patch: number) => string;
}

/** Pixels of the model's predictions that scatter plots are drawn from. */
const SCATTER_PIXELS = 2000;
const SEED = 20;

/**
 * @param pixels whose spectra are shown besides the worst and the median one; checked already (picks.ts)
 */
export async function runEvaluation(
  plan: EvaluationPlan,
  pool: EvaluationPool,
  report: Reporter,
  pixels: readonly PixelChoice[] = [],
): Promise<EvaluationResult> {
  const { data, methods } = plan;
  const range = await targetRange(data, pool);
  const results: MethodResult[] = [];
  let model: Measured | undefined;
  const held: string[] = [];
  for (const method of methods) {
    const bar = report.progress(data.patches.length, 'patches');
    let done = 0;
    try {
      const detail = method.role === 'model' ? { samples: SCATTER_PIXELS, seed: SEED } : undefined;
      const measured = await measure(data, method, range, pool, () => bar.update(++done, method.label), detail);
      if (detail) model = measured;
      if (detail && method.heldAtZero) held.push(heldNote(method.label, measured.heldShare));
      const { label, role, about } = method;
      results.push({ label, role, about, ...methodMetrics(measured.sums, data.regions, plan.ratio) });
    } finally {
      bar.stop();
    }
  }
  if (!model) throw new Error('an evaluation without a model');

  const chosen: TitledPixel[] = pixels.map((pixel) => ({ title: 'chosen', ...pixel }));
  const examples = new Examples(data, pool, {
    pixels: [...chosen, ...pickPixels(model.records, data.width)],
    pictures: pickPatches(model.records),
    input: plan.input,
    ...(plan.wavelength ? { wavelength: plan.wavelength } : {}),
    units: plan.about.units,
    sceneOf: plan.sceneOf,
  });
  await examples.addTruth();
  for (const method of methods.filter((m) => m.shown)) await examples.addMethod(method);

  return {
    stage: plan.stage,
    version: version(),
    created: new Date().toISOString(),
    models: plan.models,
    data: plan.about,
    wavelength: plan.wavelength ? [...plan.wavelength] : null,
    goodBands: [...data.regions[0]!.mask],
    methods: results,
    notes: [...plan.notes, ...held],
    spectra: examples.spectra,
    pictures: examples.pictures,
    scatter: scatterSamples(model, data.regions, SEED),
  };
}

/** As `predict` tells it. */
const heldNote = (label: string, share: number): string =>
  `${label}: ${(100 * share).toFixed(2)} % of the values were held at a bound of what the input allows, at 0 where no input band is negative.`;
