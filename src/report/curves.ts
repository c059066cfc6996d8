/** Metrics against wavelength, a line for each method. */
import type { EvaluationResult } from '../evaluate/result.js';
import { bandAxis } from './axis.js';
import { unitText } from './format.js';
import { bandEncoding, gapLayer, LINES_WIDTH, lineLayers, type Series } from './lines.js';
import { strokesOf } from './strokes.js';

const HEIGHT = 195;
/** A linear axis hides the small values where the methods' typical ones differ by more than this factor. */
const LOG_SPAN = 8;
/** Room above and below the lines of a logarithmic axis. */
const MARGIN = 1.1;

export type Curve = 'rmse' | 'psnr' | 'ssim' | 'cc';
const CURVES: readonly Curve[] = ['rmse', 'psnr', 'ssim', 'cc'];

const TITLES: Readonly<Record<Curve, string>> = {
  rmse: 'RMSE by band',
  psnr: 'PSNR by band',
  ssim: 'SSIM by band',
  cc: 'Correlation (CC) by band',
};

export interface CurveChart {
  readonly curve: Curve;
  readonly title: string;
  /** RMSE over a wide span is drawn in powers of ten. */
  readonly log: boolean;
  readonly spec: object;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

function wideSpan(series: readonly Series[]): boolean {
  const typical = series
    .map((s) => median(s.values.filter((v): v is number => Number.isFinite(v) && v! > 0)))
    .filter((v) => v !== undefined);
  return typical.length > 1 && Math.max(...typical) > LOG_SPAN * Math.min(...typical);
}

/** 1, 2 and 5 times the powers of ten within the values. */
function logTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const step of [1, 2, 5]) ticks.push(step * 10 ** power);
  return ticks.filter((tick) => tick >= low * 0.8 && tick <= high * 1.25);
}

export function curveCharts(result: EvaluationResult): CurveChart[] {
  const axis = bandAxis(result.wavelength, result.goodBands.length);
  const strokes = strokesOf(result);
  return CURVES.flatMap((curve) => {
    const all = result.methods.map(({ label, byBand }): Series => {
      const values = byBand[curve].map((value, b) => (result.goodBands[b] === 0 ? null : value));
      return { label, stroke: strokes.get(label)!, values };
    });
    const log = curve === 'rmse' && wideSpan(all);
    // a logarithm has no place for 0
    const series = log ? all.map((s) => ({ ...s, values: s.values.map((v) => (v === 0 ? null : v)) })) : all;
    const finite = series.flatMap((s) => s.values.filter((v): v is number => Number.isFinite(v)));
    if (finite.length === 0) return [];
    const unit = curve === 'rmse' ? unitText('data', result.data.units) : curve === 'psnr' ? 'dB' : '';
    const y = {
      title: `${curve.toUpperCase()}${unit ? ` (${unit})` : ''}`,
      scale: log
        ? { type: 'log', domain: [Math.min(...finite) / MARGIN, Math.max(...finite) * MARGIN], nice: false }
        : { zero: curve === 'rmse', nice: true },
      axis: log ? { values: logTicks(finite), format: '~g' } : { tickCount: 5 },
    };
    // the model on top
    const models = new Set(result.methods.filter((m) => m.role === 'model').map((m) => m.label));
    const drawn = [...series].sort((a, b) => Number(models.has(a.label)) - Number(models.has(b.label)));
    const spec = {
      width: LINES_WIDTH,
      height: HEIGHT,
      encoding: { x: bandEncoding(axis) },
      layer: [gapLayer(axis), ...lineLayers(axis, drawn, y)],
    };
    return [{ curve, title: TITLES[curve], log, spec }];
  });
}
