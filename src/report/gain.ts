/**
 * By how much each method's RMSE of a band is above or below that of the strongest baseline, in per cent:
 *
 *     gain[b] = 100 (rmse[b] / rmse_of_baseline[b] - 1)        below zero: better than the baseline
 *
 * Methods that differ by a few per cent lie on one line in a chart of RMSE; here they do not.
 */
import type { EvaluationResult } from '../evaluate/result.js';
import type { MethodResult } from '../metrics/types.js';
import type { BandAxis } from './axis.js';
import { bandEncoding, gapLayer, LINES_WIDTH, lineLayers, type Series } from './lines.js';
import { strokesOf } from './strokes.js';

/** Per cent at which lines are cut off, so that one poor method does not flatten the others. */
const FURTHEST = 60;

/** The baseline with the lowest RMSE over all bands; undefined where there is no baseline. */
export function strongestBaseline(methods: readonly MethodResult[]): MethodResult | undefined {
  const rmse = (m: MethodResult) => m.regions.all?.rmse ?? Number.POSITIVE_INFINITY;
  return methods.filter((m) => m.role === 'baseline').sort((a, b) => rmse(a) - rmse(b))[0];
}

/** Per cent above (+) or below (-) the baseline's RMSE, null for bad bands and where the baseline makes no error. */
export function gainByBand(method: MethodResult, baseline: MethodResult, goodBands: ArrayLike<number>) {
  return method.byBand.rmse.map((value, b) => {
    const reference = baseline.byBand.rmse[b];
    if (goodBands[b] === 0 || !Number.isFinite(value) || !reference) return null;
    return 100 * (value! / reference - 1);
  });
}

/** The chart of models and baselines against the strongest baseline, which is its line at zero; undefined without one. */
export function gainChart(result: EvaluationResult, axis: BandAxis, height: number) {
  const baseline = strongestBaseline(result.methods);
  if (baseline === undefined) return undefined;
  const strokes = strokesOf(result);
  const drawn = result.methods
    .filter((m) => m.role !== 'oracle')
    .sort((a, b) => Number(a.role === 'model') - Number(b.role === 'model'))
    .map(
      (m): Series => ({
        label: m.label,
        stroke: strokes.get(m.label)!,
        values: gainByBand(m, baseline, result.goodBands),
      }),
    );
  const values = drawn.flatMap((s) => s.values.filter((v): v is number => Number.isFinite(v)));
  if (values.length === 0) return undefined;
  const domain = [Math.max(-FURTHEST, Math.min(0, ...values)), Math.min(FURTHEST, Math.max(0, ...values))];
  const y = { title: 'RMSE difference (%)', scale: { domain, nice: true }, axis: { tickCount: 5 } };
  return {
    curve: 'gain' as const,
    title: `RMSE against ${baseline.label}`,
    note: `, per cent; below zero is better${Math.max(...values) > FURTHEST ? `, cut off at ${FURTHEST} %` : ''}`,
    spec: {
      width: LINES_WIDTH,
      height,
      encoding: { x: bandEncoding(axis) },
      layer: [gapLayer(axis), ...lineLayers(axis, drawn, y)],
    },
  };
}
