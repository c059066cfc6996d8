/** Whether the intervals of a closed-form model of scenes hold the truth of patches: share inside, per scene and over scenes. */
import type { StoredModel } from '../checkpoint/checkpoint.js';
import { LEVEL_DEVIATIONS, squaredDistance } from '../fit/conformal.js';
import { correctionTerms, relativeResiduals } from '../fit/scene_prior.js';
import { applyFit, type SceneFit, type SceneSpectra } from '../fit/scene_ridge.js';
import { relativeDeviation, type SceneUncertainty } from '../fit/scene_uncertainty.js';
import type { MeasuredData } from './measure.js';

/** Nominal shares, and the standard deviations that a normal distribution needs for them. */
const RELIABILITY = [
  [0.5, 0.6744897501960817],
  [0.8, 1.2815515655446004],
  [0.9, LEVEL_DEVIATIONS],
  [0.95, 1.959963984540054],
] as const;

interface Counts {
  values: number;
  /** By nominal share. */
  readonly inside: number[];
  /** Sum of the widths of intervals of 90 %, physical. */
  width: number;
}

/** The valid pixels of a patch that reflect anything. */
function pixelsOf(
  { input, target, valid }: { input: Float32Array; target: Float32Array; valid: Uint8Array },
  inBands: number,
  good: Uint8Array,
): SceneSpectra {
  const mean = (p: number) => {
    let sum = 0;
    for (let i = 0; i < inBands; i++) sum += input[p * inBands + i]! / inBands;
    return sum;
  };
  const kept = Array.from(valid.keys()).filter((p) => valid[p] === 1 && mean(p) > 0);
  const bands = good.length;
  const y = new Float32Array(kept.length * bands);
  const x = new Float64Array(kept.length * inBands);
  kept.forEach((p, k) => {
    y.set(target.subarray(p * bands, (p + 1) * bands), k * bands);
    x.set(input.subarray(p * inBands, (p + 1) * inBands), k * inBands);
  });
  return { name: '', count: kept.length, x, y, good, brightness: Float64Array.from(kept, mean) };
}

/**
 * Sentences on the intervals of `model` on patches: for each scene and over the scenes, each the same. Input bands are taken as
 * they stand in the patches, on one grid with the spectra.
 */
export async function coverageNotes(
  { model, tensors, scenes }: StoredModel & { readonly scenes: NonNullable<StoredModel['scenes']> },
  { reader, patches, regions }: MeasuredData,
  sceneOf: (patch: number) => string,
): Promise<string[]> {
  const good = Uint8Array.from(regions[0]!.mask);
  const { limit, scenes: calibrated } = scenes.facts.uncertainty;
  const uncertainty: SceneUncertainty = { ...scenes.tables, limit, scenes: calibrated };
  const fit: SceneFit = {
    weight: Float64Array.from(tensors.parameters.get('regression.weight')!),
    bias: Float64Array.from(tensors.parameters.get('regression.bias')!),
    trained: good,
  };
  const counts = new Map<string, Counts>();
  for (const patch of patches) {
    const pixels = pixelsOf(await reader.readPatch(patch), model.inBands, good);
    if (pixels.count === 0) continue;
    const name = sceneOf(patch);
    const own = counts.get(name) ?? { values: 0, inside: RELIABILITY.map(() => 0), width: 0 };
    counts.set(name, own);
    addPatch(pixels, fit, uncertainty, own);
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const shares = (c: Counts) => c.inside.map((n) => n / c.values);
  const each = [...counts.values()];
  if (each.length === 0) return [];
  const pooled = RELIABILITY.map((_, k) => each.reduce((sum, c) => sum + shares(c)[k]! / each.length, 0));
  const at = RELIABILITY.findIndex(([level]) => level === 0.9);
  const ninety = each.map((c) => shares(c)[at]!);
  return [
    ...[...counts].map(
      ([name, c]) =>
        `intervals of 90 % hold ${percent(shares(c)[at]!)} of the values of ${name}, mean width ${(c.width / c.values).toPrecision(3)}`,
    ),
    `over ${each.length} scene${each.length === 1 ? '' : 's'}, each the same: ${percent(pooled[at]!)}, from ${percent(Math.min(...ninety))} to ${percent(Math.max(...ninety))}; calibrated on ${calibrated} scenes`,
    `reliability, promised and held: ${RELIABILITY.map(([level], k) => `${percent(level)} ${percent(pooled[k]!)}`).join(', ')}`,
  ];
}

function addPatch(pixels: SceneSpectra, fit: SceneFit, uncertainty: SceneUncertainty, to: Counts): void {
  const which = Uint32Array.from({ length: pixels.count }, (_, p) => p);
  // spectra are held at 0, as predict holds them
  const predicted = applyFit(fit, pixels, which).map((value) => Math.max(0, value));
  const residuals = relativeResiduals(pixels, which, predicted);
  const u = correctionTerms(pixels, which);
  const bands = pixels.good.length;
  const n = pixels.x.length / pixels.count;
  for (let p = 0; p < pixels.count; p++) {
    const distance = squaredDistance(uncertainty.spread, pixels.x, p * n);
    for (let b = 0; b < bands; b++) {
      if (pixels.good[b] === 0) continue;
      const deviation = relativeDeviation(uncertainty, b, u, p * (n + 1), distance);
      const off = Math.abs(residuals[p * bands + b]!);
      to.values++;
      to.width += 2 * LEVEL_DEVIATIONS * deviation * pixels.brightness[p]!;
      RELIABILITY.forEach(([, z], k) => {
        if (off <= z * deviation) to.inside[k]!++;
      });
    }
  }
}
