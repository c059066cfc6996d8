/** Metrics against wavelength, a line for each method. */
import type { EvaluationResult } from '../evaluate/result.js';
import { bandAxis } from './axis.js';
import { unitText } from './format.js';
import { gainChart } from './gain.js';
import { bandEncoding, gapLayer, LINES_WIDTH, lineLayers, type Series } from './lines.js';
import { strokesOf } from './strokes.js';

const HEIGHT = 195;
/** A linear axis hides the small errors where the methods' typical ones differ by more than this factor. */
const LOG_SPAN = 4;
/** Room above and below the lines of a logarithmic axis. */
const MARGIN = 1.1;
/** 1 - SSIM and 1 - CC below this are drawn as this. */
const LEAST = 1e-6;

export type Curve = 'rmse' | 'psnr' | 'ssim' | 'cc';
const CURVES: readonly Curve[] = ['rmse', 'psnr', 'ssim', 'cc'];

const TITLES: Readonly<Record<Curve, string>> = {
  rmse: 'RMSE by band',
  psnr: 'PSNR by band',
  ssim: 'SSIM by band',
  cc: 'Correlation (CC) by band',
};

export interface CurveChart {
  readonly curve: Curve | 'gain';
  readonly title: string;
  /** What the reader must know of the axis. */
  readonly note: string;
  readonly spec: object;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const finiteOf = (series: readonly Series[]): number[] =>
  series.flatMap((s) => s.values.filter((v): v is number => Number.isFinite(v)));

function wideSpan(errors: readonly Series[]): boolean {
  const typical = errors.map((s) => median(finiteOf([s]).filter((v) => v > 0))).filter((v) => v !== undefined);
  return typical.length > 1 && Math.max(...typical) > LOG_SPAN * Math.min(...typical);
}

/** Powers of ten within the values, and 2 and 5 times them where that is not too many. */
function logTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const steps = high / low < 200 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const step of steps) ticks.push(Number(`${step}e${power}`));
  return ticks.filter((tick) => tick >= low / MARGIN && tick <= high * MARGIN);
}

interface Scaled {
  readonly series: readonly Series[];
  readonly note: string;
  readonly y: object;
}

const change = (series: readonly Series[], to: (value: number) => number | null): Series[] =>
  series.map((s) => ({ ...s, values: s.values.map((v) => (Number.isFinite(v) ? to(v!) : null)) }));

/** RMSE in powers of ten; a logarithm has no place for 0. */
function logarithmic(all: readonly Series[]): Scaled {
  const series = change(all, (v) => (v > 0 ? v : null));
  const values = finiteOf(series);
  const domain = [Math.min(...values) / MARGIN, Math.max(...values) * MARGIN];
  const y = { scale: { type: 'log', domain, nice: false }, axis: { values: logTicks(values), format: '~g' } };
  return { series, note: ', logarithmic', y };
}

/** SSIM or CC by the powers of ten of what is missing to 1: 0.9, 0.99 and 0.999 are equally far apart. */
function towardsOne(all: readonly Series[]): Scaled {
  const series = change(all, (v) => -Math.log10(Math.max(LEAST, 1 - v)));
  const values = finiteOf(series);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].map((v) => -Math.log10(1 - v));
  const room = 0.03 * (high - low);
  const y = {
    scale: { domain: [low - room, high + room], nice: false, zero: false },
    axis: {
      values: ticks.filter((tick) => tick >= low - room && tick <= high + room),
      labelExpr: "format(1 - pow(10, -datum.value), '~g')",
    },
  };
  return { series, note: ', closer to 1 drawn larger', y };
}

/** @param competing the series that must be told apart: oracles may lie where they like */
function scaled(curve: Curve, all: readonly Series[], competing: readonly Series[]): Scaled {
  if (curve === 'rmse' && wideSpan(competing)) return logarithmic(all);
  if ((curve === 'ssim' || curve === 'cc') && wideSpan(change(competing, (v) => 1 - v))) return towardsOne(all);
  return { series: all, note: '', y: { scale: { zero: curve === 'rmse', nice: true }, axis: { tickCount: 5 } } };
}

export function curveCharts(result: EvaluationResult): CurveChart[] {
  const axis = bandAxis(result.wavelength, result.goodBands.length);
  const strokes = strokesOf(result);
  const models = new Set(result.methods.filter((m) => m.role === 'model').map((m) => m.label));
  const charts = CURVES.flatMap((curve): CurveChart[] => {
    const all = result.methods.map(({ label, byBand }): Series => {
      const values = byBand[curve].map((value, b) => (result.goodBands[b] === 0 ? null : value));
      return { label, stroke: strokes.get(label)!, values };
    });
    if (finiteOf(all).length === 0) return [];
    const { series, note, y } = scaled(
      curve,
      all,
      all.filter((_, i) => result.methods[i]!.role !== 'oracle'),
    );
    const unit = curve === 'rmse' ? unitText('data', result.data.units) : curve === 'psnr' ? 'dB' : '';
    const title = `${curve.toUpperCase()}${unit ? ` (${unit})` : ''}`;
    // the model on top
    const drawn = [...series].sort((a, b) => Number(models.has(a.label)) - Number(models.has(b.label)));
    const spec = {
      width: LINES_WIDTH,
      height: HEIGHT,
      encoding: { x: bandEncoding(axis) },
      layer: [gapLayer(axis), ...lineLayers(axis, drawn, { title, ...y })],
    };
    return [{ curve, title: TITLES[curve], note, spec }];
  });
  const gain = gainChart(result, axis, HEIGHT);
  return gain ? [...charts, gain] : charts;
}
